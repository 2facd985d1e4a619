use eventcask::Durability;
use eventcask_sim::{Failure, Planted, Trial};

/// Seeds that a planted bug is looked for with.
const SEEDS: std::ops::Range<u64> = 0..40;

/// The first failure that shows a planted bug.
fn finding(planted: Planted) -> Option<Failure> {
    let durability = match planted {
        // Only a weak level can be overstated.
        Planted::LevelIsOverstated => Durability::Os,
        _ => Durability::Sync,
    };
    let trial = |seed| Trial::new(seed).durability(durability).planted(planted);
    SEEDS.map(|seed| trial(seed).run()).find_map(Result::err)
}

#[test]
fn each_planted_bug_is_found() {
    for planted in Planted::ALL {
        let failure = finding(planted);
        assert!(failure.is_some(), "{planted:?} was not found");
        println!("{planted:?}: {}", failure.unwrap());
    }
}
