//! Appends blocks to the tail of a shard.
//!
//! On demand, small appends in a row keep a *runway* of zeros ahead of them. A sync of blocks that the file
//! already has takes about two thirds of the time of one that makes the file longer. Large appends
//! do without: all of it would be written twice. The zeros are no data. Opening the log finds its
//! end as in a segment that was made of a spare.

use std::fmt;

use crate::Tail;
use crate::disk::storage::{Open, StoredFile};
use crate::segment::dir::ShardDir;
use crate::{Error, ErrorKind, NewSegment};

/// Appends of fewer bytes keep a runway.
const SMALL_BYTES: usize = 64 << 10;
/// Bytes of a runway: as many as the segment has, within these limits.
const RUNWAY_MIN: u64 = 16 << 10;
const RUNWAY_MAX: u64 = 1 << 20;

/// Writes the blocks of one shard. It decides nothing: places and segments come from the
/// worker, which chained them into the blocks.
pub struct SegmentWriter {
    dir: ShardDir,
    open: Option<(u64, Box<dyn StoredFile>)>,
    /// Up to where the open file is as long as it needs to be; `None` where no runway is kept.
    runway_end: Option<u64>,
    /// Whether the last append was small: one such between large ones needs no runway.
    was_small: bool,
    /// Whether a single block goes through the system's cache, however large it is.
    through_cache: bool,
    unsynced: bool,
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl SegmentWriter {
    /// A writer that goes on at `tail`.
    ///
    /// # Errors
    /// What the disk said.
    pub fn open(dir: ShardDir, tail: &Tail) -> Result<Self, Error> {
        let open = match tail.segment {
            0 => None,
            _ if tail.ended => None,
            number => Some((number, dir.open(number, Open::Write)?)),
        };
        Ok(Self {
            dir,
            open,
            runway_end: None,
            was_small: true,
            through_cache: false,
            unsynced: false,
        })
    }

    /// The writer, to keep a runway from now on.
    #[must_use]
    pub fn with_runway(mut self) -> Self {
        self.runway_end = Some(self.file_len());
        self
    }

    /// Says whether single blocks go through the system's cache, however large they are: a copy there
    /// is faster than the disk where nobody waits for the disk, and takes more of the processor.
    pub fn set_through_cache(&mut self, through_cache: bool) {
        self.through_cache = through_cache;
    }

    /// Bytes of the open file: all that it needs where it was made of a spare. Where they are not
    /// known, a runway is written that may be there already.
    fn file_len(&self) -> u64 {
        let length = self.open.as_ref().map(|(_, file)| file.len());
        length.and_then(Result::ok).unwrap_or(0)
    }

    /// Ends the open segment and makes the next one; the ended one is durable then.
    ///
    /// # Errors
    /// What the disk said.
    pub fn roll(&mut self, new: &NewSegment) -> Result<(), Error> {
        self.sync()?;
        self.open = Some((new.number, self.dir.create_segment(new)?));
        self.runway_end = self.runway_end.map(|_| self.file_len());
        Ok(())
    }

    /// Writes blocks that follow each other at the place of the first one in their segment, which
    /// must be the open one. A disk that is full leaves the file as it was before a single block.
    /// Of several some may be there then: whoever appends them one by one keeps those, and their
    /// room is given to nobody in between.
    ///
    /// # Errors
    /// What the disk said.
    ///
    /// # Panics
    /// When no segment was made yet.
    pub fn append(&mut self, segment: u64, place: u64, blocks: &[&[u8]]) -> Result<(), Error> {
        let (number, file) = self
            .open
            .as_ref()
            .expect("a segment was opened or made before");
        if *number != segment {
            let name = self.dir.describe(*number);
            let message = format!("a block of segment {segment} was to be written to {name}");
            return Err(Error::new(ErrorKind::Io, message));
        }
        self.unsynced = true;
        let bytes: usize = blocks.iter().map(|block| block.len()).sum();
        let end = place + bytes as u64;
        let written = match blocks {
            [block] if self.through_cache => file.write_all_at(block, place),
            _ => file.write_parts_at(blocks, place),
        };
        let Err(error) = written else {
            self.keep_runway(end, bytes);
            return Ok(());
        };
        let is_single = blocks.len() == 1;
        // Of several blocks, the room of the later ones is the runway of the earlier ones.
        let runway_end = if is_single { 0 } else { end };
        self.runway_end = self.runway_end.map(|_| runway_end);
        let error = Error::io("write", &self.dir.describe(*number), error);
        if error.kind() == ErrorKind::StorageFull && is_single {
            // Where even that fails the file is not as it was, so it is no full disk to wait for.
            file.set_len(place).map_err(|cut| {
                let name = self.dir.describe(*number);
                Error::new(ErrorKind::Io, format!("could not cut {name} back: {cut}"))
            })?;
            // A refused block must not come back. Without this sync a crash could lose the next
            // block together with the cut, and keep most of the refused one.
            file.sync()
                .map_err(|error| Error::failed_sync(&self.dir.describe(*number), error))?;
        }
        Err(error)
    }

    /// Writes zeros behind the last block, if it and the one before were small and there are none.
    fn keep_runway(&mut self, end: u64, bytes: usize) {
        let (Some((_, file)), Some(runway_end)) = (&self.open, &mut self.runway_end) else {
            return;
        };
        let is_small = bytes < SMALL_BYTES;
        let was_small = std::mem::replace(&mut self.was_small, is_small);
        if !is_small || !was_small || end <= *runway_end {
            return;
        }
        let runway = end.clamp(RUNWAY_MIN, RUNWAY_MAX);
        if file.write_all_at(&vec![0; runway as usize], end).is_err() {
            // A disk that has no room for it needs what there is for data.
            let _ = file.set_len(end);
        }
        *runway_end = end + runway;
    }

    /// Makes everything written before durable. After an error the writer must not be used
    /// again: nobody knows then what the disk has.
    ///
    /// # Errors
    /// What the disk said, never [`ErrorKind::StorageFull`]: no room made later would bring
    /// back what the disk may have dropped.
    pub fn sync(&mut self) -> Result<(), Error> {
        let Some((number, file)) = self.open.as_ref().filter(|_| self.unsynced) else {
            return Ok(());
        };
        file.sync()
            .map_err(|error| Error::failed_sync(&self.dir.describe(*number), error))?;
        self.unsynced = false;
        Ok(())
    }

    /// Gives back the room after the last block of the open segment, when nothing more will be
    /// written to it.
    pub fn trim(&mut self, place: u64) {
        if let Some((_, file)) = self.open.as_ref().filter(|_| !self.unsynced) {
            // Room that stays costs nothing but itself.
            let _ = file.set_len(place);
        }
    }

    /// Whether something was written since the last sync.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.unsynced
    }
}
