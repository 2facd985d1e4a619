//! Key, type, time and id of an event, from what a row holds in its fields.

use std::borrow::Cow;

use eventcask::event::{Invalid, check_key};
use eventcask::{EventId, NewEvent, Timestamp};

use super::time::TimeReader;
use super::{Parts, Reason, RowSpec, TypeFrom, Value};

/// What goes around a payload.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) event_type: Cow<'a, str>,
    pub(super) time: Option<Timestamp>,
    pub(super) id: Option<EventId>,
}

/// Makes envelopes as the caller of the command described them.
#[derive(Debug)]
pub(super) struct EnvelopeReader {
    pub(super) spec: RowSpec,
    times: TimeReader,
}

impl EnvelopeReader {
    pub(super) fn new(spec: RowSpec) -> Self {
        Self {
            spec,
            times: TimeReader::default(),
        }
    }

    /// The envelope of a row with these values, or why it has none.
    pub(super) fn read<'a>(
        &'a mut self,
        [key, event_type, time, id]: Parts<Value<'a>>,
    ) -> Result<Envelope<'a>, Reason> {
        let Self { spec, times } = self;
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
        })
    }
}

/// Text, or what is there in its place.
type Text<'a> = Result<Cow<'a, str>, NoText>;

enum NoText {
    Absent,
    Null,
    Broken,
    Other(&'static str),
}

fn text_of<'a>(value: Value<'a>, null: Option<&str>) -> Text<'a> {
    let text = match value {
        Value::Text(text) | Value::Number(text) => Cow::Borrowed(text),
        Value::Escaped(json) => Cow::Owned(serde_json::from_str(json).map_err(|_| NoText::Broken)?),
        Value::Absent => return Err(NoText::Absent),
        Value::Null => return Err(NoText::Null),
        Value::Other(what) => return Err(NoText::Other(what)),
    };
    let is_number = matches!(value, Value::Number(_));
    if !is_number && null == Some(&*text) {
        Err(NoText::Null)
    } else {
        Ok(text)
    }
}

fn needed<'a>(part: &str, field: &str, text: Text<'a>) -> Result<Cow<'a, str>, Reason> {
    match text {
        Ok(text) if text.is_empty() => Err(Reason::new(format!(
            "the {part} in field {field:?} is empty"
        ))),
        Ok(text) => Ok(text),
        Err(NoText::Null) => Err(Reason::new(format!(
            "the {part} is missing: field {field:?} is null"
        ))),
        Err(NoText::Absent) => Err(Reason::new(format!(
            "the {part} is missing: there is no field {field:?}"
        ))),
        Err(no_text) => Err(wrong(part, field, &no_text)),
    }
}

fn wrong(part: &str, field: &str, no_text: &NoText) -> Reason {
    let what = match no_text {
        NoText::Broken => "text with a broken escape",
        NoText::Other(what) => what,
        NoText::Absent | NoText::Null => "nothing",
    };
    Reason::new(format!(
        "the {part} in field {field:?} is {what}, not text or a number"
    ))
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

/// The id that a text names: a UUID as it is, anything else by its hash.
///
/// # Errors
/// [`Invalid::IdNil`].
pub fn event_id(text: &str) -> Result<EventId, Invalid> {
    let uuid = if matches!(text.len(), 32 | 36) {
        text.parse().ok()
    } else {
        None
    };
    let id = uuid.unwrap_or_else(|| EventId::from_name(text));
    if id.as_u128() == 0 {
        Err(Invalid::IdNil)
    } else {
        Ok(id)
    }
}

fn refused(invalid: &Invalid) -> Reason {
    Reason(invalid.to_string())
}
