//! Event ids.

use std::collections::HashSet;

use eventcask_event::{EventId, Invalid, Timestamp};

#[test]
fn an_id_is_shown_as_a_uuid_and_read_back() {
    let seed = 5;
    let mut random = fastrand::Rng::with_seed(seed);
    for bits in [0, 1, u128::MAX, 1 << 127]
        .into_iter()
        .chain((0..500).map(|_| random.u128(..)))
    {
        let id = EventId::from_u128(bits);
        let text = id.to_string();
        assert_eq!(text.len(), 36, "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.replace('-', "").parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        assert_eq!(id.as_u128(), bits);
        assert_eq!(format!("{id:?}"), format!("EventId({text})"));
    }
}

#[test]
fn the_first_byte_of_the_uuid_is_the_highest() {
    let id: EventId = "01941f29-7c00-7000-8000-0000000000ff".parse().unwrap();
    assert_eq!(id.as_u128() >> 120, 0x01);
    assert_eq!(id.as_u128() & 0xff, 0xff);
}

#[test]
fn text_that_is_no_uuid_is_refused_with_a_sentence() {
    for text in [
        "",
        "1",
        "01941f29-7c00-7000-8000-00000000000",
        "01941f29-7c00-7000-8000-0000000000000",
        "01941f297-c00-7000-8000-000000000001",
        "01941f29-7c00-7000-8000-00000000000g",
        "01941f297c0070008000-00000000000-1-1",
        "01941f297c0070008000000000000-01",
        "{1941f29-7c00-7000-8000-00000000001}",
        "+1941f29-7c00-7000-8000-000000000001",
        "٠1941f29-7c00-7000-8000-00000000001",
        "é1941f297c00700080000000000000000",
    ] {
        let error = text.parse::<EventId>().unwrap_err();
        assert!(matches!(error, Invalid::Id { .. }), "{text:?}");
        assert!(error.to_string().contains("is not an event id"));
    }
    let long = "x".repeat(1 << 20).parse::<EventId>().unwrap_err();
    assert!(long.to_string().len() < 200);
}

#[test]
fn the_id_of_a_name_is_its_sha_256_with_version_and_variant() {
    // SHA-256 of nothing begins e3b0c44298fc1c149afbf4c8996fb924.
    let id = EventId::from_name("");
    assert_eq!(id.to_string(), "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    assert_eq!(EventId::from_name("a"), EventId::from_name("a"));
    let names = (0..10_000).map(|number| EventId::from_name(&number.to_string()));
    assert_eq!(names.collect::<HashSet<_>>().len(), 10_000);
}

#[test]
fn an_engine_made_id_has_its_parts_where_the_format_says() {
    let time = Timestamp::from_nanos(0x0123_4567_89ab * 1_000_000 + 999_999);
    let id = EventId::engine_made(0xffff_5555, 0xabc, 0xffff_0000_1234_5678, time);
    assert_eq!(id.to_string(), "01234567-89ab-7abc-9555-000012345678");
}

#[test]
fn engine_made_ids_of_a_store_differ_also_at_the_same_moment() {
    let time = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let mut ids = HashSet::new();
    for shard in [0, 1, 2, 4095] {
        for position in (0..1_000).chain([(1 << 48) - 1]) {
            assert!(ids.insert(EventId::engine_made(7, shard, position, time)));
        }
    }
    let other = EventId::engine_made(8, 0, 0, time);
    assert!(ids.insert(other));
}

/// Whole milliseconds were rounded towards zero, so that the last moments of 1969 had the same
/// as the first ones of 1970.
#[test]
fn engine_made_ids_round_times_down() {
    let millis =
        |nanos| EventId::engine_made(0, 0, 0, Timestamp::from_nanos(nanos)).as_u128() >> 80;
    assert_eq!(millis(999_999), 0);
    assert_eq!(millis(1_000_000), 1);
    assert_eq!(millis(-1), (1 << 48) - 1);
}

#[test]
fn engine_made_ids_sort_by_time() {
    let id = |nanos| EventId::engine_made(u128::MAX, 4095, u64::MAX, Timestamp::from_nanos(nanos));
    assert!(id(1_000_000) < id(2_000_000));
    assert!(id(0) < id(i64::MAX));
}
