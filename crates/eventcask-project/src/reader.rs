//! From a payload to what the groups need of it.

use std::borrow::Cow;

use crate::fields::text_of;
use crate::window::Moment;
use crate::{LeftOut, Number, ViewSpec};

/// Reads the payloads of a batch; its memory goes round from event to event.
pub(crate) struct Reader<'s, 'a> {
    spec: &'s ViewSpec,
    picks: Vec<Option<&'a str>>,
    found: Vec<Option<&'a str>>,
    numbers: Vec<Option<Number>>,
    /// The time read last: neighbours often share it.
    last_time: Option<(&'a str, Option<Moment>)>,
}

/// The group that an event belongs to, and its numbers in the order of the plan's values.
pub(crate) struct Reading<'r, 'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) moment: Option<Moment>,
    pub(crate) numbers: &'r [Option<Number>],
}

/// Where events are counted that are left out for some reason.
type Reason = fn(&mut LeftOut) -> &mut u64;

impl<'s, 'a> Reader<'s, 'a> {
    pub(crate) fn new(spec: &'s ViewSpec) -> Self {
        Self {
            spec,
            picks: vec![None; spec.plan().fields.slots()],
            found: Vec::new(),
            numbers: Vec::with_capacity(spec.plan().values.len()),
            last_time: None,
        }
    }

    /// What the event says.
    ///
    /// # Errors
    /// Why it is in no group. A value that can not be read is no reason, it is missing.
    pub(crate) fn read(&mut self, payload: &'a [u8]) -> Result<Reading<'_, 'a>, Reason> {
        let plan = self.spec.plan();
        let fields = &plan.fields;
        if !fields.pick(payload, &mut self.picks, &mut self.found) {
            return Err(|left_out| &mut left_out.not_json);
        }
        let key = self.picks[plan.key].filter(|raw| !is_null(raw));
        let key = key.ok_or::<Reason>(|left_out| &mut left_out.no_key)?;
        let key = key_of(key).ok_or::<Reason>(|left_out| &mut left_out.unusable_key)?;
        let moment = plan.time.map(|slot| self.moment(slot)).transpose()?;
        self.numbers.clear();
        let picked = plan.values.iter().map(|slot| self.picks[*slot]);
        self.numbers
            .extend(picked.map(|raw| raw.and_then(Number::from_json)));
        Ok(Reading {
            key,
            moment,
            numbers: &self.numbers,
        })
    }

    fn moment(&mut self, slot: usize) -> Result<Moment, Reason> {
        let raw = self.picks[slot].filter(|raw| !is_null(raw));
        let raw = raw.ok_or::<Reason>(|left_out| &mut left_out.no_time)?;
        let moment = match self.last_time {
            Some((time, moment)) if time == raw => moment,
            _ => self
                .spec
                .compiled_window()
                .and_then(|window| window.moment(raw)),
        };
        self.last_time = Some((raw, moment));
        moment.ok_or(|left_out| &mut left_out.unreadable_time)
    }
}

fn is_null(raw: &str) -> bool {
    raw.starts_with('n')
}

/// The key that a JSON value stands for; objects and arrays stand for none.
fn key_of(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => text_of(raw),
        b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}
