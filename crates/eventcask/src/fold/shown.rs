//! Waiting until a fold can load an event: until the store shows it.

use std::sync::Arc;
use std::task::{Poll, Waker};

use eventcask_event::Place;

use crate::Error;
use crate::follow::reached::Follows;
use crate::store::inner::Inner;

/// What a store shows, for those who load by a fold.
pub(crate) struct Shown {
    inner: Arc<Inner>,
    /// Name of the fold.
    name: &'static str,
}

impl Shown {
    pub(crate) fn new(inner: Arc<Inner>, name: &'static str) -> Self {
        Self { inner, name }
    }
}

impl Follows for Shown {
    fn name(&self) -> &str {
        self.name
    }

    fn progress(&self, shard: u32) -> Option<u64> {
        let reader = self.inner.readers.get(shard as usize)?;
        Some(reader.published().watermark)
    }

    fn look(
        &self,
        place: Place,
        number: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<u64, Error>> {
        self.inner.arrivals.add_waiter(place, number, waker);
        let is_over = self.inner.arrivals.is_over();
        let end = self.progress(place.shard).unwrap_or_default();
        match end > place.position {
            true => Poll::Ready(Ok(end)),
            false if is_over => Poll::Ready(Err(Error::Closed)),
            false => Poll::Pending,
        }
    }

    fn forget(&self, shard: u32, number: u64) {
        self.inner.arrivals.remove_waiter(shard, number);
    }
}
