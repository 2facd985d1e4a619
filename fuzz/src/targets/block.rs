//! One block: its head, its sections with every codec, and its events.

use eventcask_event::{EventRef, Invalid, NewEvent, PAYLOAD_ALIGN};
use eventcask_log::{Block, BlockHead, Codec, Compressor, Payloads, ShardDir};

use super::stage;
use crate::bound::bounded;
use crate::bytes::u32_at;
use crate::corpus;

/// Memory for what is not the block itself, such as the buffers of the search for a later block.
const OTHER_BYTES: usize = 4 << 20;
/// Blocks that unpack to more are not written again: that costs time and shows nothing new.
const WRITTEN_AGAIN_MAX: usize = 128 << 10;

/// Decodes the block that the bytes begin with; what decodes is encoded and read again.
pub fn block(bytes: &[u8]) -> bool {
    let (_, dir) = stage::store_of(&corpus::in_a_segment(bytes));
    let mut taken = false;
    each_block(&dir, &mut |head, bytes| taken |= decode(head, bytes));
    taken
}

/// Runs `visit` on the good blocks of a shard, and returns what is wrong with the others.
fn each_block(dir: &ShardDir, visit: &mut dyn FnMut(&BlockHead, &[u8])) -> Vec<String> {
    let mut problems = Vec::new();
    let verified = dir.verify(&|| false, &mut problems, &mut |head, bytes, _| {
        visit(head, bytes);
        Ok(())
    });
    let unfinished = verified.expect("memory can be read").unfinished;
    let problems = problems.into_iter().chain(unfinished);
    problems.map(|problem| problem.reason).collect()
}

/// Decodes the sections of a block in all ways; says whether they hold events.
pub(super) fn decode(head: &BlockHead, bytes: &[u8]) -> bool {
    if head.rows == 0 {
        return true;
    }
    let raw: usize = head
        .sections
        .iter()
        .map(|section| section.raw as usize)
        .sum();
    let bytes_max = raw + 16 * bytes.len() + 64 * head.rows as usize + OTHER_BYTES;
    let open = |want| bounded(bytes_max, || Block::decode(head.clone(), bytes, want));
    let shut = open(Payloads::Shut);
    let Ok(block) = open(Payloads::All) else {
        return false;
    };
    let shut = shut.expect("what can be read whole can be read shut");
    assert_eq!(shut.events().len(), block.events().len());
    assert_eq!(shut.events().iter().count(), 0, "its payloads are shut");
    check_events(&block);
    // Whether a payload lies in two chunks: any answer will do.
    let _ = block.check_closely();
    if block.raw_bytes() <= WRITTEN_AGAIN_MAX {
        write_again(head, bytes, &block);
    }
    true
}

fn check_events(block: &Block) {
    let (head, events) = (block.head(), block.events());
    assert_eq!(events.len(), head.rows as usize);
    let mut payload_bytes = 0;
    for event in events.iter() {
        assert!((1..=1024).contains(&event.key.len()), "{:?}", event.key);
        assert!(
            (1..=255).contains(&event.event_type.len()),
            "{:?}",
            event.event_type
        );
        let is_aligned = event.payload.as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN);
        let has_place = event.shape.is_some() && !event.payload.is_empty();
        assert!(is_aligned || !has_place, "it is read in place");
        payload_bytes += match event.shape {
            Some(_) => event.payload.len().next_multiple_of(PAYLOAD_ALIGN),
            None => event.payload.len(),
        };
        check_metadata(&event);
    }
    let sections = head.sections.iter().filter(|section| section.kind == 5);
    let said: usize = sections.map(|section| section.raw as usize).sum();
    assert_eq!(payload_bytes, said, "the payloads fill their sections");
    let only = [events.event_type(0).to_owned()];
    let types = Payloads::Types(&only);
    assert!(format!("{types:?}").contains("Types"));
}

fn check_metadata(event: &EventRef<'_>) {
    if let Some(metadata) = event.metadata.to_new() {
        let again = NewEvent {
            metadata: Some(metadata),
            ..NewEvent::bytes("Read", b"")
        };
        // Names of one event are told apart by their words, of which a block may list one twice.
        let checked = again.check(0);
        let is_twice = matches!(checked, Err(Invalid::NameTwice { .. }));
        assert!(checked.is_ok() || is_twice, "{checked:?}");
    }
}

/// With each codec the same events come back; uncompressed the same bytes, if they were so.
fn write_again(head: &BlockHead, bytes: &[u8], block: &Block) {
    let mut compressor = Compressor::default();
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
        let mut written = Vec::new();
        let new = block.encode(codec, &mut compressor, &mut written);
        let is_same = new.sections == head.sections
            && (new.length, new.group_rows) == (head.length, head.group_rows);
        if is_same && !has_flags(head, bytes) {
            assert!(written == bytes, "equal heads have equal bytes");
        }
        let again = Block::decode(new, &written, Payloads::All);
        let again = again.expect("what was written can be read");
        assert!(again.events().iter().eq(block.events().iter()), "{codec}");
        if codec == Codec::None && head.place == corpus::FIRST_BLOCK && head.previous_checksum == 0
        {
            read_again(&written);
        }
    }
}

/// Whether a section says that it may be skipped, which no encoder writes yet.
fn has_flags(head: &BlockHead, bytes: &[u8]) -> bool {
    let entries = (0..head.sections.len()).map(|index| 128 + 24 * index);
    entries
        .into_iter()
        .any(|entry| u32_at(bytes, entry + 20) != 0)
}

fn read_again(written: &[u8]) {
    let (_, dir) = stage::store_of(&corpus::in_a_segment(written));
    let mut blocks = 0;
    let problems = each_block(&dir, &mut |_, _| blocks += 1);
    assert_eq!(
        (blocks, problems),
        (1, Vec::new()),
        "what was written is a block"
    );
}
