//! A bank: what a service author writes, and nothing else.
//!
//! Run with `cargo run -p eventcask-domain --example typed_bank`.

use eventcask::AsOf;
use eventcask_domain::prelude::*;

// What happened. A struct per event type; one attribute; plain Rust fields.

#[event("account.opened", version = 2, prev = OpenedV1)]
struct Opened {
    owner: String,
    email: String,
}

#[event("account.opened", version = 1)] // last year's shape, kept for what is stored
struct OpenedV1 {
    owner: String,
}

impl From<OpenedV1> for Opened {
    fn from(old: OpenedV1) -> Self {
        Self {
            owner: old.owner,
            email: String::new(),
        }
    }
}

#[event("account.deposited")]
struct Deposited {
    cents: u64,
}

#[event("account.withdrawn")]
struct Withdrawn {
    cents: u64,
}

#[derive(EventSet)]
enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
    Withdrawn(Withdrawn),
}

// What is asked for, and what is answered.

enum Command {
    Open { owner: String, email: String },
    Deposit(u64),
    Withdraw(u64),
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refused {
    #[error("the account is not open")]
    NotOpen,
    #[error("only {0} cents are there")]
    TooLittle(u64),
}

// How it is decided. The state is what the rules need to know, no more.

#[derive(Default, Clone)]
struct Account {
    open: bool,
    cents: u64,
}

impl Decider for Account {
    const CATEGORY: &'static str = "account"; // the aggregate's key is "account-42"
    type Event = AccountEvent;
    type Command = Command;
    type Reply = u64; // the balance
    type Error = Refused;

    fn evolve(&mut self, event: AccountEventRef<'_>) {
        match event {
            AccountEventRef::Opened(_) => self.open = true,
            AccountEventRef::Deposited(event) => self.cents += event.cents(),
            AccountEventRef::Withdrawn(event) => self.cents -= event.cents(),
        }
    }

    fn decide(cx: &mut Deciding<Self>, command: &Command) -> Result<u64, Refused> {
        match command {
            Command::Open { owner, email } => cx.emit(Opened {
                owner: owner.clone(),
                email: email.clone(),
            }),
            _ if !cx.state().open => return Err(Refused::NotOpen),
            Command::Deposit(cents) => cx.emit(Deposited { cents: *cents }),
            Command::Withdraw(cents) if cx.state().cents < *cents => {
                return Err(Refused::TooLittle(cx.state().cents));
            }
            Command::Withdraw(cents) => cx.emit(Withdrawn { cents: *cents }),
        }
        Ok(cx.state().cents) // `emit` has been applied already
    }
}

// A read model: one number by account, kept before the answer is given.

struct Balances;

impl PerAggregate for Balances {
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    type Event = AccountEvent;
    type Value = i64;

    fn apply(&self, balance: &mut i64, event: AccountEventRef<'_>) {
        match event {
            AccountEventRef::Deposited(event) => *balance += event.cents() as i64,
            AccountEventRef::Withdrawn(event) => *balance -= event.cents() as i64,
            AccountEventRef::Opened(_) => {}
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("bank"))?;
    let accounts = store.decider::<Account>();
    let balances = store.projection(Balances).sync().start()?;

    let open = Command::Open {
        owner: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    accounts.execute("42", &open).wait()?;

    let id = CommandId::from_text("deposit-7719"); // from the request: a repeat gets the first answer
    let deposit = Command::Deposit(500);
    let done = accounts.with_id(id).execute("42", &deposit).wait()?; // or .await
    let again = accounts.with_id(id).execute("42", &deposit).wait()?;
    assert_eq!((again.reply, again.version), (done.reply, done.version));

    let refused = accounts.execute("42", &Command::Withdraw(900)).wait().err();
    let reason = refused.as_ref().and_then(DecideError::refused);
    assert_eq!(reason, Some(&Refused::TooLittle(500)));

    let cents = balances.get("account-42")?.unwrap_or(0);
    println!("{cents} cents, at {}", done.place);
    let before = accounts.load_as_of("42", AsOf::Version(1))?.state.cents;
    println!("{before} cents before that");
    Ok(())
}

#[cfg(test)]
mod tests {
    use eventcask_domain::testing::given;

    use super::*;

    fn opened() -> Opened {
        Opened {
            owner: "Ada".to_owned(),
            email: String::new(),
        }
    }

    #[test]
    fn what_is_there_can_be_withdrawn() {
        given::<Account>([opened().into(), Deposited { cents: 500 }.into()])
            .when(&Command::Withdraw(200))
            .then([Withdrawn { cents: 200 }.into()])
            .then_reply(300);
    }

    #[test]
    fn more_than_there_is_can_not_be_withdrawn() {
        given::<Account>([opened().into(), Deposited { cents: 500 }.into()])
            .when(&Command::Withdraw(900))
            .then_refused(Refused::TooLittle(500));
    }
}
