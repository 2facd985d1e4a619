//! What an event may be, and what an append may expect.

use eventcask_event::{
    Encoding, EventId, Expected, Invalid, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_SOURCE_BYTES,
    MAX_TYPE_BYTES, NewEvent, check_key, check_source, check_type,
};

#[test]
fn s2_keys_types_and_sources_have_from_one_byte_to_their_limit() {
    let text = |bytes: usize| "x".repeat(bytes);
    assert_eq!(check_key(""), Err(Invalid::KeyEmpty));
    assert_eq!(check_key("$erased:"), Err(Invalid::KeyReserved));
    assert_eq!(check_type(""), Err(Invalid::TypeEmpty));
    assert_eq!(check_source(""), Err(Invalid::Source { bytes: 0 }));
    for bytes in [1, 2, MAX_TYPE_BYTES] {
        assert_eq!(check_key(&text(bytes)), Ok(()));
        assert_eq!(check_type(&text(bytes)), Ok(()));
        assert_eq!(check_source(&text(bytes)), Ok(()));
    }
    assert_eq!(check_key(&text(MAX_KEY_BYTES)), Ok(()));
    assert_eq!(check_source(&text(MAX_SOURCE_BYTES)), Ok(()));
    let bytes = MAX_KEY_BYTES + 1;
    assert_eq!(check_key(&text(bytes)), Err(Invalid::KeyTooLong { bytes }));
    let bytes = MAX_SOURCE_BYTES + 1;
    assert_eq!(check_source(&text(bytes)), Err(Invalid::Source { bytes }));
    let bytes = MAX_TYPE_BYTES + 1;
    assert_eq!(
        check_type(&text(bytes)),
        Err(Invalid::TypeTooLong { bytes })
    );
}

#[test]
fn s2_limits_count_bytes_and_not_letters() {
    let key = "ü".repeat(MAX_KEY_BYTES / 2);
    assert_eq!(check_key(&key), Ok(()));
    let bytes = MAX_KEY_BYTES + 2;
    assert_eq!(check_key(&(key + "ü")), Err(Invalid::KeyTooLong { bytes }));
}

#[test]
fn s2_an_event_is_checked_against_the_payload_limit_of_its_store() {
    let payload = vec![b'0'; MAX_PAYLOAD_BYTES + 1];
    let event = NewEvent::bytes("Noise", &payload);
    assert_eq!(event.check(payload.len()), Ok(()));
    let (bytes, limit) = (payload.len(), MAX_PAYLOAD_BYTES);
    assert_eq!(
        event.check(limit),
        Err(Invalid::PayloadTooLarge { bytes, limit })
    );
    assert_eq!(
        NewEvent::json("", b"{}").check(limit),
        Err(Invalid::TypeEmpty)
    );
}

#[test]
fn the_id_of_all_zeros_is_reserved() {
    let event = NewEvent::json("Opened", b"{}");
    assert_eq!(
        event.id(EventId::from_u128(0)).check(100),
        Err(Invalid::IdNil)
    );
    assert_eq!(event.id(EventId::from_u128(1)).check(100), Ok(()));
}

#[test]
fn an_encoding_has_its_number_in_the_format() {
    for encoding in [Encoding::Bytes, Encoding::Json] {
        assert_eq!(Encoding::from_u8(encoding as u8), Some(encoding));
    }
    assert_eq!((Encoding::Bytes as u8, Encoding::Json as u8), (0, 1));
    assert!((2..=u8::MAX).all(|number| Encoding::from_u8(number).is_none()));
}

#[test]
fn an_expectation_holds_or_not() {
    let cases = [
        (Expected::Any, [true, true, true], "any version"),
        (Expected::NoStream, [true, false, false], "no events"),
        (Expected::Exists, [false, true, true], "at least one event"),
        (Expected::Exact(0), [true, false, false], "no events"),
        (Expected::Exact(2), [false, false, true], "version 2"),
    ];
    for (expected, holds, text) in cases {
        assert_eq!([0, 1, 2].map(|version| expected.holds(version)), holds);
        assert_eq!(expected.to_string(), text);
    }
    assert_eq!(Expected::default(), Expected::Any);
}
