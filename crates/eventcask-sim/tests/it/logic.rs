use std::sync::Barrier;
use std::thread;

use eventcask::{Durability, ErrorKind, EventId, Expected, NewEvent};
use eventcask_sim::{After, Level, SimDisk, Trial};

use crate::bank::{kind, open_with, options};

#[test]
fn l1_events_of_one_append_are_there_together_or_not_at_all() {
    let disk = SimDisk::new();
    let options = options().shards(1).durability(Durability::Os);
    let store = open_with(&options, &disk);
    let mut producer = store.producer();
    let payload = [b'x'; 900];
    for _ in 0..12 {
        let transfer = ["Withdrawn", "Transferred", "Deposited"];
        let transfer = transfer.map(|event_type| NewEvent::bytes(event_type, &payload));
        let ticket = producer
            .append("account-1", Expected::Any, &transfer)
            .unwrap();
        ticket.wait().unwrap();
    }
    for steps in 0..=disk.steps() {
        for seed in 0..4 {
            let image = disk.power_cut(steps, seed);
            let store = open_with(&options, &SimDisk::of(image));
            let version = store.aggregate("account-1").version().unwrap();
            assert_eq!(version % 3, 0, "step {steps}, seed {seed}");
        }
    }
}

#[test]
fn l3_of_many_writers_that_expect_one_version_one_wins() {
    let disk = SimDisk::new();
    let store = open_with(&options(), &disk);
    let start = Barrier::new(4);
    let write = |writer: u8| {
        let mut producer = store.producer();
        let mut won = Vec::new();
        for round in 0..20 {
            start.wait();
            let payload = [writer];
            let event = NewEvent::bytes("Claimed", &payload);
            let ticket = producer
                .append("seat", Expected::Exact(round), &[event])
                .unwrap();
            let outcome = ticket.wait();
            match &outcome {
                Ok(answer) => {
                    assert_eq!(answer.version(), Some(round + 1));
                    won.push(round);
                }
                Err(_) => assert_eq!(kind(&outcome), Some(ErrorKind::Conflict)),
            }
            start.wait();
        }
        won
    };
    let mut won: Vec<u64> = thread::scope(|scope| {
        let writers = [0, 1, 2, 3].map(|writer| scope.spawn(move || write(writer)));
        let won = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap());
        won.collect()
    });
    won.sort_unstable();
    assert_eq!(won, (0..20).collect::<Vec<_>>());
    for seed in 0..10 {
        let image = disk.power_cut(disk.steps(), seed);
        let store = open_with(&options(), &SimDisk::of(image));
        assert_eq!(
            store.aggregate("seat").version().unwrap(),
            20,
            "seed {seed}"
        );
    }
}

#[test]
fn l4_everything_sent_again_after_a_crash_is_stored_once() {
    for seed in 600..605 {
        let trial = Trial::new(seed).durability(Durability::Sync);
        if let Err(failure) = trial.after(After::SentAgain).run() {
            panic!("{failure}");
        }
    }
}

#[test]
fn l4_a_repeat_after_a_crash_gets_the_first_answer() {
    let disk = SimDisk::new();
    let store = open_with(&options(), &disk);
    let id = EventId::from_name("deposit 1");
    let event = NewEvent::json("Deposited", b"{}").id(id);
    let append = |store: &eventcask::Store, event| {
        let ticket = store
            .producer()
            .append("account-1", Expected::NoStream, &[event]);
        ticket.unwrap().wait()
    };
    let first = append(&store, event).unwrap();
    let crashed = SimDisk::of(disk.power_cut(disk.steps(), 1));
    let store = open_with(&options(), &crashed);
    let again = append(&store, event).unwrap();
    assert!(again.is_duplicate());
    let place = |answer: eventcask::Appended| (answer.position(), answer.version());
    assert_eq!(place(again), place(first));
    let other = append(&store, NewEvent::json("Withdrawn", b"{}").id(id));
    assert_eq!(kind(&other), Some(ErrorKind::IdConflict));
}

#[test]
fn l5_a_view_holds_each_event_once_after_any_crash() {
    for seed in 700..704 {
        let trial = Trial::new(seed).durability(Durability::Sync);
        if let Err(failure) = trial.crash(Level::Power).run() {
            panic!("{failure}");
        }
    }
}

#[test]
fn l8_commit_times_rise_over_all_shards_and_openings() {
    let mut disk = SimDisk::new();
    for round in 0..4 {
        let store = open_with(&options(), &disk);
        crate::bank::deposit(&store, round * 10..round * 10 + 10);
        let events: Vec<_> = store.events().iter().collect::<Result<_, _>>().unwrap();
        let times: Vec<_> = events.iter().map(eventcask::Event::commit_time).collect();
        assert!(times.is_sorted(), "round {round}");
        let numbers: Vec<_> = events
            .iter()
            .map(|event| event.payload().to_vec())
            .collect();
        let sent = (0..round * 10 + 10).map(|number| crate::bank::payload(number).into_bytes());
        assert!(
            numbers.into_iter().eq(sent),
            "round {round}: not in the order of the answers"
        );
        drop((events, store));
        disk = SimDisk::of(disk.power_cut(disk.steps(), u64::from(round)));
    }
}
