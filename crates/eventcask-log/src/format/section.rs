//! The bytes of one section: checked, and as they were before compression.

use std::cell::RefCell;

use eventcask_event::PayloadBytes;
use rkyv::util::AlignedVec;

use crate::format::checksum::checksum;
use crate::format::codec;
use crate::format::head::{SECTION_ALIGN, Section};

/// The largest buffer that a thread keeps.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    static ALIGNED: RefCell<AlignedVec<16>> = RefCell::default();
}

/// The stored bytes of a section, if they are what was written.
pub(crate) fn stored<'b>(section: &Section, bytes: &'b [u8]) -> Result<&'b [u8], &'static str> {
    let stored = bytes
        .get(section.start as usize..section.end())
        .ok_or("a block is cut short")?;
    checked(section, stored)
}

/// These bytes, if they are what was written as a section.
pub(crate) fn checked<'b>(section: &Section, stored: &'b [u8]) -> Result<&'b [u8], &'static str> {
    match checksum(stored) == section.checksum {
        true => Ok(stored),
        false => Err("the checksum of a section is wrong"),
    }
}

/// Adds the payloads that a section of these bytes of a block holds.
pub(crate) fn open(
    section: &Section,
    bytes: &[u8],
    to: &mut PayloadBytes,
) -> Result<(), &'static str> {
    let stored = stored(section, bytes)?;
    if section.codec == 0 {
        to.extend_from_slice(stored);
        return Ok(());
    }
    codec::decompress(section.codec, stored, to.extend_zeros(section.raw as usize))
}

/// What the stored bytes of a section unpack to.
pub(crate) fn unpack(section: &Section, stored: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut raw = vec![0; section.raw as usize];
    codec::decompress(section.codec, stored, &mut raw)?;
    Ok(raw)
}

/// Lends the archive that a section of these bytes of a block is, where it can be read in place.
pub(crate) fn with_archive<T>(
    section: &Section,
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T, &'static str> {
    with_aligned(section, stored(section, bytes)?, read)
}

/// As [`with_archive`], of the stored bytes of a section.
pub(crate) fn with_aligned<T>(
    section: &Section,
    stored: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T, &'static str> {
    let is_aligned = stored.as_ptr().addr().is_multiple_of(SECTION_ALIGN);
    if section.codec == 0 && is_aligned {
        return read(stored);
    }
    ALIGNED.with_borrow_mut(|room| {
        room.resize(section.raw as usize, 0);
        let opened = codec::decompress(section.codec, stored, room);
        let read = opened.and_then(|()| read(room));
        if room.capacity() > KEPT_BYTES {
            *room = AlignedVec::new();
        }
        read
    })
}
