//! Rules that are tried without a store.

use std::panic::{AssertUnwindSafe, catch_unwind};

use eventcask_domain::testing::given;

use crate::bank::{Account, Command, Deposited, Refused, Withdrawn, opened};

/// What an assertion that fails says.
fn message(fails: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(fails)).expect_err("the assertion holds");
    *panic.downcast::<String>().expect("it has a text")
}

fn with_cents(cents: u64) -> eventcask_domain::testing::Given<Account> {
    given([opened().into(), Deposited { cents }.into()])
}

#[test]
fn what_follows_is_asserted() {
    with_cents(500)
        .when(&Command::Withdraw(200))
        .then([Withdrawn { cents: 200 }.into()])
        .then_reply(300);
    with_cents(500)
        .when(&Command::Withdraw(501))
        .then_refused(Refused::TooLittle(500));
    with_cents(500)
        .when(&Command::Ensure)
        .then([])
        .then_reply(500);
    given::<Account>([])
        .when(&Command::Deposit(1))
        .then_refused(Refused::NotOpen);
    assert_eq!(with_cents(7).state().cents, 7);
    let then = with_cents(7).when(&Command::Coins(2)).then_reply(9);
    assert_eq!(then.state().movements, 4);
}

#[test]
fn what_differs_is_shown_line_by_line() {
    let said = message(|| {
        let expected = [Deposited { cents: 1 }.into(), Deposited { cents: 2 }.into()];
        let _ = with_cents(0).when(&Command::Coins(3)).then(expected);
    });
    assert_eq!(
        said,
        "other events were emitted than expected (- expected, + emitted):
  Deposited(
      Deposited {
          cents: 1,
      },
  )
  Deposited(
      Deposited {
-         cents: 2,
+         cents: 1,
+     },
+ )
+ Deposited(
+     Deposited {
+         cents: 1,
      },
  )
"
    );
    let said = message(|| {
        let _ = with_cents(5).when(&Command::Ensure).then([opened().into()]);
    });
    assert!(said.ends_with("-     },\n- )\n+ no events\n"), "{said}");
}

/// A table of all pairs of lines would take many gigabytes.
#[test]
fn what_differs_is_shown_however_much_it_is() {
    let coins = |count| (0..count).map(|_| Deposited { cents: 1 }.into());
    let said = message(|| {
        let _ = with_cents(0)
            .when(&Command::Coins(20_000))
            .then(coins(19_999));
    });
    let added = said.lines().filter(|line| line.starts_with('+')).count();
    assert_eq!(added, 5, "one event has five lines");

    let said = message(|| {
        let notes = (0..10_000).map(|cents| Withdrawn { cents }.into());
        let _ = with_cents(0).when(&Command::Coins(10_000)).then(notes);
    });
    let marked = |mark| said.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!(marked("- "), marked("+ "));
    assert!(marked("- ") > 49_000, "{}", marked("- "));
}

#[test]
fn another_answer_is_shown() {
    let said = message(|| {
        let _ = with_cents(5).when(&Command::Deposit(1)).then_reply(7);
    });
    assert_eq!(
        said,
        "it was answered otherwise (- expected, + given):\n- 7\n+ 6\n"
    );
    let said = message(|| {
        with_cents(5)
            .when(&Command::Withdraw(6))
            .then_refused(Refused::TooLittle(4));
    });
    assert_eq!(
        said,
        "it was refused for another reason (- expected, + given):\n  TooLittle(\n-     4,\n+     5,\n  )\n"
    );
    let said = message(|| {
        let _ = with_cents(5).when(&Command::Withdraw(6)).then([]);
    });
    assert_eq!(
        said,
        "it was refused: only 5 cents are there (TooLittle(5))"
    );
    let said = message(|| {
        with_cents(5)
            .when(&Command::Withdraw(5))
            .then_refused(Refused::NotOpen);
    });
    assert!(
        said.starts_with("it was carried out, where this refusal was expected: NotOpen;"),
        "{said}"
    );
    assert!(said.contains("Withdrawn"), "{said}");
}
