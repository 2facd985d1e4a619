//! What JSON can hold of an event, and what it can not.

use std::collections::BTreeMap;

use eventcask_domain::prelude::*;
use eventcask_domain::{DecodeError, ErrorKind, Reading};
use serde::{Deserialize, Serialize};

#[event("sensor.read")]
struct Read {
    value: f64,
    #[event(plain)]
    pair: (f64, f32),
}

#[event("lamp.switched")]
struct Switched;

#[event("lamp.dimmed")]
struct Dimmed {}

/// It is written as a text, and read as a number.
#[derive(Serialize, Deserialize)]
struct Asymmetric(#[serde(serialize_with = "as_text")] u64);

fn as_text<S: serde::Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&number.to_string())
}

#[event("sensor.numbered", tags = [r#type])]
struct Numbered {
    r#type: String,
    #[event(plain)]
    number: Option<Asymmetric>,
    #[event(plain)]
    names: BTreeMap<String, f64>,
}

fn numbered() -> Numbered {
    Numbered {
        r#type: "odd".to_owned(),
        number: None,
        names: BTreeMap::new(),
    }
}

fn payload<E: Event>(event: &E) -> Vec<u8> {
    let mut out = Vec::new();
    event.encode(&mut out).unwrap();
    out
}

fn decoded<E: Event>(payload: &[u8]) -> Result<E, DecodeError> {
    Ok(match E::read(payload)? {
        Reading::Owned(event) => event,
        Reading::InPlace(_) => panic!("JSON is decoded"),
    })
}

/// The parser of JSON that is fast gives numbers that are off by their last bit. That of a whole
/// build is the exact one as soon as one crate asks for it, so this crate has to.
#[test]
fn numbers_come_back_as_they_were() {
    for number in [
        94.527_069_553_922_33,
        1e-310,
        5e-324,
        -0.0,
        0.1 + 0.2,
        1.0 / 3.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        9_007_199_254_740_993.0,
        2.225_073_858_507_201e-308,
    ] {
        let pair = (number, number as f32);
        let pair = (pair.0, if pair.1.is_finite() { pair.1 } else { 0.1 });
        let value = number;
        let read: Read = decoded(&payload(&Read { value, pair })).unwrap();
        assert_eq!(read.value.to_bits(), value.to_bits(), "{value:e}");
        assert_eq!(read.pair.0.to_bits(), value.to_bits(), "{value:e}");
        assert_eq!(read.pair.1.to_bits(), pair.1.to_bits(), "{value:e}");
    }
}

#[test]
fn random_numbers_come_back_as_they_were() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let value = f64::from_bits(seed);
        if value.is_finite() {
            let pair = (0.5, 0.5);
            let read: Read = decoded(&payload(&Read { value, pair })).unwrap();
            assert_eq!(read.value.to_bits(), seed, "{value:e}");
        }
    }
}

/// Nothing is known of the type of a plain field, so what is written of it is read before it counts.
/// An infinite number was stored as `null`, and the event could never be read.
#[test]
fn a_plain_field_that_could_not_be_read_again_is_refused() {
    for pair in [(f64::NAN, 1.0), (1.0, f32::INFINITY)] {
        let error = Read { value: 1.0, pair }.encode(&mut Vec::new());
        let error = error.unwrap_err();
        assert_eq!(error.event_type, "sensor.read");
        let text = error.to_string();
        assert!(text.contains("could not be read again"), "{text}");
    }
    let asymmetric = Numbered {
        number: Some(Asymmetric(7)),
        ..numbered()
    };
    let mut out = b"before".to_vec();
    asymmetric.encode(&mut out).unwrap_err();
    assert_eq!(out, b"before", "nothing of it is left");
    let names = BTreeMap::from([("a".to_owned(), f64::INFINITY)]);
    let infinite = Numbered {
        names,
        ..numbered()
    };
    infinite.encode(&mut Vec::new()).unwrap_err();
    let mut out = b"before".to_vec();
    numbered().encode(&mut out).unwrap();
    let read: Numbered = decoded(&out[6..]).unwrap();
    assert_eq!((&*read.r#type, read.names.len()), ("odd", 0));
}

/// Whether a struct without fields has braces is a matter of taste, and no other schema.
#[test]
fn events_without_fields_are_an_empty_object() {
    assert_eq!(payload(&Switched), b"{}");
    assert_eq!(payload(&Dimmed {}), b"{}");
    for payload in [
        &b"null"[..],
        b"{}",
        b" { }\n",
        b" null ",
        br#"{"by":"ada"}"#,
    ] {
        assert!(decoded::<Switched>(payload).is_ok(), "{payload:?}");
        assert!(decoded::<Dimmed>(payload).is_ok(), "{payload:?}");
    }
    for payload in [&b""[..], b"{", b"1", b"\"\"", b"nul", b"{}{}"] {
        let kinds = [
            decoded::<Switched>(payload).err().map(|error| error.kind()),
            decoded::<Dimmed>(payload).err().map(|error| error.kind()),
        ];
        assert_eq!(kinds, [Some(ErrorKind::Malformed); 2], "{payload:?}");
    }
}

#[test]
fn a_tag_is_named_without_the_mark_of_a_raw_name() {
    let mut tags = eventcask_domain::TagList::default();
    numbered().tags(&mut tags);
    assert_eq!(tags.iter().collect::<Vec<_>>(), [("type", "odd")]);
}
