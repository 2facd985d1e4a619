//! How much is sent in a phase, and how fast.

use std::time::Duration;

use crate::args::{Call, LoadArgs};

/// Events that are measured where nothing else is said.
const EVENTS: u64 = 10_000_000;

/// When a phase ends, and how fast it goes: for all producers, or one's share of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// It ends after so many events,
    pub(crate) events: u64,
    /// or after this time, where that comes first.
    pub(crate) seconds: Option<f64>,
    pub(crate) pace: Pace,
}

/// How fast events are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as they are taken.
    Closed,
    /// Each once the one before is acknowledged.
    OneByOne(Call),
    /// So many a second.
    Open(f64),
}

impl Goal {
    /// What is measured.
    pub(crate) fn measured(args: &LoadArgs) -> Self {
        let unsaid = if args.seconds.is_some() {
            u64::MAX
        } else {
            EVENTS
        };
        Self {
            events: args.events.map_or(unsaid, |events| events.0),
            seconds: args.seconds,
            pace: pace(args),
        }
    }

    /// What comes before, so that what is measured is not the beginning.
    pub(crate) fn warmup(args: &LoadArgs, seconds: f64) -> Self {
        Self {
            events: u64::MAX,
            seconds: Some(seconds),
            pace: pace(args),
        }
    }

    /// Filling a store with ids.
    pub(crate) fn filling(events: u64) -> Self {
        Self {
            events,
            seconds: None,
            pace: Pace::Closed,
        }
    }

    /// The share of one of several producers.
    pub(crate) fn share(self, producer: usize, producers: usize) -> Self {
        let (producer, among) = (producer as u64, producers as u64);
        let events = match self.events {
            u64::MAX => u64::MAX,
            events => events / among + u64::from(producer < events % among),
        };
        let pace = match self.pace {
            Pace::Open(rate) => Pace::Open(rate / among as f64),
            pace => pace,
        };
        Self {
            events,
            pace,
            ..self
        }
    }

    /// How many events one may count upon, so as to prepare them.
    pub(crate) fn events_expected(&self) -> u64 {
        match (self.pace, self.seconds) {
            (Pace::Open(rate), Some(seconds)) => self.events.min((rate * seconds) as u64),
            _ => self.events,
        }
    }

    pub(crate) fn time(&self) -> Duration {
        self.seconds.map_or(Duration::MAX, Duration::from_secs_f64)
    }
}

fn pace(args: &LoadArgs) -> Pace {
    match args.rate {
        Some(rate) => Pace::Open(rate.0 as f64),
        None if args.one_by_one => Pace::OneByOne(args.by),
        None => Pace::Closed,
    }
}
