//! The events of the block that a scan has met.

use eventcask_event::TRUNCATED_TYPE;

use crate::segment::scan::Scan;
use crate::{Block, BlockHead, Error, Payloads};

/// The block just met, with the payloads of truncations.
pub(crate) fn open_block(scan: &Scan, head: &BlockHead) -> Result<Block, Error> {
    named(scan, head, decode_block(scan, head))
}

/// The block just met, with all its payloads.
pub(crate) fn open_whole(scan: &Scan, head: &BlockHead) -> Result<Block, Error> {
    named(scan, head, decode_whole(scan, head))
}

/// As [`open_block`]; says what is wrong with it.
pub(crate) fn decode_block(scan: &Scan, head: &BlockHead) -> Result<Block, &'static str> {
    let truncations = [TRUNCATED_TYPE.to_owned()];
    decode(scan, head, Payloads::Types(&truncations))
}

/// As [`open_whole`]; says what is wrong with it.
pub(crate) fn decode_whole(scan: &Scan, head: &BlockHead) -> Result<Block, &'static str> {
    decode(scan, head, Payloads::All)
}

fn decode(scan: &Scan, head: &BlockHead, want: Payloads<'_>) -> Result<Block, &'static str> {
    let block = Block::decode(head.clone(), scan.bytes(), want)?;
    block.check_closely()?;
    Ok(block)
}

fn named<T>(scan: &Scan, head: &BlockHead, result: Result<T, &'static str>) -> Result<T, Error> {
    result.map_err(|reason| Error::damaged(scan.name(), head.place, reason))
}
