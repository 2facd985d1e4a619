//! From a payload to what the groups need of it.

use std::borrow::Cow;

use crate::fields::text_of;
use crate::{Number, ViewSpec};

/// Reads the payloads of a batch; its memory goes round from event to event.
pub(crate) struct Reader<'s, 'a> {
    spec: &'s ViewSpec,
    picks: Vec<Option<&'a str>>,
    numbers: Vec<Option<Number>>,
    /// The time read last with its window: neighbours often share it.
    last_time: Option<(&'a str, Option<i64>)>,
}

/// The group that an event belongs to, and its numbers in the order of the plan's values.
pub(crate) struct Reading<'r, 'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) window: Option<i64>,
    pub(crate) numbers: &'r [Option<Number>],
}

impl<'s, 'a> Reader<'s, 'a> {
    pub(crate) fn new(spec: &'s ViewSpec) -> Self {
        let picks = vec![None; spec.plan().fields.slots()];
        let numbers = Vec::with_capacity(spec.plan().values.len());
        Self {
            spec,
            picks,
            numbers,
            last_time: None,
        }
    }

    /// What the event says, or `None` where it is in no group.
    pub(crate) fn read(&mut self, payload: &'a [u8]) -> Option<Reading<'_, 'a>> {
        let plan = self.spec.plan();
        if !plan.fields.pick(payload, &mut self.picks) {
            return None;
        }
        let key = key_of(self.picks[plan.key]?)?;
        let window = match plan.time {
            None => None,
            Some(slot) => Some(self.window_of(self.picks[slot]?)?),
        };
        self.numbers.clear();
        let picked = plan.values.iter().map(|slot| self.picks[*slot]);
        self.numbers
            .extend(picked.map(|raw| raw.and_then(Number::from_json)));
        Some(Reading {
            key,
            window,
            numbers: &self.numbers,
        })
    }

    fn window_of(&mut self, raw: &'a str) -> Option<i64> {
        if let Some((time, window)) = self.last_time
            && time == raw
        {
            return window;
        }
        let window = self.spec.compiled_window()?.start(raw);
        self.last_time = Some((raw, window));
        window
    }
}

/// The key that a JSON value stands for; null, objects and arrays stand for none.
fn key_of(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => text_of(raw),
        b'n' | b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}
