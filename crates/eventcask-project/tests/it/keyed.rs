//! Keyed state against a map, over random batches.

use std::collections::BTreeMap;

use eventcask_event::{
    AggregateNumbers, Columns, Encoding, Events, EventsParts, PayloadBytes, Timestamp,
};
use eventcask_project::{Batch, PerAggregate, Snapshot};

/// A block of which only the aggregates matter.
struct Block {
    columns: Columns,
    starts: Vec<u32>,
}

impl Block {
    fn new(keys: &[String]) -> Self {
        let mut columns = Columns::default();
        let mut indexes = BTreeMap::new();
        if !keys.is_empty() {
            columns.add_type("Moved", 1, Encoding::Bytes as u8, None);
        }
        for key in keys {
            let index = *indexes
                .entry(key)
                .or_insert_with(|| columns.add_aggregate(key, u64::MAX));
            columns.aggregates.push(index);
            columns.types.push(0);
            columns.versions.push(1);
            columns.payload_lengths.push(0);
        }
        let sizes = vec![0; usize::from(!keys.is_empty())];
        let starts = Events::check(keys.len(), &columns, 0, &sizes).unwrap();
        Self { columns, starts }
    }

    fn with_events<T>(&self, use_them: impl FnOnce(Events<'_>) -> T) -> T {
        let columns = &self.columns;
        let payloads = vec![Some(PayloadBytes::default()); columns.type_name_ends.len()];
        use_them(Events::new(EventsParts {
            store: 7,
            shard: 0,
            first_position: 0,
            commit_time: Timestamp::from_nanos(0),
            columns,
            ids: &[],
            payloads: &payloads,
            payload_starts: &self.starts,
        }))
    }
}

fn count(state: &mut PerAggregate<u64>, batch: &Batch<'_>) {
    let mut counts = state.of(batch);
    for row in batch.rows() {
        counts[batch.aggregate_index(row)] += 1;
    }
}

fn all(state: &PerAggregate<u64>) -> BTreeMap<String, u64> {
    let pairs = state.iter().map(|(key, count)| (key.to_owned(), *count));
    pairs.collect()
}

#[test]
fn counts_equal_those_of_a_map() {
    for seed in 1..=40 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut state, mut model) = (PerAggregate::default(), BTreeMap::<String, u64>::new());
        let keys = random.u32(1..5000);
        for _ in 0..random.u32(1..20) {
            let rows = random.usize(0..700);
            let rows: Vec<_> = (0..rows)
                .map(|_| format!("k{}", random.u32(0..keys)))
                .collect();
            let first = random.usize(0..3).min(rows.len());
            let listed: Vec<u32> = (0..rows.len() as u32).filter(|_| random.bool()).collect();
            let block = Block::new(&rows);
            let seen: Vec<&String> = if random.bool() {
                block.with_events(|events| count(&mut state, &Batch::new(events, first, false)));
                rows[first..].iter().collect()
            } else {
                block
                    .with_events(|events| count(&mut state, &Batch::listed(events, &listed, true)));
                listed.iter().map(|row| &rows[*row as usize]).collect()
            };
            seen.into_iter()
                .for_each(|key| *model.entry(key.clone()).or_default() += 1);
        }
        assert_eq!(all(&state), model, "seed {seed}");
        assert_eq!(state.len(), model.len());
        for number in 0..keys {
            let key = format!("k{number}");
            assert_eq!(state.get(&key), model.get(&key), "seed {seed}, {key}");
        }
    }
}

#[test]
fn an_aggregate_of_which_no_event_is_seen_has_no_value() {
    let mut state = PerAggregate::default();
    let rows = ["a", "b", "a"].map(str::to_owned);
    Block::new(&rows).with_events(|events| {
        count(&mut state, &Batch::new(events, 2, false));
        count(&mut state, &Batch::listed(events, &[], false));
    });
    assert_eq!(
        (state.get("a"), state.get("b"), state.len()),
        (Some(&1), None, 1)
    );
    assert!(PerAggregate::<u64>::default().is_empty());
}

#[test]
#[should_panic(expected = "out of bounds")]
fn a_value_without_an_event_in_the_batch_is_not_handed_out() {
    let mut state = PerAggregate::<u64>::default();
    let rows = ["a", "b"].map(str::to_owned);
    Block::new(&rows).with_events(|events| {
        let batch = Batch::listed(events, &[1], false);
        let _ = state.of(&batch)[0];
    });
}

#[test]
fn it_comes_back_from_bytes_and_goes_on() {
    let keys: Vec<String> = (0..300).map(|number| format!("key-{number}")).collect();
    let mut state = PerAggregate::default();
    Block::new(&keys).with_events(|events| count(&mut state, &Batch::new(events, 0, false)));
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    let mut again = PerAggregate::<u64>::decode(&mut &bytes[..]).unwrap();
    for state in [&mut state, &mut again] {
        let more: Vec<String> = (200..400).map(|number| format!("key-{number}")).collect();
        Block::new(&more).with_events(|events| count(state, &Batch::new(events, 0, false)));
    }
    assert_eq!(all(&again), all(&state));
    assert_eq!(again.get("key-250"), Some(&2));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    state.encode(&mut first);
    again.encode(&mut second);
    assert!(first == second, "equal states have equal bytes");

    let twice = [2_u64.to_le_bytes(), [1, 0, b'k', 0, 0, 0, 0, 0]].concat();
    let twice = [&twice[..], &[0; 3], &[1, 0, b'k'], &[0; 8]].concat();
    assert!(
        PerAggregate::<u64>::decode(&mut &twice[..]).is_none(),
        "a key twice"
    );
}

/// Numbers are those of an opening of a shard; the next one gives others.
#[test]
fn an_aggregate_is_the_same_with_its_number_without_it_and_after_an_opening() {
    let keys: Vec<String> = (0..500).map(|number| format!("k{number}")).collect();
    for seed in 1..=20 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut state, mut model) = (PerAggregate::default(), BTreeMap::<String, u64>::new());
        for opening in 1..=3 {
            let mut numbers: Vec<u32> = (0..2000).collect();
            random.shuffle(&mut numbers);
            for _ in 0..10 {
                let (rows, known) = (random.usize(1..300), random.usize(1..=keys.len()));
                let rows: Vec<usize> = (0..rows).map(|_| random.usize(..known)).collect();
                let names: Vec<String> = rows.iter().map(|row| keys[*row].clone()).collect();
                let mut aggregates = Vec::new();
                for row in &rows {
                    if !aggregates.contains(row) {
                        aggregates.push(*row);
                    }
                }
                let of_block: Vec<u32> = aggregates.iter().map(|row| numbers[*row]).collect();
                let is_numbered = random.u32(..4) > 0;
                let first = random.usize(..2).min(rows.len() - 1);
                Block::new(&names).with_events(|events| {
                    let numbers = AggregateNumbers {
                        opening,
                        numbers: &of_block,
                    };
                    let numbered = events.numbered(numbers);
                    let events = if is_numbered { numbered } else { events };
                    count(&mut state, &Batch::new(events, first, false));
                });
                for name in &names[first..] {
                    *model.entry(name.clone()).or_default() += 1;
                }
            }
        }
        assert_eq!(all(&state), model, "seed {seed}");
    }
}
