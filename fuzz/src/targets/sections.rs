//! Compressed bytes, and what they say that they unpack to.

use eventcask_log::{BlockHead, Section};

use super::{block, stage};
use crate::bytes::{put, u32_at};
use crate::{Repair, corpus, repair};

/// Unpacks a section: the first byte is its codec, the next four its raw length, the rest is what
/// is stored. The block around it is right in all else.
pub fn sections(bytes: &[u8]) -> bool {
    let Some((prefix, stored)) = bytes.split_at_checked(5) else {
        return false;
    };
    let (_, dir) = stage::store_of(&corpus::in_a_segment(&block_of(
        prefix[0] % 4,
        u32_at(prefix, 1),
        stored,
    )));
    let mut taken = false;
    let verified = dir.verify(&|| false, &mut Vec::new(), &mut |head, bytes, _| {
        taken |= block::decode(head, bytes);
        check_length(head, stored);
        Ok(())
    });
    verified.expect("memory can be read");
    taken
}

fn check_length(head: &BlockHead, stored: &[u8]) {
    let payloads = |section: &&Section| section.kind == 5;
    let section = head.sections.iter().find(payloads);
    let section = section.expect("the head was made with payloads");
    assert_eq!(section.stored as usize, stored.len());
}

/// A block of one event whose payload is this section.
fn block_of(codec: u8, raw: u32, stored: &[u8]) -> Vec<u8> {
    let raw = if codec == 0 {
        stored.len() as u32
    } else {
        raw.min(16 << 20)
    };
    let mut block = corpus::one_event_block();
    let payloads_at = u32_at(&block, PAYLOADS + 16) as usize;
    block.truncate(payloads_at);
    block.extend_from_slice(stored);
    set_payload_length(&mut block, raw);
    put(&mut block, PAYLOADS + 1, [codec]);
    put(
        &mut block,
        PAYLOADS + 4,
        (stored.len() as u32).to_le_bytes(),
    );
    put(&mut block, PAYLOADS + 8, raw.to_le_bytes());
    repair::block(&mut block, Repair::Mend);
    block
}

/// Where the entries of sections are: behind types and keys the only group, then the payloads.
const GROUP: usize = 128 + 2 * 24;
const PAYLOADS: usize = 128 + 3 * 24;
/// Bytes of the root of a group, and where the pair of the payload lengths is in it.
const ROOT: usize = 80;
const LENGTHS: usize = 3 * 8;

/// Lets the only row of a block have a payload of so many bytes.
fn set_payload_length(block: &mut [u8], length: u32) {
    let start = u32_at(block, GROUP + 16) as usize;
    let end = start + u32_at(block, GROUP + 4) as usize;
    let pair = end - ROOT + LENGTHS;
    let distance = u32_at(block, pair).cast_signed() as isize;
    put(
        block,
        pair.wrapping_add_signed(distance),
        length.to_le_bytes(),
    );
}
