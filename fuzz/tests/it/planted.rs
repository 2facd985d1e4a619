//! A decoder with a fault on purpose: a loop that can not fail shows nothing.

use eventcask_fuzz::corpus::inputs_of;
use eventcask_fuzz::{Hunt, Target, repair};
use eventcask_log::{Framed, FramedKind};

/// Trusts the progress of a snapshot, which stands behind two checksums.
fn planted(bytes: &[u8]) -> bool {
    let Ok(framed) = Framed::decode("snapshot", bytes) else {
        return false;
    };
    let is_state = framed.kind == FramedKind::ViewState;
    assert!(
        !is_state || framed.progress < 1 << 48,
        "planted: no shard has come so far"
    );
    true
}

fn hunt() -> Hunt {
    let target = Target {
        name: "planted",
        run: planted,
        repair: repair::framed,
    };
    Hunt::new(target, inputs_of("framed"), 72)
}

#[test]
fn a_fault_behind_a_checksum_is_found() {
    let finding = hunt().run_many(20_000).unwrap_err();
    assert!(
        finding.message.starts_with("planted"),
        "{}",
        finding.message
    );
    let again = Framed::decode("snapshot", &finding.input).unwrap();
    assert!(
        again.progress >= 1 << 48,
        "the input that is kept has the fault"
    );
}

#[test]
fn without_repair_it_is_not() {
    let counts = hunt().without_repair().run_many(20_000).unwrap();
    assert_eq!((counts.inputs, counts.repaired), (20_000, 0));
}

/// The hunt keeps what it ran for whoever wants to run it again.
#[test]
fn what_is_found_is_found_again() {
    let finding = hunt().run_many(20_000).unwrap_err();
    let again = hunt().run_many(20_000).unwrap_err();
    assert_eq!(again, finding);
}
