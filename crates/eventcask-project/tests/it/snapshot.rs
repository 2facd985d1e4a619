//! States as bytes and back: the same, and nothing else is taken for one.

use std::collections::BTreeMap;
use std::fmt::Debug;

use eventcask_project::{PerAggregate, Snapshot};

fn check<S: Snapshot + PartialEq + Debug>(state: &S) {
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    let mut left = &bytes[..];
    assert_eq!(S::decode(&mut left).as_ref(), Some(state));
    assert!(left.is_empty());
    for length in 0..bytes.len() {
        assert_eq!(S::decode(&mut &bytes[..length]), None, "cut at {length}");
    }
}

#[test]
fn states_come_back_as_they_were() {
    check(&());
    check(&(true, 7_u8, -1.5_f64, i128::MIN));
    check(&String::from("Grüße"));
    check(&(Some(5_i64), None::<u16>));
    check(&vec![String::new(), "a".to_owned()]);
    check(&BTreeMap::from([
        ("ada".to_owned(), (1_u64, 2_i32)),
        (String::new(), (0, 0)),
    ]));
}

#[test]
fn s1_any_bytes_are_a_state_or_none() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..4)).take(40).collect();
        // Lengths that can be, and some that can not.
        bytes[random.usize(1..8)] = 0;
        bytes[3..8].fill(random.u8(..2) * 255);
        let _ = PerAggregate::<(u64, u8)>::decode(&mut &bytes[..]);
        let _ = Vec::<Option<String>>::decode(&mut &bytes[..]);
        let _ = BTreeMap::<String, bool>::decode(&mut &bytes[..]);
    }
}
