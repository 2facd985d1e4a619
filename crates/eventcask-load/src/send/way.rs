//! How events get into the store: by a producer or by the owner of a shard. A producer has a thread
//! beside it that takes the answers. An owner does the shard's work, and takes the answers itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use eventcask::{
    Appended, Expected, FlushTicket, Flushed, NewEvent, Producer, ShardOwner, Store, Ticket,
};
use eventcask_console::failure::Failure;

use crate::args::Call;
use crate::send::counts::Counts;
use crate::send::latencies::Stretch;

/// Stretches that are unanswered before one waits: more than the queues of the shards hold.
pub(crate) const UNANSWERED: usize = 64;

/// A stretch and the ticket of its answer.
pub(crate) type Asked = (Stretch, FlushTicket);

/// The way in of one thread.
pub(crate) enum Way<'a> {
    Producer {
        producer: Producer,
        answers: SyncSender<Asked>,
    },
    Owner {
        owner: &'a mut ShardOwner,
        asked: VecDeque<Asked>,
        counts: &'a mut Counts,
        answered: &'a AtomicU64,
    },
}

impl Way<'_> {
    #[inline]
    pub(crate) fn push(&mut self, key: &str, event: &NewEvent<'_>) -> Result<(), Failure> {
        let pushed = match self {
            Self::Producer { producer, .. } => producer.push(key, event),
            Self::Owner { owner, .. } => owner.push(key, event),
        };
        pushed.map_err(|error| Failure::of(&error))
    }

    /// Ends a stretch. Says how often it had to wait for room, at most once, or `None` where
    /// nobody takes answers any more.
    pub(crate) fn ask(&mut self, stretch: Stretch) -> Result<Option<u64>, Failure> {
        match self {
            Self::Producer { producer, answers } => {
                let ticket = producer.flush().map_err(|error| Failure::of(&error))?;
                Ok(match answers.try_send((stretch, ticket)) {
                    Ok(()) => Some(0),
                    Err(TrySendError::Full(asked)) => answers.send(asked).ok().map(|()| 1),
                    Err(TrySendError::Disconnected(_)) => None,
                })
            }
            Self::Owner { owner, asked, .. } => {
                let ticket = owner.flush().map_err(|error| Failure::of(&error))?;
                asked.push_back((stretch, ticket));
                let is_full = asked.len() > UNANSWERED;
                if is_full {
                    self.take_answer()?;
                }
                Ok(Some(u64::from(is_full)))
            }
        }
    }

    /// Takes the answers that are there, where that is for this thread to do.
    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        let is_done = |way: &Self| match way {
            Self::Producer { .. } => false,
            Self::Owner { asked, .. } => asked.front().is_some_and(|(_, ticket)| ticket.is_done()),
        };
        while is_done(self) {
            self.take_answer()?;
        }
        Ok(())
    }

    /// Does what can be done while nothing is to be sent.
    pub(crate) fn idle(&mut self) -> Result<(), Failure> {
        if let Self::Owner { owner, .. } = self {
            owner.run();
        }
        self.look()
    }

    /// Waits for all answers, where that is for this thread to do.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        while let Self::Owner { asked, .. } = self
            && !asked.is_empty()
        {
            self.take_answer()?;
        }
        Ok(())
    }

    /// Waits for the oldest answer.
    fn take_answer(&mut self) -> Result<(), Failure> {
        let Self::Owner {
            owner,
            asked,
            counts,
            answered,
        } = self
        else {
            return Ok(());
        };
        if let Some((stretch, ticket)) = asked.pop_front() {
            let flushed = owner.wait(ticket).map_err(|error| Failure::of(&error))?;
            counts.add(&stretch, flushed, Instant::now());
            answered.fetch_add(stretch.events, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Appends one event and waits until it is acknowledged: whether it is new.
    pub(crate) fn append(
        &mut self,
        by: Call,
        store: &Store,
        key: &str,
        event: NewEvent<'_>,
    ) -> Result<bool, Failure> {
        let is_new = |answer| matches!(answer, Appended::Stored { .. });
        let has_new = |flushed: Flushed| flushed.stored == 1;
        let any = Expected::Any;
        let stored = match (self, by) {
            (Self::Producer { .. }, Call::Shared) => {
                let ticket = store.append(key, any, &[event]);
                ticket.and_then(Ticket::wait).map(is_new)
            }
            (Self::Producer { producer, .. }, Call::Append) => {
                let ticket = producer.append(key, any, &[event]);
                ticket.and_then(Ticket::wait).map(is_new)
            }
            (Self::Producer { producer, .. }, Call::Push) => {
                let pushed = producer.push(key, &event);
                let ticket = pushed.and_then(|()| producer.flush());
                ticket.and_then(FlushTicket::wait).map(has_new)
            }
            (Self::Owner { owner, .. }, Call::Push) => {
                let pushed = owner.push(key, &event);
                let ticket = pushed.and_then(|()| owner.flush());
                ticket.and_then(|ticket| owner.wait(ticket)).map(has_new)
            }
            (Self::Owner { owner, .. }, Call::Append | Call::Shared) => {
                let ticket = owner.append(key, any, &[event]);
                ticket.and_then(|ticket| owner.answer(ticket)).map(is_new)
            }
        };
        stored.map_err(|error| Failure::of(&error))
    }
}
