//! What events carry beside their payloads, in blocks: written, read, and refused.

use eventcask_event::{EventId, Headers, NewEvent, NewMetadata, Tags};
use eventcask_log::{Block, Codec, Digest, Payloads};
use twox_hash::XxHash3_128;

use crate::carried::Carried;
use crate::forge::{Forged, METADATA, WORDS};
use crate::groups::{block, block_with_gaps, bytes_of_u32, decode, encode, of_kind, seen};
use crate::support::{Row, STORE, deposits};

/// Places of columns among those of the metadata of a group.
const CORRELATIONS: usize = 0;
const CAUSATIONS: usize = 1;
const HEADER_ENDS: usize = 2;
const HEADER_NAMES: usize = 3;
const HEADER_VALUE_ENDS: usize = 4;
const HEADER_VALUES: usize = 5;
const TAG_ENDS: usize = 6;
const TAG_NAMES: usize = 7;
const TAG_VALUES: usize = 8;

/// Rows of which those in a range carry something at random.
fn rows(count: usize, carriers: std::ops::Range<usize>) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(count as u64);
    let mut rows = deposits(5, count);
    for row in rows.iter_mut().take(carriers.end).skip(carriers.start) {
        row.carried = Carried::random(&mut random);
    }
    rows
}

#[test]
fn metadata_comes_back_with_its_own_row_over_the_borders_of_groups() {
    for count in [3, 255, 256, 257, 1025, 2100] {
        for carriers in [0..count, 0..2, 1..count.min(260), count - 1..count] {
            let mut rows = rows(count, carriers);
            // One of them has all there is.
            rows[count - 1].carried = all();
            for block in [block(&rows), block_with_gaps(&rows)] {
                for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
                    let (head, bytes) = encode(&block, codec);
                    let groups = count.div_ceil(head.group_rows as usize);
                    assert_eq!(of_kind(&head, METADATA).len(), groups);
                    assert_eq!(of_kind(&head, WORDS).len(), 1);
                    assert!(head.has_metadata());
                    let back = Block::decode(head, &bytes, Payloads::All).unwrap();
                    back.check_closely().unwrap();
                    assert_eq!(seen(&back), seen(&block), "{codec} {count}");
                    let carried = seen(&back).into_iter().map(|event| event.carried);
                    assert!(carried.eq(rows.iter().map(|row| row.carried.clone())));
                    assert_eq!(&back.into_parts().columns, block.events().columns());
                }
            }
        }
    }
}

/// Metadata with all that there can be.
fn all() -> Carried {
    Carried {
        correlation: Some(u128::MAX),
        causation: Some(1),
        headers: vec![
            ("z".to_owned(), vec![0xff, 0]),
            ("a".to_owned(), Vec::new()),
        ],
        tags: vec![
            ("customer".to_owned(), "ada".to_owned()),
            ("shop".to_owned(), String::new()),
        ],
    }
}

#[test]
fn a_block_without_metadata_has_no_section_for_it() {
    let (head, _) = encode(&block(&rows(300, 0..0)), Codec::None);
    let kinds: Vec<u8> = head.sections.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [1, 2, 3, 3, 5]);
    assert!(!head.has_metadata());
}

#[test]
fn ids_alone_need_no_words() {
    let mut rows = rows(3, 0..0);
    rows[1].carried.correlation = Some(7);
    let block = block(&rows);
    let (head, bytes) = encode(&block, Codec::None);
    assert_eq!(
        (of_kind(&head, WORDS).len(), of_kind(&head, METADATA).len()),
        (0, 1)
    );
    let back = Block::decode(head, &bytes, Payloads::All).unwrap();
    assert_eq!(seen(&back), seen(&block));
}

#[test]
fn who_reads_envelopes_or_payloads_only_opens_no_metadata() {
    let (head, mut bytes) = encode(&block(&rows(300, 0..300)), Codec::None);
    for kind in [WORDS, METADATA] {
        bytes[of_kind(&head, kind)[0].start as usize] ^= 1;
    }
    let shut = Block::decode(head.clone(), &bytes, Payloads::Shut).unwrap();
    assert!(shut.events().metadata(299).is_empty());
    let (prefix, types) = ("", None);
    let plain = Payloads::Plain { prefix, types };
    let plain = Block::decode(head.clone(), &bytes, plain).unwrap();
    assert!(plain.events().metadata(299).is_empty());
    assert!(plain.events().payload(299).is_some());
    let refused = Block::decode(head, &bytes, Payloads::All).unwrap_err();
    assert_eq!(refused, "the checksum of a section is wrong");
}

#[test]
fn s1_a_block_with_metadata_that_is_cut_at_any_length_is_refused() {
    let mut rows = rows(4, 0..4);
    rows[1].carried = all();
    let (head, bytes) = encode(&block(&rows), Codec::None);
    let end = head.sections.last().unwrap();
    for length in 0..(end.start + end.stored) as usize {
        let read = Block::decode(head.clone(), &bytes[..length], Payloads::All);
        assert!(read.is_err(), "{length}");
    }
}

/// Changes a block of two groups of which the first rows carry all there is: it can not be read
/// then, for this reason.
#[track_caller]
fn refuses(reason: &str, change: impl FnOnce(&mut Forged)) {
    let mut rows = rows(300, 0..0);
    rows[0].carried = all();
    rows[2].carried = all();
    rows[299].carried.correlation = Some(7);
    let block = block(&rows);
    let (head, bytes) = encode(&block, Codec::None);
    let mut forged = Forged::of(&bytes);
    assert_eq!(seen(&decode(&forged, &head).unwrap()), seen(&block));
    change(&mut forged);
    let refused = decode(&forged, &head).and_then(|block| block.check_closely());
    assert_eq!(refused, Err(reason));
}

/// As [`refuses`], of a change to the columns of the first group's metadata.
#[track_caller]
fn refuses_columns(reason: &str, change: impl FnOnce(&mut [Vec<u8>])) {
    refuses(reason, |forged| {
        let first = forged.first(METADATA);
        forged.change(first, change);
    });
}

#[test]
fn a_column_of_metadata_in_which_no_row_has_anything_is_refused() {
    let reason = "a column of metadata is there for no event";
    for column in [CORRELATIONS, CAUSATIONS] {
        refuses_columns(reason, |columns| columns[column].fill(0));
    }
    for (ends, others) in [
        (HEADER_ENDS, HEADER_NAMES..=HEADER_VALUES),
        (TAG_ENDS, TAG_NAMES..=TAG_VALUES),
    ] {
        refuses_columns(reason, |columns| {
            columns[ends].fill(0);
            columns[others].iter_mut().for_each(Vec::clear);
        });
    }
}

const LENGTHS: &str = "the columns of metadata have different lengths";
const ENDS: &str = "headers or tags do not end where they can";
const NO_WORD: &str = "a header or tag has a name or value that is not listed";

#[test]
fn columns_of_metadata_that_do_not_fit_each_other_are_refused() {
    for column in [CORRELATIONS, CAUSATIONS, HEADER_ENDS, TAG_ENDS] {
        refuses_columns(LENGTHS, |columns| {
            let row = columns[column].len() / 256;
            columns[column].truncate(255 * row);
        });
    }
    for column in [HEADER_NAMES, HEADER_VALUE_ENDS, TAG_NAMES, TAG_VALUES] {
        refuses_columns(LENGTHS, |columns| columns[column].truncate(4));
    }
    refuses_columns(LENGTHS, |columns| columns[HEADER_VALUES].push(0));
    refuses_columns(LENGTHS, |columns| columns[HEADER_ENDS].clear());
    refuses_columns(LENGTHS, |columns| columns[TAG_ENDS].clear());
}

#[test]
fn ends_of_headers_and_tags_that_fall_are_refused() {
    for column in [HEADER_ENDS, HEADER_VALUE_ENDS, TAG_ENDS] {
        refuses_columns(ENDS, |columns| {
            columns[column][..4].copy_from_slice(&4_000_u32.to_le_bytes());
        });
        refuses_columns(ENDS, |columns| {
            let last = columns[column].len() - 4;
            columns[column][last..].copy_from_slice(&1_u32.to_le_bytes());
        });
    }
    // Of 300 million nothing is added up to what would not fit.
    refuses_columns(ENDS, |columns| columns[TAG_ENDS][3] = 0xff);
}

#[test]
fn names_and_values_that_are_no_words_are_refused() {
    for column in [HEADER_NAMES, TAG_NAMES, TAG_VALUES] {
        for word in [6_u32, u32::MAX] {
            refuses_columns(NO_WORD, |columns| {
                columns[column][..4].copy_from_slice(&word.to_le_bytes());
            });
        }
    }
    // The value of the second tag is the empty word, which is no name.
    refuses_columns(NO_WORD, |columns| {
        let empty: Vec<u8> = columns[TAG_VALUES][4..8].to_vec();
        columns[TAG_NAMES][4..8].copy_from_slice(&empty);
    });
    let no_texts = "the names of headers and tags are not texts within the limits";
    let refuses_words = |change: &dyn Fn(&mut [Vec<u8>])| {
        refuses(no_texts, |forged| {
            let words = forged.first(WORDS);
            forged.change(words, change);
        });
    };
    refuses_words(&|columns| columns[1][0] = 0xff);
    refuses_words(&|columns| columns[1].push(b'x'));
    refuses_words(&|columns| columns[0][..4].copy_from_slice(&9_u32.to_le_bytes()));
    refuses_words(&|columns| {
        let length = columns[1].len() as u32;
        columns[1].extend_from_slice(&[b'x'; 257]);
        columns[0].extend_from_slice(&(length + 257).to_le_bytes());
    });
    refuses(NO_WORD, |forged| {
        let words = forged.first(WORDS);
        forged.parts.remove(words);
    });
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    refuses_columns("an event has a header twice", |columns| {
        let first: Vec<u8> = columns[HEADER_NAMES][..4].to_vec();
        columns[HEADER_NAMES][4..8].copy_from_slice(&first);
    });
    let fall = "the tags of an event do not rise by their names";
    refuses_columns(fall, |columns| columns[TAG_NAMES][..8].rotate_left(4));
    refuses_columns(fall, |columns| {
        let first: Vec<u8> = columns[TAG_NAMES][..4].to_vec();
        columns[TAG_NAMES][4..8].copy_from_slice(&first);
    });
    refuses(
        "the block lists a name of headers or tags twice",
        |forged| {
            let words = forged.first(WORDS);
            forged.change(words, |columns| {
                let length = columns[1].len() as u32;
                columns[1].push(b'z');
                columns[0].extend_from_slice(&(length + 1).to_le_bytes());
            });
        },
    );
}

#[test]
fn more_headers_or_tags_than_an_event_can_have_are_refused() {
    // 33 headers of 33 names, all of the first row.
    let many = |columns: &mut [Vec<u8>], of: usize| {
        let names: Vec<u32> = (0..33).map(|name| name % 6).collect();
        columns[of + 1] = bytes_of_u32(&names);
        columns[of] = bytes_of_u32(&[33; 256]);
    };
    refuses_columns(ENDS, |columns| {
        many(columns, HEADER_ENDS);
        columns[HEADER_VALUE_ENDS] = bytes_of_u32(&[4; 33]);
        columns[HEADER_VALUES] = vec![7; 4];
    });
    refuses_columns(ENDS, |columns| {
        many(columns, TAG_ENDS);
        columns[TAG_VALUES] = bytes_of_u32(&[0; 33]);
    });
    refuses_columns("the headers of an event pass their limit", |columns| {
        columns[HEADER_VALUES] = vec![7; 4100];
        columns[HEADER_VALUE_ENDS] = bytes_of_u32(&[4096, 4097, 4098, 4100]);
    });
}

#[test]
fn sections_of_metadata_stand_in_their_order_or_are_refused() {
    let wrong = "a block's sections are not those of a block with events";
    refuses(wrong, |forged| {
        let first = forged.first(METADATA);
        forged.parts.remove(first);
    });
    refuses(wrong, |forged| {
        let first = forged.first(METADATA);
        forged.parts.drain(first..first + 2);
    });
    refuses(wrong, |forged| {
        let words = forged.first(WORDS);
        forged.parts.swap(words, words + 1);
    });
    refuses(wrong, |forged| {
        let words = forged.first(WORDS);
        let twice = forged.parts[words].clone();
        forged.parts.insert(words, twice);
    });
    refuses(wrong, |forged| {
        let metadata = forged.parts.remove(forged.first(METADATA));
        forged.parts.push(metadata);
    });
    refuses(wrong, |forged| {
        let first = forged.first(METADATA);
        forged.parts[first].event_type = 1;
    });
    for (kind, reason) in [
        (METADATA, "the metadata of a group is not a valid archive"),
        (WORDS, "the words of a block are not a valid archive"),
    ] {
        refuses(reason, |forged| {
            let first = forged.first(kind);
            forged.parts[first].bytes.truncate(7);
        });
    }
}

#[test]
fn sections_of_metadata_without_any_are_refused() {
    let none = "a block has sections of metadata, and no event has any";
    let empty = |forged: &mut Forged, part: usize| {
        let nothing = |columns: &mut [Vec<u8>]| columns.iter_mut().for_each(Vec::clear);
        forged.change(part, nothing);
    };
    refuses(none, |forged| {
        let first = forged.first(METADATA);
        empty(forged, first);
        empty(forged, first + 1);
    });
    refuses("a block lists words, and there are none", |forged| {
        let words = forged.first(WORDS);
        empty(forged, words);
    });
}

fn digest(event: &NewEvent<'_>) -> [u8; 16] {
    let digest = format!("{:?}", Digest::of(STORE, "account-7", event));
    let numbers = digest.trim_start_matches("Digest([").trim_end_matches("])");
    let bytes = numbers.split(", ").map(|number| number.parse().unwrap());
    bytes.collect::<Vec<u8>>().try_into().unwrap()
}

#[test]
fn s4_the_digest_of_an_event_covers_its_metadata() {
    let plain = NewEvent::json("Deposited", b"{}");
    let id = EventId::from_u128(7);
    let tags = [("customer", "ada"), ("shop", "7")];
    let with = |metadata| NewEvent {
        metadata: Some(metadata),
        ..plain
    };
    let others = [
        plain,
        plain.correlation(id),
        plain.causation(id),
        plain.correlation(id).causation(id),
        plain.headers(&[("a", b"b")]),
        plain.headers(&[("ab", b"")]),
        plain.headers(&[("a", b"b"), ("c", b"d")]),
        plain.headers(&[("c", b"d"), ("a", b"b")]),
        plain.tags(&[("a", "b")]),
        plain.tags(&[("ab", "")]),
        plain.tags(&tags),
        with(NewMetadata {
            headers: Headers::new(&[("a", b"b")]),
            tags: Tags::new(&[("a", "b")]),
            ..NewMetadata::default()
        }),
    ];
    let mut digests: Vec<_> = others.iter().map(digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), others.len());
    // Tags are a set, and nothing is as none at all.
    let turned = [tags[1], tags[0]];
    assert_eq!(digest(&plain.tags(&turned)), digest(&plain.tags(&tags)));
    assert_eq!(digest(&with(NewMetadata::default())), digest(&plain));
}

#[test]
fn s4_the_digest_of_an_event_is_that_of_the_bytes_that_the_document_names() {
    let plain = NewEvent::json("Deposited", b"{}");
    let head = |encoding: u8| {
        let numbers = [
            &i64::MIN.to_le_bytes()[..],
            &[1, 0, 0, 0, 9, 0, 9, encoding],
        ];
        [&numbers.concat(), &b"account-7Deposited"[..]].concat()
    };
    let hash = |parts: &[&[u8]]| {
        let bytes = parts.concat();
        XxHash3_128::oneshot_with_seed(STORE as u64, &bytes).to_le_bytes()
    };
    assert_eq!(digest(&plain), hash(&[&head(1), b"{}"]));
    let carrying = plain
        .causation(EventId::from_u128(7))
        .headers(&[("by", b"web")])
        .tags(&[("shop", "7"), ("at", "sea")]);
    let ids = [0_u128, 7].map(u128::to_le_bytes).concat();
    let headers = b"\x02\x03\0byweb\0\0\0";
    let tags = b"\x02\x03\0atsea\x04\x01\0shop7\0\0\0";
    let expected = hash(&[&head(0x81), &ids, headers, tags, b"{}"]);
    assert_eq!(digest(&carrying), expected);
}
