//! An open file of the disk.

use std::io;
use std::sync::Arc;

use eventcask::storage::StoredFile;

use crate::disk::journal::{FileNumber, Step, Synced};
use crate::disk::sim_disk::{SimDisk, State};
use crate::planted::Planted;

/// Planted bugs of writes hit one write in this many.
const PLANTED_EVERY: u64 = 11;
const SEALED_EVERY: u64 = 3;

pub(crate) struct SimFile {
    disk: SimDisk,
    file: FileNumber,
    /// Whether it was opened as a segment on its way to its name.
    is_new_segment: bool,
}

impl SimFile {
    pub(crate) fn new(disk: SimDisk, file: FileNumber, is_new_segment: bool) -> Self {
        Self {
            disk,
            file,
            is_new_segment,
        }
    }

    /// Writes as the planted bug wants it.
    fn write(&self, state: &mut State, place: u64, bytes: &[u8]) {
        state.writes += 1;
        let is_lost = state.planted == Some(Planted::SealedWriteIsLost)
            && self.is_new_segment
            && state.writes.is_multiple_of(SEALED_EVERY);
        if is_lost {
            return;
        }
        let mut place = place;
        let mut bytes: Arc<[u8]> = bytes.into();
        if state.writes.is_multiple_of(PLANTED_EVERY) {
            match state.planted {
                Some(Planted::WriteIsLost) => return,
                Some(Planted::WriteIsMisplaced) => place += 512,
                Some(Planted::BitIsFlipped) => bytes = flipped(&bytes),
                _ => {}
            }
        }
        let file = self.file;
        state.step(Step::Write { file, place, bytes });
    }
}

/// A bit in the middle is another one.
fn flipped(bytes: &[u8]) -> Arc<[u8]> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 4;
    }
    bytes.into()
}

impl StoredFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let mut state = self.disk.turn();
        state.faults.on_read()?;
        let bytes = &state.live.bytes[self.file];
        let start = (place as usize).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        let mut state = self.disk.turn();
        let len = state.live.bytes[self.file].len() as u64;
        let growth = (place + bytes.len() as u64).saturating_sub(len);
        let (count, result) = match state.faults.on_write(bytes.len(), growth) {
            Ok(()) => (bytes.len(), Ok(())),
            Err((count, error)) => (count, Err(error)),
        };
        if count > 0 {
            self.write(&mut state, place, &bytes[..count]);
        }
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.turn();
        let result = state.faults.on_sync();
        let how = match (&result, state.planted) {
            (Err(_), _) => Synced::Failed,
            (Ok(()), Some(Planted::SyncDoesNothing)) => return Ok(()),
            (Ok(()), Some(Planted::SyncLeavesOutTheLast)) => Synced::ButTheLast,
            (Ok(()), _) => Synced::Well,
        };
        let file = self.file;
        state.step(Step::Sync { file, how });
        result
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().live.bytes[self.file].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.turn();
        let before = state.live.bytes[self.file].len() as u64;
        state.faults.on_cut(before.saturating_sub(len));
        let much = state.planted == Some(Planted::CutTakesTooMuch) && len < before;
        let len = if much { len.saturating_sub(64) } else { len };
        let file = self.file;
        state.step(Step::SetLen { file, len });
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.turn();
        let before = state.live.bytes[self.file].len() as u64;
        // Nothing is written, so only the room counts.
        state.faults.on_growth(len.saturating_sub(before))?;
        let file = self.file;
        state.step(Step::SetLen { file, len });
        Ok(())
    }
}
