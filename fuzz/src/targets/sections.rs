//! Compressed bytes, and what they say that they unpack to.

use eventcask_event::{ArchivedColumns, Columns};
use eventcask_log::{BlockHead, Section};
use rkyv::rancor;

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
    let payloads = |section: &&Section| section.kind == 3;
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
    let columns = columns_of(raw);
    let columns_at = (128 + 2 * 24usize).next_multiple_of(16);
    let stored_at = (columns_at + columns.len()).next_multiple_of(16);
    let mut block = vec![0; stored_at + stored.len()];
    block[columns_at..columns_at + columns.len()].copy_from_slice(&columns);
    block[stored_at..].copy_from_slice(stored);
    put(&mut block, 44, 1u32.to_le_bytes());
    put(&mut block, 108, 2u16.to_le_bytes());
    put_entry(
        &mut block,
        128,
        [1, 0],
        (columns.len(), columns.len() as u32, columns_at),
    );
    put_entry(&mut block, 152, [3, codec], (stored.len(), raw, stored_at));
    repair::block(&mut block, Repair::Mend);
    block
}

fn put_entry(block: &mut [u8], at: usize, kind: [u8; 2], sizes: (usize, u32, usize)) {
    let (stored, raw, start) = sizes;
    put(block, at, kind);
    put(block, at + 4, (stored as u32).to_le_bytes());
    put(block, at + 8, raw.to_le_bytes());
    put(block, at + 16, (start as u32).to_le_bytes());
}

fn columns_of(payload_bytes: u32) -> Vec<u8> {
    let mut columns = Columns::default();
    let aggregate = columns.add_aggregate("account-7", u64::MAX);
    let event_type = columns.add_type("Opened", 1, 0);
    columns.aggregates.push(aggregate);
    columns.types.push(event_type);
    columns.versions.push(1);
    columns.payload_lengths.push(payload_bytes);
    let bytes = rkyv::to_bytes::<rancor::Error>(&columns).expect("columns are numbers");
    let archived = rkyv::access::<ArchivedColumns, rancor::Error>(&bytes);
    assert!(archived.is_ok(), "what was archived can be read");
    bytes.to_vec()
}
