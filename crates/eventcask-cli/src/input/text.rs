//! The text in a field of a row.

use std::borrow::Cow;

use eventcask::EventId;
use eventcask::event::Invalid;

use super::{Reason, Value};

/// Text, or what is there in its place.
pub(super) type Text<'a> = Result<Cow<'a, str>, NoText>;

pub(super) enum NoText {
    Absent,
    Null,
    Broken,
    Other(&'static str),
}

pub(super) fn text_of<'a>(value: Value<'a>, null: Option<&str>) -> Text<'a> {
    let text = match value {
        Value::Text(text) | Value::Number(text) => Cow::Borrowed(text),
        Value::Escaped(json) => Cow::Owned(serde_json::from_str(json).map_err(|_| NoText::Broken)?),
        Value::Absent => return Err(NoText::Absent),
        Value::Null => return Err(NoText::Null),
        Value::Object(_) => return Err(NoText::Other("an object")),
        Value::Other(what) => return Err(NoText::Other(what)),
    };
    let is_number = matches!(value, Value::Number(_));
    if !is_number && null == Some(&*text) {
        Err(NoText::Null)
    } else {
        Ok(text)
    }
}

pub(super) fn needed<'a>(part: &str, field: &str, text: Text<'a>) -> Result<Cow<'a, str>, Reason> {
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

pub(super) fn wrong(part: &str, field: &str, no_text: &NoText) -> Reason {
    let what = match no_text {
        NoText::Broken => "text with a broken escape",
        NoText::Other(what) => what,
        NoText::Absent | NoText::Null => "nothing",
    };
    Reason::new(format!(
        "the {part} in field {field:?} is {what}, not text or a number"
    ))
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
