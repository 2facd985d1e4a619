//! Reads the blocks of a shard ahead of who takes them in, across segments and on all cores.
//!
//! 1. A wave of blocks is read, checked and decompressed: whoever is free takes the next one, until
//!    they are `THREAD_BYTES` for each thread, `WAVE_BYTES` at most. Where all threads have shards
//!    of their own, a wave is one block.
//! 2. While its blocks are taken in, one after the other and in their order, the next wave is read.
//! 3. What was read for a position counts only where the walk comes to just that position.
//!    Otherwise, such as where a segment was written anew meanwhile and has other blocks, it is
//!    read once more. An error counts when its turn comes: nothing is stepped over.
//!
//! So there are two waves in memory at most, each with up to `WAVE_BYTES` and the last block of
//! each thread.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use eventcask_log::{Block, BlockPlace, Error, Payloads};
use eventcask_shard::ShardReader;

use crate::follow::cursor::ShardCursor;
use crate::parallel;
use crate::sync::locked;

/// Bytes of the blocks of a wave at most, as they are in memory, whatever number of threads read
/// it.
const WAVE_BYTES: usize = 8 << 20;
/// Bytes of a wave for each thread that reads it: some blocks, so few that they are in a near cache
/// still when they are taken in.
const THREAD_BYTES: usize = 512 << 10;

type Read = Result<Option<(BlockPlace, Arc<Block>)>, Error>;

/// What was read, by the position that it was read for, rising.
type Wave = Vec<(u64, Read)>;

/// Hands the blocks that are left of a log to `take`, in their order, until it says not to go on.
/// `take` runs on a thread of the pool: it must not wait for one who waits for the pool.
///
/// # Errors
/// Damage, or what the disk said, after all blocks before that were taken.
pub(crate) fn each_block(
    log: &ShardCursor<&ShardReader>,
    want: Payloads<'_>,
    mut take: impl FnMut(&BlockPlace, &Block) -> bool + Send,
) -> Result<(), Error> {
    let Range { start, end } = log.left().clone();
    let ahead = Ahead {
        reader: log.reader(),
        want,
        end,
    };
    let mut next = start;
    let mut wave = ahead.read(next);
    while !wave.is_empty() {
        let after = end_of(&wave).unwrap_or(end);
        let take_in = || ahead.take_in(wave, &mut next, &mut take);
        let (goes_on, read) = parallel::join(take_in, || ahead.read(after));
        if !goes_on? {
            break;
        }
        wave = if next == after {
            read
        } else {
            ahead.read(next)
        };
    }
    Ok(())
}

/// Position after the last block of a wave, if there is one.
fn end_of(wave: &Wave) -> Option<u64> {
    match wave.last() {
        Some((_, Ok(Some((at, _))))) => Some(at.next_position),
        _ => None,
    }
}

/// The walk over the blocks of a shard.
struct Ahead<'a> {
    reader: &'a ShardReader,
    want: Payloads<'a>,
    end: u64,
}

/// What the threads that read a wave share.
struct Claims<'a> {
    /// The blocks that nobody has claimed.
    places: ShardCursor<&'a ShardReader>,
    /// Bytes of what was read, and of what is enough.
    bytes: usize,
    enough: usize,
}

impl Ahead<'_> {
    /// Reads a wave from a position on; nothing from the end on.
    fn read(&self, from: u64) -> Wave {
        let threads = parallel::width().min(1 + parallel::idle());
        let claims = Mutex::new(Claims {
            places: ShardCursor::new(self.reader, from).until(self.end),
            bytes: 0,
            // A thread that is alone takes in each block as soon as it is read.
            enough: match threads {
                1 => 1,
                threads => WAVE_BYTES.min(threads * THREAD_BYTES),
            },
        });
        let read = |_| {
            let mut read = Wave::new();
            while let Some(position) = self.claim(&claims) {
                let block = self.reader.read_open(position, self.want);
                if let Ok(Some((_, block))) = &block {
                    locked(&claims).bytes += block.raw_bytes();
                }
                read.push((position, block));
            }
            read
        };
        let read = parallel::map(threads, read);
        let mut wave: Wave = read.into_iter().flatten().collect();
        wave.sort_unstable_by_key(|(position, _)| *position);
        wave
    }

    /// The position of the next block of a wave, until it is full.
    fn claim(&self, claims: &Mutex<Claims<'_>>) -> Option<u64> {
        let mut claims = locked(claims);
        let position = claims.places.left().start;
        if claims.places.left().is_empty() || claims.bytes >= claims.enough {
            return None;
        }
        // What has no place ends the wave; who reads it hears why.
        if claims.places.next_place().is_err() {
            claims.places.pass(self.end);
        }
        Some(position)
    }

    /// Hands the blocks of a wave on for as long as each follows on the one before; says whether to
    /// go on.
    fn take_in(
        &self,
        wave: Wave,
        next: &mut u64,
        take: &mut impl FnMut(&BlockPlace, &Block) -> bool,
    ) -> Result<bool, Error> {
        for (position, read) in wave {
            if position != *next {
                break;
            }
            match read? {
                Some((at, block)) if at.first_position < self.end => {
                    if !take(&at, &block) {
                        return Ok(false);
                    }
                    *next = at.next_position;
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}
