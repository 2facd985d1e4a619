//! Named subscriptions and projections of a program, looked at and set going by the command line.

use eventcask::projection::SnapshotPolicy;
use eventcask::subscribe::Retry;
use eventcask::{ApplyError, Batch, ConsumerGroup, Expected, NewEvent, Projection, Store};
use serde_json::json;

use crate::binary::Place;

fn open(place: &Place) -> Store {
    let options = Store::options().shards(1).pin(false);
    options.open(place.path("store")).expect("it opens")
}

fn group(store: &Store) -> ConsumerGroup {
    let group = store.events().group("mailer", Retry::new(1));
    group.expect("the name is free")
}

/// What a program handles of a group; events of these aggregates fail.
fn work(group: &ConsumerGroup, failing: &[&str]) -> Vec<String> {
    let mut handled = Vec::new();
    while let Some(claim) = group.try_claim().expect("events are read") {
        let event = claim.event();
        if failing.contains(&event.key()) {
            claim.retry("the address is wrong").expect("it is saved");
        } else {
            handled.push(format!("{}@{}", event.key(), event.version()));
            claim.ack().expect("it is saved");
        }
    }
    handled
}

fn put(store: &Store, keys: &[&str]) {
    let mut producer = store.producer();
    for key in keys {
        let placed = NewEvent::json("Placed", b"{}");
        let ticket = producer.append(key, Expected::Any, &[placed]);
        ticket.expect("it is taken").wait().expect("it is stored");
    }
}

/// A store of which a program has handled all, but for two orders that are parked; one event came
/// later.
fn parked() -> Place {
    let place = Place::new();
    let store = open(&place);
    put(&store, &["order-1", "order-2", "order-3", "order-1"]);
    let mailer = group(&store);
    assert_eq!(work(&mailer, &["order-1", "order-2"]), ["order-3@1"]);
    drop(mailer);
    put(&store, &["order-3"]);
    store.close().expect("it closes");
    place
}

#[test]
fn subscriptions_are_listed_with_what_is_parked_in_them() {
    let place = parked();
    let listed =
        json!([{"name": "mailer", "positions": [4], "lag_events": 1, "retrying": 0, "parked": 2}]);
    assert_eq!(place.json(&["subscriptions"]), listed);
    assert_eq!(place.json(&["subscriptions", "list"]), listed);
    assert_eq!(place.json(&["stats"])["subscriptions"], listed);
    let text = place.ok(&["subscriptions"]);
    assert!(
        text.contains("subscription") && text.contains("mailer"),
        "{text}"
    );

    let one = |key: &str, position| {
        json!({"aggregate": key, "version": 1, "shard": 0, "position": position, "tries": 1,
            "reason": "the address is wrong"})
    };
    let both = json!([one("order-1", 0), one("order-2", 1)]);
    assert_eq!(place.json(&["subscriptions", "parked", "mailer"]), both);
    let text = place.ok(&["subscriptions", "parked", "mailer"]);
    assert!(
        text.contains("order-2") && text.contains("the address is wrong"),
        "{text}"
    );
}

#[test]
fn what_is_parked_is_redriven_or_skipped() {
    let place = parked();
    let done = place.json(&["subscriptions", "redrive", "mailer", "order-2"]);
    assert_eq!(done, json!({"name": "mailer", "redriven": 1}));
    let done = place.ok(&["subscriptions", "skip", "mailer", "order-1"]);
    assert!(done.contains("1 aggregate of mailer"), "{done}");
    assert_eq!(
        place.json(&["subscriptions", "parked", "mailer"]),
        json!([])
    );
    let none = ["subscriptions", "redrive", "mailer", "order-1"];
    assert_eq!(
        place.fails(1, &none),
        "aggregate \"order-1\" is not parked in mailer"
    );

    let store = open(&place);
    let mut handled = work(&group(&store), &[]);
    handled.sort();
    assert_eq!(handled, ["order-1@2", "order-2@1", "order-3@2"]);
}

#[test]
fn all_that_is_parked_is_redriven_at_once_and_a_subscription_is_dropped() {
    let place = parked();
    let done = place.json(&["subscriptions", "redrive", "mailer", "--all"]);
    assert_eq!(done["redriven"], 2);
    assert_eq!(place.json(&["subscriptions"])[0]["parked"], 0);
    assert_eq!(
        place.json(&["subscriptions", "drop", "mailer"]),
        json!({"name": "mailer", "dropped": true})
    );
    assert_eq!(place.json(&["subscriptions"]), json!([]));
    assert!(
        place
            .ok(&["subscriptions"])
            .contains("no named subscriptions")
    );
}

#[test]
fn what_is_not_there_or_in_use_is_said() {
    let place = parked();
    for what in ["parked", "drop"] {
        let said = place.fails(2, &["subscriptions", what, "nobody"]);
        assert!(said.contains("nobody"), "{said}");
    }
    place.fails(2, &["subscriptions", "redrive", "mailer"]);
    place.fails(2, &["subscriptions", "skip", "mailer", "order-1", "--all"]);
    let store = open(&place);
    let said = place.fails(2, &["subscriptions", "redrive", "mailer", "--all"]);
    assert!(said.contains("another process"), "{said}");
    assert_eq!(
        place.json(&["subscriptions"])[0]["parked"],
        2,
        "it can be read"
    );
    drop(store);
}

/// The number of events.
struct Count;

impl Projection for Count {
    const NAME: &'static str = "count";
    const VERSION: u32 = 7;
    type State = u64;

    fn apply(&self, count: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        *count += batch.len() as u64;
        Ok(())
    }
}

#[test]
fn stats_show_the_projections_that_a_program_keeps() {
    let place = Place::new();
    let store = open(&place);
    put(&store, &["order-1", "order-2"]);
    let count = store.projection(Count).snapshots(SnapshotPolicy::default());
    drop(count.sync().start().expect("it starts"));
    put(&store, &["order-1"]);
    store.close().expect("it closes");

    let kept = &place.json(&["stats"])["projections"][0];
    assert_eq!(
        (&kept["name"], &kept["kind"], &kept["version"]),
        (&json!("count"), &json!("projection"), &json!(7))
    );
    assert_eq!(
        (&kept["positions"], &kept["lag_events"]),
        (&json!([2]), &json!(1))
    );
    let text = place.ok(&["stats"]);
    let mut lines = text.lines();
    let line = lines
        .find(|line| line.starts_with("count "))
        .expect("it is shown");
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells, ["count", "7", "2", "1"]);
}

#[test]
fn a_subscription_that_can_not_be_read_is_not_taken_for_none() {
    let place = parked();
    let path = place.path("store/subscriptions/0001");
    let mut bytes = std::fs::read(&path).expect("it is there");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    std::fs::write(&path, bytes).expect("it can be written");
    let sentence = place.fails(1, &["subscriptions"]);
    assert!(
        sentence.contains("a subscription is missing: "),
        "{sentence}"
    );
    assert!(sentence.contains("0001"), "{sentence}");
    let mut sentence = String::new();
    for command in ["parked", "redrive", "drop"] {
        let args: &[&str] = match command {
            "redrive" => &["subscriptions", command, "mailer", "--all"],
            _ => &["subscriptions", command, "mailer"],
        };
        sentence = place.fails(3, args);
        assert!(
            sentence.contains("it may be subscription \"mailer\""),
            "{sentence}"
        );
    }
    let damage = &place.json(&["stats"])["subscription_damage"];
    assert!(
        damage.as_str().is_some_and(|text| text.contains("0001")),
        "{damage}"
    );

    // The advice was a repair, which did not look at it.
    assert!(sentence.contains("`eventcask repair`"), "{sentence}");
    let text = place.ok(&["repair"]);
    assert!(
        text.contains("/0001 was damaged and moved to ") && text.contains("begins anew"),
        "{text}"
    );
    assert_eq!(place.json(&["subscriptions"]), json!([]));
    assert!(place.json(&["stats"])["subscription_damage"].is_null());
}
