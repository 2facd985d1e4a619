//! What a disk does wrong and says so.

use std::io;

/// Errors that a disk is to give, each at most once but for the lack of room.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    sync: Option<(u32, i32)>,
    write: Option<(u32, u32)>,
    read: Option<u32>,
    room: Option<u64>,
    given: u64,
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Counts down and says whether the moment is now.
fn strikes(left: &mut u32) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}

impl Faults {
    /// No faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The `n`-th sync from now, of a file or a directory, fails with an input/output error.
    #[must_use]
    pub fn sync_fails(mut self, n: u32) -> Self {
        self.sync = Some((n, EIO));
        self
    }

    /// The `n`-th sync from now fails because there is no room, as delayed allocation does.
    #[must_use]
    pub fn sync_finds_no_room(mut self, n: u32) -> Self {
        self.sync = Some((n, ENOSPC));
        self
    }

    /// The `n`-th write from now stops after this many thousandths of its bytes and fails.
    #[must_use]
    pub fn write_fails(mut self, n: u32, after_permille: u32) -> Self {
        self.write = Some((n, after_permille));
        self
    }

    /// The `n`-th read from now fails.
    #[must_use]
    pub fn read_fails(mut self, n: u32) -> Self {
        self.read = Some(n);
        self
    }

    /// Files can grow by this many bytes together; then the disk is full.
    #[must_use]
    pub fn room(mut self, bytes: u64) -> Self {
        self.room = Some(bytes);
        self
    }

    /// Whether there are any.
    pub(crate) fn are_some(&self) -> bool {
        let limits = self.sync.is_some() || self.write.is_some() || self.room.is_some();
        limits || self.read.is_some()
    }

    /// Whether a read is to fail.
    pub(crate) fn hits_reads(&self) -> bool {
        self.read.is_some()
    }

    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    fn give(&mut self, code: i32) -> io::Error {
        self.given += 1;
        io::Error::from_raw_os_error(code)
    }

    pub(crate) fn on_sync(&mut self) -> io::Result<()> {
        match self
            .sync
            .as_mut()
            .map(|(left, code)| (strikes(left), *code))
        {
            Some((true, code)) => {
                self.sync = None;
                Err(self.give(code))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn on_read(&mut self) -> io::Result<()> {
        if self.read.as_mut().is_some_and(strikes) {
            self.read = None;
            return Err(self.give(EIO));
        }
        Ok(())
    }

    /// How many of `bytes` get through where the file grows by `growth`, and the error.
    pub(crate) fn on_write(&mut self, bytes: usize, growth: u64) -> Result<(), (usize, io::Error)> {
        if let Some((true, permille)) = self.write.as_mut().map(|(left, at)| (strikes(left), *at)) {
            self.write = None;
            return Err((bytes * permille as usize / 1000, self.give(EIO)));
        }
        match &mut self.room {
            Some(room) if *room < growth => {
                let missing = (growth - *room) as usize;
                *room = 0;
                Err((bytes.saturating_sub(missing), self.give(ENOSPC)))
            }
            Some(room) => {
                *room -= growth;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether there is room for a file to grow.
    pub(crate) fn on_growth(&mut self, growth: u64) -> io::Result<()> {
        match &mut self.room {
            Some(room) if *room < growth => Err(self.give(ENOSPC)),
            Some(room) => {
                *room -= growth;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn on_cut(&mut self, bytes: u64) {
        if let Some(room) = &mut self.room {
            *room += bytes;
        }
    }
}
