//! How a store is resharded.

use std::fmt;
use std::sync::Arc;

use eventcask_log::Manifest;

use crate::Options;

/// Bytes of memory for where aggregates are, unless set: those of about four million.
const MEMORY_BYTES: usize = 256 << 20;

type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How a store is written anew by [`reshard`](crate::upkeep::reshard).
///
/// ```
/// use eventcask::upkeep::ReshardOptions;
/// use eventcask::{RouteBy, Store};
/// let options = ReshardOptions::new(Store::options().shards(8).route_by(RouteBy::Category));
/// ```
#[derive(Clone)]
#[must_use]
pub struct ReshardOptions {
    target: Options,
    memory_bytes: usize,
    forgets_subscriptions: bool,
    progress: Option<Progress>,
}

impl fmt::Debug for ReshardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReshardOptions")
            .field("target", &self.target)
            .field("forgets_subscriptions", &self.forgets_subscriptions)
            .finish_non_exhaustive()
    }
}

impl Default for ReshardOptions {
    fn default() -> Self {
        Self {
            target: Options::default(),
            memory_bytes: MEMORY_BYTES,
            forgets_subscriptions: false,
            progress: None,
        }
    }
}

impl ReshardOptions {
    /// Writes a store as these options say, as far as they are about files: shards, routing,
    /// codecs, the size of segments, clusters. Shards and routing that they do not say are those of
    /// the source.
    pub fn new(target: Options) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// Whether named subscriptions that have not handled all events may begin anew; by default they
    /// are an error. How far such a one got means nothing in other shards. One that has handled
    /// everything goes on in the new store in any case.
    ///
    /// ```
    /// use eventcask::upkeep::ReshardOptions;
    /// let options = ReshardOptions::default().forget_subscriptions(true);
    /// ```
    pub fn forget_subscriptions(mut self, forgets: bool) -> Self {
        self.forgets_subscriptions = forgets;
        self
    }

    /// Bytes of memory for where the newest event of each aggregate is: 256 MiB by default, which do
    /// for about four million. Beyond that all segments are ended, and their tables are asked.
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Has `progress` told now and then how many events were copied, and how many there are.
    ///
    /// ```
    /// use eventcask::upkeep::ReshardOptions;
    /// let options = ReshardOptions::default()
    ///     .progress(|copied, all| eprintln!("{copied} of {all}"));
    /// ```
    pub fn progress(mut self, progress: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    pub(super) fn target(&self) -> &Options {
        &self.target
    }

    pub(super) fn memory(&self) -> usize {
        self.memory_bytes
    }

    pub(super) fn forgets_subscriptions(&self) -> bool {
        self.forgets_subscriptions
    }

    pub(super) fn tell(&self, copied: u64, all: u64) {
        if let Some(progress) = &self.progress {
            progress(copied, all);
        }
    }

    /// The manifest of the new store.
    pub(super) fn manifest(
        &self,
        source: &Manifest,
        id: u128,
        created: i64,
    ) -> Result<Manifest, eventcask_log::Error> {
        let shards = self.target.shards.unwrap_or(source.shards);
        let by = self.target.route_by.unwrap_or(source.route_by);
        let manifest = Manifest::new(id, shards, created)?;
        Ok(manifest.routed_by(by).made_of(source))
    }
}
