//! From a key to its shard.

use eventcask_event::{RouteBy, Routing, erased_id_of, erased_key, murmur2, route};

/// The vectors of Kafka's own tests, and two more.
#[test]
fn routing_is_bit_for_bit_that_of_kafka() {
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        (
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        ("abc", 479_470_107),
        ("", 0x106e_08d9),
        ("kafka", 0xd067_cf64_u32.cast_signed()),
    ] {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key:?}");
    }
}

/// Bytes of 128 and more are where implementations with signed bytes go wrong.
#[test]
fn routing_takes_bytes_as_unsigned_for_each_length_of_the_tail() {
    for length in 0..64 {
        let bytes = vec![0xff; length];
        assert_eq!(murmur2(&bytes), murmur2_by_the_book(&bytes), "{length}");
    }
    let seed = 4;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        let expected = murmur2_by_the_book(&bytes);
        assert_eq!(murmur2(&bytes), expected, "seed {seed}: {bytes:?}");
    }
}

/// As Kafka's `Utils.murmur2` has it, step by step.
fn murmur2_by_the_book(data: &[u8]) -> u32 {
    let m: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    for i in 0..data.len() / 4 {
        let at = i * 4;
        let mut k = u32::from(data[at])
            + (u32::from(data[at + 1]) << 8)
            + (u32::from(data[at + 2]) << 16)
            + (u32::from(data[at + 3]) << 24);
        k = k.wrapping_mul(m);
        k ^= k >> 24;
        k = k.wrapping_mul(m);
        h = h.wrapping_mul(m);
        h ^= k;
    }
    let whole = data.len() & !3;
    let rest = data.len() % 4;
    if rest == 3 {
        h ^= u32::from(data[whole + 2]) << 16;
    }
    if rest >= 2 {
        h ^= u32::from(data[whole + 1]) << 8;
    }
    if rest >= 1 {
        h ^= u32::from(data[whole]);
        h = h.wrapping_mul(m);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(m);
    h ^ (h >> 15)
}

#[test]
fn a_shard_is_the_masked_hash_modulo_the_shards() {
    // 0x106e08d9 is positive; -790332482 masked is 1357151166.
    assert_eq!(route("", 4096), 0x106e_08d9 % 4096);
    assert_eq!(route("foobar", 4096), 1_357_151_166 % 4096);
    for shards in [1, 2, 16, 4096] {
        for number in 0..500 {
            assert!(route(&format!("N{number}"), shards) < shards);
        }
    }
}

#[test]
fn a_category_is_what_stands_before_the_first_dash() {
    let by = RouteBy::Category;
    let same = [
        ("order-7", "order"),
        ("order-7-line-2", "order"),
        ("order-", "order"),
        ("order", "order"),
        ("-order", ""),
        ("-", ""),
        ("ü-1", "ü"),
    ];
    for (key, category) in same {
        let shard = (murmur2(category.as_bytes()) & 0x7fff_ffff) % 4096;
        assert_eq!(by.shard_of(key, 4096), shard, "{key:?}");
    }
    for key in ["order", "order_7", "7"] {
        assert_eq!(by.shard_of(key, 4096), route(key, 4096), "{key:?}");
    }
}

#[test]
fn what_stands_for_an_erased_key_is_in_its_shard_by_each_routing() {
    for by in RouteBy::ALL {
        for shards in [1, 2, 64, 1024] {
            let routing = Routing { by, shards };
            for key in ["ada@example.org", "order-7", "-", "a-b-c"] {
                let stands_for = erased_key(7, key, routing);
                assert_eq!(routing.shard_of(&stands_for), routing.shard_of(key));
                assert!(erased_id_of(&stands_for).is_some());
            }
        }
    }
}

#[test]
fn a_routing_is_named_by_a_word_and_a_number() {
    for (by, word, number) in [(RouteBy::Key, "key", 1), (RouteBy::Category, "category", 2)] {
        assert_eq!((by.to_string().as_str(), by.number()), (word, number));
        assert_eq!(word.parse(), Ok(by));
        assert_eq!(RouteBy::from_number(number), Some(by));
    }
    assert_eq!(RouteBy::from_number(0), None);
    assert_eq!(RouteBy::from_number(3), None);
    assert!("type".parse::<RouteBy>().is_err());
    assert!("".parse::<RouteBy>().is_err());
}

#[test]
fn all_shards_get_their_part() {
    let mut shares = [0; 16];
    for number in 0..16_000 {
        shares[route(&format!("account-{number}"), 16) as usize] += 1;
    }
    assert!(
        shares.iter().all(|share| (800..1200).contains(share)),
        "{shares:?}"
    );
}

#[test]
#[should_panic(expected = "divisor of zero")]
fn no_shards_is_a_mistake_of_the_caller() {
    let _ = route("a", 0);
}
