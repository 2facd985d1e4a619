//! Events that are stored as archives, and seen in place.

use eventcask::event::{Encoding, EventRef};
use eventcask::{Expected, NewEvent};
use eventcask_domain::prelude::*;
use eventcask_domain::{DecodeError, Decoded, ErrorKind, Reading, StoredType, StoredTypes};

use crate::account::store;

#[event("sensor.measured", version = 2, prev = MeasuredV1, encoding = archive, tags = [room])]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) room: String,
    pub(crate) value: f64,
    pub(crate) samples: Vec<u32>,
    pub(crate) notes: Vec<Option<String>>,
    pub(crate) sign: Option<char>,
    pub(crate) large: i128,
    pub(crate) flag: bool,
}

/// The first version was JSON.
#[event("sensor.measured", encoding = json)]
pub(crate) struct MeasuredV1 {
    room: String,
}

impl From<MeasuredV1> for Measured {
    fn from(old: MeasuredV1) -> Self {
        Self {
            room: old.room,
            ..measured()
        }
    }
}

#[event("sensor.removed", encoding = archive)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Removed;

#[event("sensor.moved", version = 2, prev = MovedV1, encoding = archive)]
pub(crate) struct Moved {
    room: String,
}

#[event("sensor.moved", encoding = archive)]
pub(crate) struct MovedV1 {
    number: u16,
}

impl From<MovedV1> for Moved {
    fn from(old: MovedV1) -> Self {
        Self {
            room: format!("room {}", old.number),
        }
    }
}

#[derive(EventSet)]
pub(crate) enum SensorEvent {
    Measured(Measured),
    Removed(Removed),
    Moved(Moved),
}

fn measured() -> Measured {
    Measured {
        room: "kitchen, which has a long name".to_owned(),
        value: f64::INFINITY,
        samples: vec![1, 2, u32::MAX],
        notes: vec![None, Some("odd".to_owned())],
        sign: Some('€'),
        large: i128::MIN,
        flag: true,
    }
}

fn payload<E: Event>(event: &E) -> Vec<u8> {
    let mut out = Vec::new();
    event.encode(&mut out).unwrap();
    out
}

/// The payload where its first byte is so far from a multiple of 16.
fn placed<T>(payload: &[u8], offset: usize, read: impl FnOnce(&[u8]) -> T) -> T {
    let mut room = vec![0_u8; payload.len() + 32];
    let start = room.as_ptr().align_offset(16) + offset;
    room[start..start + payload.len()].copy_from_slice(payload);
    read(&room[start..start + payload.len()])
}

#[test]
fn an_archive_is_seen_as_the_event_that_it_was_made_of() {
    let event = measured();
    let before = format!("{:?}", event.view());
    assert!(
        before.contains("notes: [None, Some(\"odd\")], sign: Some('€')"),
        "{before}"
    );
    placed(&payload(&event), 0, |bytes| {
        let Ok(Reading::InPlace(view)) = Measured::read(bytes) else {
            panic!("it is seen in place");
        };
        assert_eq!(format!("{view:?}"), before);
        assert_eq!(
            (view.samples().len(), view.samples().get(2)),
            (3, Some(u32::MAX))
        );
        let within = bytes.as_ptr_range().contains(&view.room().as_ptr());
        assert!(within, "the text is the stored one");
    });
}

#[test]
fn an_archive_that_lies_askew_is_decoded() {
    let event = measured();
    for offset in 1..16 {
        placed(&payload(&event), offset, |bytes| {
            match Measured::read(bytes) {
                Ok(Reading::Owned(decoded)) => assert_eq!(decoded, event),
                Ok(Reading::InPlace(view)) => panic!("{offset} {view:?}"),
                Err(error) => panic!("{offset}: {error}"),
            }
        });
    }
}

#[event("sensor.sampled", encoding = archive)]
#[derive(Debug, Clone, PartialEq)]
struct Sampled {
    samples: Vec<u64>,
}

/// The struct of a list needs a place of 4 bytes, and its items one of 8: an archive that suits the
/// struct alone was taken for damage.
#[test]
fn an_archive_whose_items_lie_askew_is_decoded() {
    let event = Sampled {
        samples: vec![1, u64::MAX],
    };
    for offset in [4, 8, 12] {
        placed(&payload(&event), offset, |bytes| {
            match Sampled::read(bytes) {
                Ok(Reading::Owned(decoded)) => assert_eq!(decoded, event),
                Ok(Reading::InPlace(view)) => panic!("{offset} {view:?}"),
                Err(error) => panic!("{offset}: {error}"),
            }
            assert_eq!(Sampled::decode_past(0, bytes).as_ref(), Ok(&event));
        });
    }
}

#[test]
fn archives_behind_each_other_do_not_depend_on_their_places() {
    let mut events = EncodedEvents::default();
    events.push(&SensorEvent::from(Removed)).unwrap();
    events
        .push(&SensorEvent::from(MovedV1 { number: 7 }.into_newest()))
        .unwrap();
    events.push(&SensorEvent::from(measured())).unwrap();
    events.with(|events| assert_eq!(events[2].payload, payload(&measured())));
}

impl MovedV1 {
    fn into_newest(self) -> Moved {
        self.into()
    }
}

#[test]
fn damaged_archives_are_errors_and_never_a_panic() {
    let whole = payload(&measured());
    let mut refused = 0;
    for byte in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1 << bit;
            placed(&damaged, 0, |bytes| match Measured::read(bytes) {
                Ok(Reading::InPlace(view)) => drop(format!("{view:?}")),
                Ok(Reading::Owned(_)) => panic!("it is aligned"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Malformed);
                    refused += 1;
                }
            });
        }
    }
    assert!(refused > 0);
    for length in 0..whole.len() {
        let cut = placed(&whole[..length], 0, |bytes| {
            Measured::decode_past(0, bytes).is_err()
        });
        assert!(cut, "{length}");
    }
}

#[test]
fn shapes_tell_structs_apart() {
    let shapes = [
        Measured::SCHEMA.shape,
        Removed::SCHEMA.shape,
        Moved::SCHEMA.shape,
        MovedV1::SCHEMA.shape,
    ];
    for (number, shape) in shapes.iter().enumerate() {
        assert!(shape.is_some());
        assert!(!shapes[..number].contains(shape), "{number}");
    }
    assert_eq!(MeasuredV1::SCHEMA.shape, None, "JSON has none");
    let stored = StoredType::new("sensor.moved", 1, Encoding::Bytes, MovedV1::SCHEMA.shape);
    let found = SensorEvent::find(stored).unwrap().unwrap();
    assert_eq!((found.member, found.steps), (2, 1));
    let old = payload(&MovedV1 { number: 7 });
    let decoded: Result<Decoded<'_, SensorEvent>, DecodeError> =
        SensorEvent::decode_found(found, &old);
    assert_eq!(
        format!("{:?}", decoded.unwrap()),
        "[Moved(Moved { room: \"room 7\" })]"
    );
}

#[test]
fn archives_and_the_json_before_them_are_read_from_a_store() {
    let store = store();
    let old = NewEvent::json("sensor.measured", br#"{"room":"attic"}"#);
    let ticket = store.append("sensor-1", Expected::Any, &[old]);
    ticket.unwrap().wait().unwrap();
    let events: [SensorEvent; 2] = [measured().into(), Removed.into()];
    let ticket = store.append_events("sensor-1", Expected::Any, &events);
    ticket.unwrap().wait().unwrap();
    let seen: Vec<String> = store
        .aggregate("sensor-1")
        .events()
        .unwrap()
        .typed::<SensorEvent>()
        .map(|event| format!("{:?}", event.unwrap().view()))
        .collect();
    assert!(
        seen[0].starts_with("Measured(Measured { room: \"attic\""),
        "{}",
        seen[0]
    );
    assert_eq!(seen[1], format!("Measured({:?})", measured().view()));
    assert_eq!(seen[2], "Removed(Removed)");
}

/// The same type and version as [`Moved`], in another program: it is as long, and means another
/// thing.
#[event("sensor.moved", version = 2, encoding = archive)]
pub(crate) struct Renamed {
    name: String,
}

#[derive(EventSet)]
pub(crate) enum OtherEvent {
    Renamed(Renamed),
}

#[test]
fn an_archive_of_another_struct_is_named_and_not_read() {
    let store = store();
    let name = "kitchen".to_owned();
    let ticket = store.append_events(
        "sensor-1",
        Expected::Any,
        &[OtherEvent::from(Renamed { name })],
    );
    ticket.unwrap().wait().unwrap();
    let stored = store.events().iter().next().unwrap().unwrap();
    assert!(stored.shape().is_some());
    assert!(
        Moved::read(stored.payload()).is_ok(),
        "its bytes would pass"
    );
    let error = SensorEvent::decode(&stored.get()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherShape);
    let types = StoredTypes::of(&store).unwrap().known_to::<SensorEvent>();
    assert_eq!(types.check().unwrap_err().kind(), ErrorKind::NoPath);
    let bare = NewEvent::bytes("sensor.moved", stored.payload()).schema(2);
    let ticket = store.append("sensor-2", Expected::Any, &[bare]);
    ticket.unwrap().wait().unwrap();
    let bare = store
        .aggregate("sensor-2")
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let error = SensorEvent::decode(&bare.get()).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::OtherShape,
        "bytes without a shape are no archive"
    );
}

#[test]
fn archives_of_a_store_are_seen_in_place_by_each_way_of_reading() {
    let store = store();
    let events: [SensorEvent; 2] = [measured().into(), measured().into()];
    let ticket = store.append_events("sensor-1", Expected::Any, &events);
    ticket.unwrap().wait().unwrap();
    let is_in_place = |event: &EventRef<'_>| {
        let decoded = SensorEvent::decode(event).unwrap();
        matches!(decoded, Some(Decoded::InPlace(_)))
    };
    for event in store.aggregate("sensor-1").events().unwrap() {
        assert!(is_in_place(&event.unwrap().get()));
    }
    for batch in store.events().batches() {
        assert!(batch.unwrap().get().iter().all(|event| is_in_place(&event)));
    }
    let all: Vec<String> = store
        .events()
        .iter()
        .typed::<SensorEvent>()
        .map(|event| format!("{:?}", event.unwrap().view()))
        .collect();
    let expected = format!("Measured({:?})", measured().view());
    assert_eq!(all, [expected.clone(), expected]);
}
