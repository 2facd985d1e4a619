//! Series: the same load again with one setting changed each time.

use std::thread::available_parallelism;

use eventcask::Codec;
use serde::Serialize;

use crate::args::{Amount, LoadArgs, Sweep};
use crate::measured::Run;
use crate::measured::spread::{Spread, Summary};

/// Parts of the greatest rate that are tried.
const RATES: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
/// For how long each rate is tried where nothing else is said.
const RATE_SECONDS: f64 = 5.0;
const PAYLOAD_BYTES: [u32; 6] = [16, 64, 100, 256, 1024, 16_384];
const BATCH_BYTES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
const CODECS: [Codec; 7] = [
    Codec::None,
    Codec::Lz4,
    Codec::Zstd(1),
    Codec::Zstd(3),
    Codec::TextLz4,
    Codec::TextZstd(1),
    Codec::Auto,
];

/// What was measured with one value of the setting.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) value: String,
    pub(crate) runs: Vec<Run>,
    pub(crate) summary: Summary,
}

/// The settings of a series, each with the text of what is changed. A series of rates needs to
/// know the greatest.
pub(crate) fn points(
    args: &LoadArgs,
    sweep: Sweep,
    greatest: Option<Spread>,
) -> Vec<(String, LoadArgs)> {
    match sweep {
        Sweep::Rate => {
            let greatest = greatest.map_or(1.0, |rate| rate.median);
            let rates = RATES.map(|part| Amount((greatest * part).max(1.0) as u64));
            series(args, &rates, |args, rate| {
                args.rate = Some(*rate);
                args.events = None;
                args.seconds = args.seconds.or(Some(RATE_SECONDS));
            })
        }
        Sweep::Shards => {
            let most = 4 * available_parallelism().map_or(1, usize::from) as u32;
            let shards: Vec<u32> = (0..=12)
                .map(|power| 1 << power)
                .take_while(|n| *n <= most)
                .collect();
            series(args, &shards, |args, shards| args.shards = Some(*shards))
        }
        Sweep::Batch => series(args, &BATCH_BYTES, |args, bytes| {
            args.batch_bytes = Some(*bytes);
        }),
        Sweep::Payload => series(args, &PAYLOAD_BYTES, |args, bytes| {
            args.payload_bytes = *bytes;
        }),
        Sweep::Codec => series(args, &CODECS, |args, codec| args.codec = *codec),
    }
}

fn series<T: ToString>(
    args: &LoadArgs,
    values: &[T],
    set: impl Fn(&mut LoadArgs, &T),
) -> Vec<(String, LoadArgs)> {
    let with = |value: &T| {
        let mut args = args.clone();
        set(&mut args, value);
        (value.to_string(), args)
    };
    values.iter().map(with).collect()
}
