//! One event as one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventcask::event::{Encoding, EventRef, Metadata};
use serde::Deserialize as _;
use serde::de::IgnoredAny;

use super::json::Object;

/// Appends an event as a JSON object without line breaks: absent fields are left out, a JSON
/// payload stands as it is stored, and any other as `payload_base64`.
pub fn write_event(out: &mut Vec<u8>, event: &EventRef<'_>) {
    let mut object = Object::new(out);
    object
        .text("aggregate", event.key)
        .number("version", event.version)
        .number("shard", event.shard)
        .number("position", event.position)
        .text("type", event.event_type)
        .number("schema", event.schema);
    if let Some(shape) = event.shape {
        object.text("shape", &format!("{shape:016x}"));
    }
    object
        .shown("id", event.id)
        .shown("commit_time", event.commit_time);
    if let Some(time) = event.time {
        object.shown("time", time);
    }
    write_metadata(&mut object, event.metadata);
    if event.encoding == Encoding::Json && is_json(event.payload) {
        write_on_one_line(object.value("payload"), event.payload);
    } else {
        write_base64(object.value("payload_base64"), event.payload);
    }
    object.end();
}

/// Members for what the event carries beside its payload. A header whose value is no text is an
/// object that says it as base64.
fn write_metadata(object: &mut Object<'_>, metadata: Metadata<'_>) {
    if let Some(id) = metadata.correlation_id() {
        object.shown("correlation", id);
    }
    if let Some(id) = metadata.causation_id() {
        object.shown("causation", id);
    }
    if !metadata.headers().is_empty() {
        let mut headers = Object::new(object.value("headers"));
        for (name, value) in metadata.headers().iter() {
            match str::from_utf8(value) {
                Ok(text) => drop(headers.text(name, text)),
                Err(_) => {
                    let mut bytes = Object::new(headers.value(name));
                    write_base64(bytes.value("base64"), value);
                    bytes.end();
                }
            }
        }
        headers.end();
    }
    if !metadata.tags().is_empty() {
        let mut tags = Object::new(object.value("tags"));
        for (name, value) in metadata.tags().iter() {
            tags.text(name, value);
        }
        tags.end();
    }
}

/// Whoever stored the payload said that it is JSON; a line of output must not break if not.
fn is_json(payload: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(payload) else {
        return false;
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    IgnoredAny::deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// Valid JSON as it is, or without blanks between its parts where it has line breaks: they
/// can only stand there.
fn write_on_one_line(out: &mut Vec<u8>, json: &[u8]) {
    let json = json.trim_ascii();
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        out.extend_from_slice(json);
        return;
    }
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b' ' | b'\t' | b'\n' | b'\r' if !in_text => continue,
            _ => {}
        }
        out.push(*byte);
    }
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    // Four characters for each three bytes, the last three filled up.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written.ok(), Some(out.len() - start));
    out.push(b'"');
}
