//! The events of the block that a scan has met.

use eventcask_event::TRUNCATED_TYPE;

use crate::segment::scan::Scan;
use crate::{Block, BlockHead, Error, Payloads};

/// The block just met, with the payloads of truncations.
pub(crate) fn open_block(scan: &Scan, head: &BlockHead) -> Result<Block, Error> {
    decode_block(scan, head).map_err(|reason| Error::damaged(scan.name(), head.place, reason))
}

/// As [`open_block`]; says what is wrong with it.
pub(crate) fn decode_block(scan: &Scan, head: &BlockHead) -> Result<Block, &'static str> {
    let truncations = [TRUNCATED_TYPE.to_owned()];
    let block = Block::decode(head.clone(), scan.bytes(), Payloads::Types(&truncations))?;
    block
        .events()
        .check_keys()
        .map_err(|malformed| malformed.0)?;
    Ok(block)
}
