//! Key, type, time and id of an event, from what a row holds in its fields.

use std::borrow::Cow;

use eventcask::event::{Invalid, check_key};
use eventcask::{EventId, NewEvent, Timestamp};

use super::carried::Carried;
use super::text::{NoText, Text, event_id, needed, text_of, wrong};
use super::time::TimeReader;
use super::{Parts, Reason, RowSpec, TypeFrom, Value};

/// What goes around a payload.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) event_type: Cow<'a, str>,
    pub(super) time: Option<Timestamp>,
    pub(super) id: Option<EventId>,
    pub(super) carried: Carried,
}

/// Makes envelopes as the caller of the command described them.
#[derive(Debug)]
pub(super) struct EnvelopeReader {
    pub(super) spec: RowSpec,
    /// Whether events carry something beside their payloads.
    pub(super) carries: bool,
    times: TimeReader,
}

impl EnvelopeReader {
    pub(super) fn new(spec: RowSpec) -> Self {
        Self {
            carries: !spec.carried.is_empty(),
            spec,
            times: TimeReader::default(),
        }
    }

    /// The envelope of a row with these values, without what it carries, or why it has none.
    pub(super) fn read<'a>(
        &'a mut self,
        [key, event_type, time, id]: Parts<Value<'a>>,
    ) -> Result<Envelope<'a>, Reason> {
        let Self { spec, times, .. } = self;
        let null = spec.null.as_deref();
        let key = needed("key", &spec.key, text_of(key, null))?;
        check_key(&key).map_err(|invalid| refused(&invalid))?;
        let event_type = match &spec.event_type {
            TypeFrom::Name(name) => Cow::Borrowed(name.as_str()),
            TypeFrom::Field(field) => needed("event type", field, text_of(event_type, null))?,
        };
        // What the store would refuse is refused here, as this row alone.
        let checked = NewEvent::json(&event_type, b"").check(usize::MAX);
        checked.map_err(|invalid| refused(&invalid))?;
        let time = match &spec.time {
            None => None,
            Some(field) => read_time(times, field, text_of(time, null))?,
        };
        let id = match &spec.id {
            None => None,
            Some(field) => {
                let id = event_id(&needed("id", field, text_of(id, null))?);
                Some(id.map_err(|invalid| refused(&invalid))?)
            }
        };
        Ok(Envelope {
            key,
            event_type,
            time,
            id,
            carried: Carried::default(),
        })
    }
}

fn read_time(
    times: &mut TimeReader,
    field: &str,
    text: Text<'_>,
) -> Result<Option<Timestamp>, Reason> {
    let text = match text {
        Ok(text) if text.is_empty() => return Ok(None),
        Ok(text) => text,
        Err(NoText::Absent | NoText::Null) => return Ok(None),
        Err(no_text) => return Err(wrong("time", field, &no_text)),
    };
    let time = times.read(&text);
    time.map(Some)
        .map_err(|invalid| Reason::new(format!("the time in field {field:?}: {invalid}")))
}

fn refused(invalid: &Invalid) -> Reason {
    Reason(invalid.to_string())
}
