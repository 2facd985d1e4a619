//! A batch on its way to a shard, with the tickets and accounts that wait for its answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use eventcask_event::{EventBatch, Expected, Invalid, MAX_BATCH_TYPES, NewEvent};

use crate::gate::Gate;
use crate::{AppendError, Completion, Ticket};

/// A batch of events of one shard, and where its answers go. Rows that no append covers were
/// pushed one by one with any version; the account counts them.
#[derive(Debug, Default)]
pub struct Delivery {
    /// The events.
    pub batch: EventBatch,
    /// Appends with an answer of their own, by rising rows.
    pub appends: Vec<Append>,
    /// Where their answers go: each takes those of the next appends.
    pub(crate) completions: Vec<Completion>,
    /// The accounts in which rows without an answer of their own are counted, by rising rows.
    pub(crate) accounts: Vec<Account>,
    /// Whether somebody waits for what was pushed.
    pub(crate) is_asked: bool,
    /// When the batch got its first row, where batches are to linger.
    pub(crate) opened: Option<Instant>,
}

/// The end of the rows of an account to which more may be added.
const OPEN: u32 = u32::MAX;
/// A delivery of so many bytes at most is copied behind another one: a block of its own would cost
/// more.
const ABSORBED_BYTES: usize = 16 << 10;

/// What becomes of the pushed rows up to one of them.
#[derive(Debug)]
pub(crate) struct Account {
    /// The row behind the last of them.
    pub(crate) end: u32,
    pub(crate) share: FlushShare,
    pub(crate) counted: Flushed,
    /// Why rows were refused, other than by their own fault.
    pub(crate) failed: Option<AppendError>,
}

impl Account {
    fn new(share: FlushShare) -> Self {
        Self {
            end: OPEN,
            share,
            counted: Flushed::default(),
            failed: None,
        }
    }

    pub(crate) fn settle(self) {
        self.share.settle(self.counted, self.failed.as_ref());
    }
}

/// Events that are stored together or not at all.
#[derive(Debug)]
pub struct Append {
    /// The first row.
    pub first_row: u32,
    /// How many rows.
    pub rows: u32,
    /// What the aggregates must be like.
    pub expected: Expectation,
}

/// What must hold so that the events of an append are stored.
#[derive(Debug)]
pub enum Expectation {
    /// All of them are of one aggregate, which must be like this.
    One(Expected),
    /// They are of several. Each of those is here, and maybe some that get no event.
    Each(Vec<ExpectedOf>),
}

/// What one of several aggregates must be like.
#[derive(Debug)]
pub struct ExpectedOf {
    /// Its key.
    pub key: String,
    /// The key's hash in the tables of the shard.
    pub hash: u64,
    /// What it must be like.
    pub expected: Expected,
}

impl Delivery {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether events of so many bytes fit into a batch of up to `limit` bytes.
    #[must_use]
    pub fn has_room(&self, bytes: usize, events: usize, limit: usize) -> bool {
        // Each of the events may be of a type that is new to the batch.
        let types = self.batch.types().len() + events;
        self.batch.bytes() + bytes <= limit && types <= MAX_BATCH_TYPES
    }

    /// Adds an event with any version. `share` gives the batch its part of the account where it has
    /// none yet.
    ///
    /// # Errors
    /// An event that the batch can not take.
    #[inline]
    pub fn push(
        &mut self,
        key: &str,
        hash: u64,
        event: &NewEvent<'_>,
        share: impl FnOnce() -> FlushShare,
    ) -> Result<(), Invalid> {
        self.batch.push(key, hash, event)?;
        if self.accounts.last().is_none_or(|last| last.end != OPEN) {
            self.accounts.push(Account::new(share()));
        }
        Ok(())
    }

    /// Notes that somebody waits for what was pushed so far, and says whether nobody did before.
    /// What is pushed from now on is counted in another account.
    pub fn ask(&mut self) -> bool {
        self.end_account();
        !std::mem::replace(&mut self.is_asked, true)
    }

    fn end_account(&mut self) {
        let rows = self.batch.len() as u32;
        if let Some(last) = self.accounts.last_mut().filter(|last| last.end == OPEN) {
            last.end = rows;
        }
    }

    /// Whether it is so small that it is better off behind another one.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.batch.bytes() <= ABSORBED_BYTES && self.batch.source().is_none()
    }

    /// Takes over all of another delivery, if that is small and both fit into a batch of up to
    /// `limit` bytes; says whether it did. The other one is empty then.
    pub(crate) fn absorb(&mut self, other: &mut Self, limit: usize) -> bool {
        let (bytes, types) = (other.batch.bytes(), other.batch.types().len());
        let has_room = self.has_room(bytes, types, limit);
        if !other.is_small() || self.batch.source().is_some() || !has_room {
            return false;
        }
        self.end_account();
        other.end_account();
        let base = self.batch.len() as u32;
        for row in 0..other.batch.len() {
            let (key, hash) = (other.batch.key(row), other.batch.hash(row));
            let pushed = self.batch.push(key, hash, &other.batch.event(row));
            pushed.expect("there is room for its types");
        }
        self.appends
            .extend(other.appends.drain(..).map(|append| Append {
                first_row: base + append.first_row,
                ..append
            }));
        self.completions.append(&mut other.completions);
        let accounts = other.accounts.drain(..);
        self.accounts.extend(accounts.map(|account| Account {
            end: base + account.end,
            ..account
        }));
        self.is_asked |= other.is_asked;
        other.clear();
        true
    }

    /// Has the rows from `first` on stored together or not at all. They get an answer of their own.
    #[must_use]
    pub fn join(&mut self, first: usize, expected: Expectation) -> Ticket {
        self.appends.push(Append {
            first_row: first as u32,
            rows: (self.batch.len() - first) as u32,
            expected,
        });
        if self.completions.is_empty() {
            self.completions.push(Completion::default());
        }
        // Only an open batch gets more, and that has one.
        debug_assert_eq!(self.completions.len(), 1);
        self.completions[0].ticket()
    }

    /// Whether somebody waits for what is in it.
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiters() > 0
    }

    /// How many wait for what is in it; those who flushed a batch are one.
    pub(crate) fn waiters(&self) -> usize {
        self.appends.len() + usize::from(self.is_asked)
    }

    /// How many it was taken over from that may send more once they have their answers.
    pub(crate) fn callers(&self) -> usize {
        let tickets = self.completions.iter().map(Completion::tickets);
        let flushes = if self.is_asked {
            self.accounts.len()
        } else {
            0
        };
        tickets.sum::<usize>() + flushes
    }

    /// Removes everything and keeps the memory.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.appends.clear();
        self.completions.clear();
        self.accounts.clear();
        self.is_asked = false;
        self.opened = None;
    }
}

/// What became of the events that were pushed between two flushes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Stored now.
    pub stored: u64,
    /// Stored before.
    pub duplicates: u64,
    /// Refused for what they are: their id belongs to an event with other content.
    pub refused: u64,
    /// Why the first of them was refused.
    pub first_refused: Option<AppendError>,
}

impl Flushed {
    /// Counts what became of one event: whether it was stored now, or why it was refused.
    ///
    /// # Errors
    /// A refusal that is not the event's own fault.
    #[inline]
    pub(crate) fn count(
        &mut self,
        is_stored: Result<bool, AppendError>,
    ) -> Result<(), AppendError> {
        match is_stored {
            Ok(true) => self.stored += 1,
            Ok(false) => self.duplicates += 1,
            Err(refused @ AppendError::IdConflict { .. }) => {
                self.refused += 1;
                self.first_refused.get_or_insert(refused);
            }
            Err(refused) => return Err(refused),
        }
        Ok(())
    }
}

/// Counts what becomes of pushed events until all of them are answered.
#[derive(Debug, Default)]
pub struct FlushCounter {
    /// Batches that are not answered yet, and one for the producer until it flushes.
    open: AtomicU64,
    stored: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    first_refused: OnceLock<AppendError>,
    failed: OnceLock<AppendError>,
    settled: Gate,
}

/// One batch's part of an account. Dropped without a word it counts as refused, so that
/// nothing is taken for stored because its worker failed.
#[derive(Debug)]
pub struct FlushShare {
    account: Arc<FlushCounter>,
    settled: bool,
}

impl FlushCounter {
    /// A new account and the producer's own share in it.
    #[must_use]
    pub fn open() -> (Arc<Self>, FlushShare) {
        let account = Arc::new(Self::default());
        let share = Self::share(&account);
        (account, share)
    }

    /// A share for one more batch.
    #[must_use]
    pub fn share(account: &Arc<Self>) -> FlushShare {
        account.open.fetch_add(1, Ordering::Relaxed);
        FlushShare {
            account: Arc::clone(account),
            settled: false,
        }
    }

    /// Whether all events are answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        // Pairs with the release in the drop of the last share: its counts are seen.
        self.open.load(Ordering::Acquire) == 0
    }

    /// Blocks until all events are answered and tells what became of them.
    ///
    /// # Errors
    /// The first refusal of a whole batch; other batches are stored all the same.
    pub fn wait(&self) -> Result<Flushed, AppendError> {
        if !self.is_settled() {
            self.settled.wait(|| self.is_settled());
        }
        self.result()
    }

    /// What became of the events so far.
    ///
    /// # Errors
    /// The first refusal of a whole batch.
    pub fn result(&self) -> Result<Flushed, AppendError> {
        match self.failed.get() {
            Some(refused) => Err(refused.clone()),
            None => Ok(Flushed {
                stored: self.stored.load(Ordering::Relaxed),
                duplicates: self.duplicates.load(Ordering::Relaxed),
                refused: self.refused.load(Ordering::Relaxed),
                first_refused: self.first_refused.get().cloned(),
            }),
        }
    }
}

impl FlushShare {
    /// Counts what became of a batch's events; `failed` says why all of it was refused.
    pub fn settle(mut self, counted: Flushed, failed: Option<&AppendError>) {
        self.account
            .stored
            .fetch_add(counted.stored, Ordering::Relaxed);
        self.account
            .duplicates
            .fetch_add(counted.duplicates, Ordering::Relaxed);
        self.account
            .refused
            .fetch_add(counted.refused, Ordering::Relaxed);
        if let Some(refused) = counted.first_refused {
            let _ = self.account.first_refused.set(refused);
        }
        if let Some(failed) = failed {
            let _ = self.account.failed.set(failed.clone());
        }
        self.settled = true;
    }
}

impl Drop for FlushShare {
    fn drop(&mut self) {
        if !self.settled {
            let _ = self.account.failed.set(crate::ticket::dropped());
        }
        if self.account.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.account.settled.open();
        }
    }
}

/// Answers everything in a delivery in the same way.
pub(crate) fn refuse_all(delivery: &mut Delivery, refused: &AppendError) {
    delivery.appends.clear();
    for completion in delivery.completions.drain(..) {
        completion.refuse(refused.clone());
    }
    for account in delivery.accounts.drain(..) {
        account.share.settle(Flushed::default(), Some(refused));
    }
}
