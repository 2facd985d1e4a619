//! Repair against the real encoders.

use eventcask_fuzz::corpus::{REFUSED, entries};
use eventcask_fuzz::{Repair, Target, target};

fn repaired(target: &Target, bytes: &[u8], how: Repair) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    (target.repair)(&mut bytes, how);
    bytes
}

/// So the places of checksums, lengths and identities are those of the format.
#[test]
fn what_is_right_is_left_alone() {
    for entry in entries() {
        if entry.name.starts_with(REFUSED) || entry.name == "torn" {
            continue;
        }
        let target = target(entry.target).unwrap();
        for how in [Repair::Seal, Repair::Mend] {
            let repaired = repaired(target, &entry.bytes, how);
            assert!(
                repaired == entry.bytes,
                "{} {} {how:?}",
                entry.target,
                entry.name
            );
        }
    }
}

/// A byte of a payload, behind three checksums.
#[test]
fn a_changed_payload_is_sealed() {
    let entry = entries()
        .into_iter()
        .find(|entry| (entry.target, entry.name) == ("block", "plain"));
    let mut bytes = entry.unwrap().bytes;
    let at = bytes.windows(6).position(|text| text == b"teller").unwrap();
    bytes[at] = b'T';
    let target = target("block").unwrap();
    assert!(!(target.run)(&bytes));
    assert!((target.run)(&repaired(target, &bytes, Repair::Seal)));
}

/// Of random bytes nothing is right, but a header can be made of them.
#[test]
fn noise_is_mended_to_a_file() {
    let seed = 73;
    let mut random = fastrand::Rng::with_seed(seed);
    for name in ["segment", "framed"] {
        let target = target(name).unwrap();
        for _ in 0..200 {
            let noise: Vec<u8> = (0..random.usize(..6000)).map(|_| random.u8(..)).collect();
            assert!(!(target.run)(&noise), "seed {seed}");
            let mended = repaired(target, &noise, Repair::Mend);
            let again = repaired(target, &mended, Repair::Seal);
            assert!(
                again == mended,
                "what is mended is sealed: {name}, seed {seed}"
            );
        }
    }
}
