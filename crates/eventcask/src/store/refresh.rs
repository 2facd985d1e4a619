//! Takes up what another process has written.

use crate::store::inner::Inner;
use crate::store::retention;
use crate::sync::locked;
use crate::{Error, StoreReader};

impl StoreReader {
    /// Takes up what another process has written, in a store that is open for reading only;
    /// otherwise there is nothing to do.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn refresh(&self) -> Result<(), Error> {
        self.inner.refresh()
    }
}

impl Inner {
    /// Takes up what another process has written, where this one only reads.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let mut tails = locked(&self.tails);
        if tails.is_empty() {
            return Ok(());
        }
        for (tail, reader) in tails.iter_mut().zip(&self.readers) {
            reader.follow(tail)?;
        }
        drop(tails);
        self.arrivals.tell();
        let readers = self.readers.iter().map(|reader| &**reader);
        retention::apply(&*self.storage, &self.manifest, readers)?;
        self.feeds.ring();
        self.projections.refresh();
        Ok(())
    }
}
