//! States as bytes and back: the same, and nothing else is taken for one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use eventcask_project::{AsJson, PerAggregate, Snapshot};
use serde::{Deserialize, Serialize};

fn bytes_of(state: &impl Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    bytes
}

/// A map of these keys, filled in their order; with room for more its order is another.
fn hash_map(keys: impl Iterator<Item = u32>, room: usize) -> HashMap<String, u32> {
    let mut map = HashMap::with_capacity(room);
    map.extend(keys.map(|key| (key.to_string(), key)));
    map
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Balance {
    cents: i64,
    rate: f64,
    owners: HashMap<String, u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flight {
    tail: String,
}

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
    check(&hash_map(0..100, 0));
    check(&HashMap::<u8, HashSet<u16>>::from([
        (1, HashSet::from([3, 2])),
        (0, HashSet::new()),
    ]));
    check(&BTreeSet::from([(1_i8, true), (-1, false)]));
}

#[test]
fn equal_states_give_equal_bytes() {
    let (one, other) = (hash_map(0..500, 0), hash_map((0..500).rev(), 10_000));
    assert_eq!(bytes_of(&one), bytes_of(&other));
    let in_order: BTreeMap<String, u32> = one.clone().into_iter().collect();
    assert_eq!(bytes_of(&one), bytes_of(&in_order));
    let keys = |map: &HashMap<String, u32>| map.keys().cloned().collect::<HashSet<_>>();
    assert_eq!(bytes_of(&keys(&one)), bytes_of(&keys(&other)));
    assert_eq!(bytes_of(&AsJson(one)), bytes_of(&AsJson(other)));
}

#[test]
fn a_map_whose_keys_do_not_rise_is_refused() {
    for keys in [[2_u8, 1], [1, 1]] {
        let bytes = bytes_of(&keys.map(|key| (key, key)).to_vec());
        assert_eq!(BTreeMap::<u8, u8>::decode(&mut &bytes[..]), None);
        assert_eq!(HashMap::<u8, u8>::decode(&mut &bytes[..]), None);
        let bytes = bytes_of(&keys.to_vec());
        assert_eq!(BTreeSet::<u8>::decode(&mut &bytes[..]), None);
        assert_eq!(HashSet::<u8>::decode(&mut &bytes[..]), None);
    }
}

#[test]
fn a_state_that_serde_knows_comes_back_as_it_was() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..2_000 {
        let bits = f64::from_bits(random.u64(..));
        check(&AsJson(Balance {
            cents: random.i64(..),
            // One digit less would be another number.
            rate: if bits.is_finite() { bits } else { 0.1 },
            owners: hash_map(0..random.u32(..3), 0),
        }));
    }
    check(&AsJson(u128::MAX));
    check(&(AsJson(Some(0.1_f32)), AsJson(())));
}

#[test]
fn bytes_of_another_type_are_no_state_of_this_one() {
    let bytes = bytes_of(&AsJson(Flight {
        tail: "N14228".to_owned(),
    }));
    assert_eq!(AsJson::<Balance>::decode(&mut &bytes[..]), None);
    let bytes = bytes_of(&String::from("{\"tail\":\"N14228\"} "));
    let mut longer = bytes.clone();
    longer[0] += 1;
    longer.push(b'}');
    assert!(AsJson::<Flight>::decode(&mut &bytes[..]).is_some());
    assert_eq!(AsJson::<Flight>::decode(&mut &longer[..]), None);
}

#[test]
fn what_json_can_not_hold_is_not_kept() {
    for state in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            AsJson::<f64>::decode(&mut &bytes_of(&AsJson(state))[..]),
            None
        );
    }
    let keyed = AsJson(BTreeMap::from([((1_u8, 2_u8), 3_u8)]));
    let kept = bytes_of(&keyed);
    assert_eq!(
        AsJson::<BTreeMap<(u8, u8), u8>>::decode(&mut &kept[..]),
        None
    );
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
        let _ = HashMap::<String, HashSet<u8>>::decode(&mut &bytes[..]);
        let _ = AsJson::<Vec<String>>::decode(&mut &bytes[..]);
    }
}
