//! What a row's event carries beside its payload, from fields of the row.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventcask::event::{Headers, NewMetadata, Tags};
use eventcask::{EventId, NewEvent};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{NoText, event_id, needed, text_of, wrong};
use super::{CarriedFrom, Reason, Value};

impl CarriedFrom {
    /// Whether it names no field.
    pub(super) fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }

    /// The fields, in the order in which [`read`](Self::read) takes their values.
    pub(super) fn fields(&self) -> Vec<&str> {
        let ids = [&self.correlation, &self.causation];
        let objects = [&self.all_headers, &self.all_tags];
        let single = ids.into_iter().chain(objects).flatten();
        let named = self
            .headers
            .iter()
            .chain(&self.tags)
            .map(|(_, field)| field);
        single.chain(named).map(String::as_str).collect()
    }

    /// What a row with these values carries, or why it can not be taken.
    pub(super) fn read<'a>(
        &self,
        values: &mut dyn Iterator<Item = Value<'a>>,
        null: Option<&str>,
    ) -> Result<Carried, Reason> {
        let mut next = || values.next().unwrap_or(Value::Absent);
        let mut carried = Carried::default();
        if let Some(field) = &self.correlation {
            carried.correlation = id_of("correlation", field, next(), null)?;
        }
        if let Some(field) = &self.causation {
            carried.causation = id_of("causation", field, next(), null)?;
        }
        if let Some(field) = &self.all_headers {
            each_member(field, next(), null, &mut |name, value| {
                let bytes = bytes_of(name, value)?;
                carried
                    .headers
                    .extend(bytes.map(|bytes| (name.to_owned(), bytes)));
                Ok(())
            })?;
        }
        if let Some(field) = &self.all_tags {
            each_member(field, next(), null, &mut |name, value| {
                let text = optional("tag", name, value, None)?;
                carried
                    .tags
                    .extend(text.map(|text| (name.to_owned(), text)));
                Ok(())
            })?;
        }
        for (name, field) in &self.headers {
            let text = optional("header", field, next(), null)?;
            let header = text.map(|text| (name.clone(), text.into_bytes()));
            carried.headers.extend(header);
        }
        for (name, field) in &self.tags {
            let text = optional("tag", field, next(), null)?;
            carried.tags.extend(text.map(|text| (name.clone(), text)));
        }
        let checked = carried.lend(|metadata| metadata.check());
        checked.map_err(|invalid| Reason(invalid.to_string()))?;
        Ok(carried)
    }
}

/// What an event carries beside its payload, as values of its own.
///
/// ```
/// use eventcask::NewEvent;
/// use eventcask_cli::input::Carried;
/// let carried = Carried {
///     tags: vec![("shop".to_owned(), "7".to_owned())],
///     ..Carried::default()
/// };
/// let shop = carried.with(NewEvent::json("Sold", b"{}"), |event| {
///     event.metadata.and_then(|metadata| metadata.tags.get("shop").map(str::to_owned))
/// });
/// assert_eq!(shop.as_deref(), Some("7"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Which conversation the event belongs to.
    pub correlation: Option<EventId>,
    /// What caused it.
    pub causation: Option<EventId>,
    /// Names and bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Names and values.
    pub tags: Vec<(String, String)>,
}

impl Carried {
    /// Lends an event that carries this.
    pub fn with<T>(&self, event: NewEvent<'_>, take: impl FnOnce(&NewEvent<'_>) -> T) -> T {
        if *self == Self::default() {
            return take(&event);
        }
        self.lend(|metadata| {
            let metadata = Some(metadata);
            take(&NewEvent { metadata, ..event })
        })
    }

    fn lend<T>(&self, take: impl FnOnce(NewMetadata<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
        let tags = self.tags.iter();
        let tags: Vec<_> = tags.map(|(name, value)| (&**name, &**value)).collect();
        take(NewMetadata {
            correlation: self.correlation,
            causation: self.causation,
            headers: Headers::new(&headers),
            tags: Tags::new(&tags),
        })
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.lend(|metadata| metadata.bytes())
    }
}

/// The text in a field; none where there is nothing.
fn optional(
    part: &str,
    field: &str,
    value: Value<'_>,
    null: Option<&str>,
) -> Result<Option<String>, Reason> {
    match text_of(value, null) {
        Ok(text) => Ok(Some(text.into_owned())),
        Err(NoText::Absent | NoText::Null) => Ok(None),
        Err(no_text) => Err(wrong(part, field, &no_text)),
    }
}

fn id_of(
    part: &str,
    field: &str,
    value: Value<'_>,
    null: Option<&str>,
) -> Result<Option<EventId>, Reason> {
    let text = match text_of(value, null) {
        Err(NoText::Absent | NoText::Null) => return Ok(None),
        text => needed(part, field, text)?,
    };
    let id = event_id(&text);
    id.map(Some)
        .map_err(|invalid| Reason::new(format!("the {part} in field {field:?}: {invalid}")))
}

/// The bytes of a header: a text, a number as it is written, or an object that says them as base64,
/// as `export` prints them.
fn bytes_of(name: &str, value: Value<'_>) -> Result<Option<Vec<u8>>, Reason> {
    let Value::Object(object) = value else {
        let text = optional("header", name, value, None)?;
        return Ok(text.map(String::into_bytes));
    };
    let mut bytes = None;
    each_member(name, Value::Object(object), None, &mut |member, value| {
        let text = optional("header", name, value, None)?;
        let decoded = text.filter(|_| member == "base64");
        bytes = decoded.and_then(|text| STANDARD.decode(text).ok());
        Ok(())
    })?;
    match bytes {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(Reason::new(format!(
            "the header {name:?} is an object without bytes as \"base64\""
        ))),
    }
}

type Take<'t> = dyn FnMut(&str, Value<'_>) -> Result<(), Reason> + 't;

/// Hands on each member of the object in a field, in order; none where there is nothing.
fn each_member(
    field: &str,
    value: Value<'_>,
    null: Option<&str>,
    take: &mut Take<'_>,
) -> Result<(), Reason> {
    let object = match value {
        Value::Object(object) => object,
        Value::Absent | Value::Null => return Ok(()),
        // In a table an object stands as its JSON text.
        Value::Text(text) if text.is_empty() || null == Some(text) => return Ok(()),
        Value::Text(text) => text,
        _ => return Err(no_object(field)),
    };
    let mut reader = serde_json::Deserializer::from_str(object);
    let members = reader.deserialize_map(Members);
    let members = members.and_then(|members| reader.end().map(|()| members));
    for (name, value) in members.map_err(|_| no_object(field))? {
        take(&name, Value::of(value.get()))?;
    }
    Ok(())
}

fn no_object(field: &str) -> Reason {
    Reason::new(format!("the field {field:?} is not a JSON object"))
}

/// The members of an object in their order.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
