//! Rules tried without a store: given what happened, when this is asked for, then that follows.
//!
//! ```
//! use eventcask_domain::prelude::*;
//! use eventcask_domain::testing::given;
//!
//! # #[event("account.deposited")]
//! # struct Deposited { cents: u64 }
//! # #[event("account.withdrawn")]
//! # struct Withdrawn { cents: u64 }
//! # #[derive(EventSet)]
//! # enum AccountEvent { Deposited(Deposited), Withdrawn(Withdrawn) }
//! # #[derive(Debug, PartialEq, thiserror::Error)]
//! # #[error("only {0} cents are there")]
//! # struct TooLittle(u64);
//! # #[derive(Default, Clone)]
//! # struct Account { cents: u64 }
//! # struct Withdraw(u64);
//! # impl Decider for Account {
//! #     const CATEGORY: &'static str = "account";
//! #     type Event = AccountEvent;
//! #     type Command = Withdraw;
//! #     type Reply = u64;
//! #     type Error = TooLittle;
//! #     fn evolve(&mut self, event: AccountEventRef<'_>) {
//! #         match event {
//! #             AccountEventRef::Deposited(event) => self.cents += event.cents(),
//! #             AccountEventRef::Withdrawn(event) => self.cents -= event.cents(),
//! #         }
//! #     }
//! #     fn decide(cx: &mut Deciding<Self>, Withdraw(cents): &Withdraw) -> Result<u64, TooLittle> {
//! #         match cx.state().cents {
//! #             there if there < *cents => return Err(TooLittle(there)),
//! #             _ => cx.emit(Withdrawn { cents: *cents }),
//! #         }
//! #         Ok(cx.state().cents)
//! #     }
//! # }
//! given::<Account>([Deposited { cents: 500 }.into()])
//!     .when(&Withdraw(200))
//!     .then([Withdrawn { cents: 200 }.into()])
//!     .then_reply(300);
//!
//! given::<Account>([Deposited { cents: 500 }.into()])
//!     .when(&Withdraw(900))
//!     .then_refused(TooLittle(500));
//! ```

mod difference;
mod given;
mod when;

pub use given::{Given, given};
pub use when::{Then, When};
