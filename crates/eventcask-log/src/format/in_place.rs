//! The payloads of a block, read where they lie among its bytes.
//!
//! 1. Each chunk that is wanted is checked where it lies. One that is compressed is unpacked behind
//!    the block.
//! 2. Each row is told where in these bytes its payload is. Payloads of a type follow each other, so
//!    a chunk is looked at once, when the rows come to it.

use eventcask_event::{Columns, SHUT};

use crate::disk::room::Room;
use crate::format::codec;
use crate::format::head::{BlockHead, Section};
use crate::format::section::stored;

/// The bytes of a block, with payloads among them.
#[derive(Debug)]
pub(super) struct InPlace {
    room: Room,
}

/// Some payloads of a type, from one place to another of all those of the type in the block.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    start: u32,
    end: u32,
    /// Where it begins among the bytes.
    place: u32,
}

impl InPlace {
    /// Opens the payloads of these types, one entry each. `starts` says of each row where its
    /// payload starts among those of its type, and then where among the bytes.
    pub(super) fn open(
        head: &BlockHead,
        mut room: Room,
        wanted: &[bool],
        columns: &Columns,
        starts: &mut [u32],
    ) -> Result<Self, &'static str> {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(head.sections.len());
        // Of each type the chunk that its next row is in, as an index.
        let mut current = vec![0; wanted.len()];
        let of_payloads = |section: &&Section| section.kind == Section::PAYLOADS;
        let mut before = None;
        let mut start = 0;
        for section in head.sections.iter().filter(of_payloads) {
            let event_type = usize::from(section.event_type);
            if before != Some(event_type) {
                current[event_type] = chunks.len();
                (before, start) = (Some(event_type), 0);
            }
            if wanted[event_type] {
                let end = start + section.raw;
                let place = unpack(section, &mut room)?;
                chunks.push(Chunk { start, end, place });
                start = end;
            }
        }
        place(&chunks, &mut current, wanted, columns, starts)?;
        Ok(Self { room })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.room.bytes()
    }
}

/// Where the payloads of a section begin among the bytes, once they are checked.
fn unpack(section: &Section, room: &mut Room) -> Result<u32, &'static str> {
    if section.codec == 0 {
        return stored(section, room.bytes()).map(|_| section.start);
    }
    let (block, raw) = room.grow(section.raw as usize);
    codec::decompress(section.codec, stored(section, block)?, raw)?;
    // A block and all that is in it have less than 128 MiB together.
    Ok((room.bytes().len() - section.raw as usize) as u32)
}

/// Tells each row where its payload is among the bytes.
fn place(
    chunks: &[Chunk],
    current: &mut [usize],
    wanted: &[bool],
    columns: &Columns,
    starts: &mut [u32],
) -> Result<(), &'static str> {
    const CUT: &str = "a payload lies in two chunks";
    let rows = columns.types.iter().zip(&columns.payload_lengths);
    for ((event_type, length), start) in rows.zip(starts) {
        let event_type = usize::from(*event_type);
        if !wanted[event_type] {
            *start = SHUT;
            continue;
        }
        // All payloads of a type fill its chunks, as was checked: no end passes that of the last.
        let current = &mut current[event_type];
        let mut chunk = chunks.get(*current).ok_or(CUT)?;
        while *start + length > chunk.end {
            *current += 1;
            chunk = chunks.get(*current).ok_or(CUT)?;
        }
        let within = start.checked_sub(chunk.start).ok_or(CUT)?;
        *start = chunk.place + within;
    }
    Ok(())
}
