//! Checks a JSON object and finds fields in it, without building it in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Parts, Reason, Value};

/// Objects and arrays inside each other; what common readers of JSON take without a setting.
pub(crate) const MAX_NESTING: usize = 127;

/// Checks that `row` is one JSON object and finds the values at dotted paths.
///
/// A member whose name has a dot in it is found by its whole name. Where a name comes twice,
/// the later one counts.
pub(super) fn find<'a>(
    row: &'a [u8],
    paths: &Parts<Option<&str>>,
) -> Result<Parts<Value<'a>>, Reason> {
    let text = str::from_utf8(row).map_err(|_| Reason::new("the row is not UTF-8 text"))?;
    if !text.starts_with('{') {
        return Err(Reason::new(
            "the row is not a JSON object; one object a line is expected",
        ));
    }
    if is_too_deep(row) {
        return Err(Reason::new(format!(
            "the row nests deeper than {MAX_NESTING} levels"
        )));
    }
    let found = find_in(text, paths).map_err(|error| not_json(&error))?;
    if has_control_in_text(row) {
        return Err(Reason::new(
            "the row is not JSON: a control character in a name must be escaped",
        ));
    }
    Ok(found)
}

/// Whether a text holds a control character as it is. Names are read as bytes, and their reader
/// does not look for one.
fn has_control_in_text(row: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < 0x20;
    if !row.iter().any(is_control) {
        return false;
    }
    let (mut in_text, mut escaped) = (false, false);
    row.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ => {}
        }
        in_text && is_control(byte)
    })
}

fn find_in<'a>(
    object: &'a str,
    paths: &Parts<Option<&str>>,
) -> serde_json::Result<Parts<Value<'a>>> {
    let mut reader = serde_json::Deserializer::from_str(object);
    let found = Members { paths }.deserialize(&mut reader)?;
    reader.end()?;
    let mut values = [Value::Absent; 4];
    for (value, found) in values.iter_mut().zip(found) {
        *value = match found {
            None => Value::Absent,
            Some(Found { raw, rest: "" }) => value_of(raw),
            Some(Found { raw, rest }) if raw.starts_with('{') => {
                find_in(raw, &[Some(rest), None, None, None])?[0]
            }
            Some(_) => Value::Absent,
        };
    }
    Ok(values)
}

/// Finds the values at any number of dotted paths in a row that [`find`] has taken.
pub(super) fn find_more<'a>(row: &'a [u8], paths: &[&str]) -> Vec<Value<'a>> {
    let text = str::from_utf8(row).unwrap_or_default();
    let mut values = Vec::with_capacity(paths.len());
    for some in paths.chunks(4) {
        let mut parts = [None; 4];
        for (part, path) in parts.iter_mut().zip(some) {
            *part = Some(*path);
        }
        let found = find_in(text, &parts).unwrap_or([Value::Absent; 4]);
        values.extend(&found[..some.len()]);
    }
    values
}

impl<'a> Value<'a> {
    /// What a valid JSON value is, by how it begins.
    pub(super) fn of(raw: &'a str) -> Self {
        value_of(raw)
    }
}

fn value_of(raw: &str) -> Value<'_> {
    match raw.as_bytes() {
        [b'"', text @ .., b'"'] if memchr::memchr(b'\\', text).is_none() => {
            Value::Text(&raw[1..raw.len() - 1])
        }
        [b'"', ..] => Value::Escaped(raw),
        [b'n', ..] => Value::Null,
        [b't' | b'f', ..] => Value::Other("true or false"),
        [b'{', ..] => Value::Object(raw),
        [b'[', ..] => Value::Other("an array"),
        _ => Value::Number(raw),
    }
}

/// Tells whether valid JSON would nest too deep for a reader that recurses.
pub(crate) fn is_too_deep(row: &[u8]) -> bool {
    let opening = row
        .iter()
        .filter(|byte| matches!(byte, b'{' | b'['))
        .count();
    opening > MAX_NESTING && nesting(row) > MAX_NESTING
}

/// How deep the brackets outside of strings go.
fn nesting(row: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in row {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn not_json(error: &serde_json::Error) -> Reason {
    let text = error.to_string();
    let what = text
        .split(" at line ")
        .next()
        .unwrap_or("it can not be read");
    Reason::new(format!(
        "the row is not JSON: {what} in column {}",
        error.column()
    ))
}

/// The raw text of a member, and the path to go in it.
#[derive(Clone, Copy)]
struct Found<'a, 'p> {
    raw: &'a str,
    rest: &'p str,
}

/// Walks over the members of an object.
struct Members<'p> {
    paths: &'p Parts<Option<&'p str>>,
}

impl<'de, 'p> DeserializeSeed<'de> for Members<'p> {
    type Value = Parts<Option<Found<'de, 'p>>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, 'p> Visitor<'de> for Members<'p> {
    type Value = Parts<Option<Found<'de, 'p>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; 4];
        while let Some(rests) = map.next_key_seed(Name { paths: self.paths })? {
            if rests.iter().all(Option::is_none) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&'de RawValue>()?.get();
            for (found, rest) in found.iter_mut().zip(rests) {
                *found = rest.map(|rest| Found { raw, rest }).or(*found);
            }
        }
        Ok(found)
    }
}

/// Compares the name of a member with the paths; the answer has what is left of each that
/// leads through the member.
struct Name<'p> {
    paths: &'p Parts<Option<&'p str>>,
}

impl<'de, 'p> DeserializeSeed<'de> for Name<'p> {
    type Value = Parts<Option<&'p str>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        // As bytes a name may hold half a surrogate, as a value may.
        reader.deserialize_bytes(self)
    }
}

impl<'p> Visitor<'_> for Name<'p> {
    type Value = Parts<Option<&'p str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        let first = name.first();
        let rest_of = |path: &'p str| match path.as_bytes().strip_prefix(name)? {
            [] => Some(""),
            [b'.', ..] => Some(&path[name.len() + 1..]),
            _ => None,
        };
        Ok(self.paths.map(|path| {
            let path = path.filter(|path| path.as_bytes().first() == first)?;
            rest_of(path)
        }))
    }
}
