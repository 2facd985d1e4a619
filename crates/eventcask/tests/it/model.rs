//! What a shard is to answer, said by a model that looks at one thing after the other.

use std::collections::BTreeMap;

use eventcask::{EventId, Expected, NewEvent};

use crate::support::{deposit, id};

/// Events of an aggregate, each with its id, 0 where it has none.
pub(crate) struct Part {
    pub(crate) key: String,
    pub(crate) expected: Expected,
    pub(crate) rows: Vec<(u128, String)>,
}

pub(crate) enum Sent {
    Push(Part),
    Append(Part),
    Set(Vec<Part>),
}

impl Sent {
    fn parts(&self) -> &[Part] {
        match self {
            Self::Push(part) | Self::Append(part) => std::slice::from_ref(part),
            Self::Set(parts) => parts,
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&str, u128, &str)> {
        self.parts().iter().flat_map(|part| {
            let rows = part.rows.iter();
            rows.map(|(id, payload)| (&*part.key, *id, &**payload))
        })
    }
}

fn event_of(row: &(u128, String)) -> NewEvent<'_> {
    match row.0 {
        0 => deposit(&row.1),
        number => deposit(&row.1).id(id(number)),
    }
}

pub(crate) fn events(part: &Part) -> Vec<NewEvent<'_>> {
    part.rows.iter().map(event_of).collect()
}

/// What is stored, and what each that is sent is answered.
#[derive(Clone, Default)]
pub(crate) struct Model {
    /// Key, id, payload and version at each position.
    pub(crate) events: Vec<(String, u128, String, u64)>,
}

impl Model {
    pub(crate) fn version(&self, key: &str) -> u64 {
        let of_key = self.events.iter().filter(|event| event.0 == key);
        of_key.count() as u64
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in &self.events {
            *counts.entry(event.0.clone()).or_default() += 1;
        }
        counts
    }

    pub(crate) fn decide(&mut self, sent: &Sent) -> String {
        if let Some(answer) = self.known(sent) {
            return answer;
        }
        let parts = sent.parts().iter();
        let conflicts = parts.filter(|part| !part.expected.holds(self.version(&part.key)));
        let conflicts: Vec<String> = conflicts
            .map(|part| conflict(&part.key, part.expected, self.version(&part.key)))
            .collect();
        if !conflicts.is_empty() {
            return conflicts.join(", ");
        }
        let mut version = 0;
        for (key, id, payload) in sent.rows() {
            version = self.version(key) + 1;
            self.events
                .push((key.to_owned(), id, payload.to_owned(), version));
        }
        format!("stored {} {version}", self.events.len() - 1)
    }

    /// The answer to what has ids that are known, or that are twice in it.
    fn known(&self, sent: &Sent) -> Option<String> {
        let mut named: Vec<_> = sent.rows().filter(|row| row.1 > 0).collect();
        named.sort_unstable_by_key(|row| (row.1, row.0.to_owned()));
        let twice = named
            .windows(2)
            .find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
        if let Some(twice) = twice {
            return Some(format!("id {}", id(twice[0].1)));
        }
        let (mut known, mut last, mut rows) = (Vec::new(), String::new(), 0);
        for (key, number, payload) in sent.rows() {
            rows += 1;
            let is_it = |one: &(String, u128, String, u64)| one.0 == key && one.1 == number;
            let original = self.events.iter().position(is_it).filter(|_| number > 0);
            if let Some(position) = original {
                let original = &self.events[position];
                if original.2 != payload {
                    return Some(format!("id {}", id(number)));
                }
                known.push(id(number));
                last = format!("known {position} {}", original.3);
            }
        }
        match known.len() {
            0 => None,
            all if all == rows => Some(last),
            _ => Some(partly(&known)),
        }
    }
}

pub(crate) fn conflict(key: &str, expected: Expected, actual: u64) -> String {
    format!("{key} has {actual}, not {expected:?}")
}

pub(crate) fn partly(known: &[EventId]) -> String {
    format!("partly {known:?}")
}
