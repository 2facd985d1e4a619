//! One spelling for each JSON value, so that what only looks different compares equal.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

/// The one spelling of a JSON value: no blanks, numbers by their value, texts with the fewest
/// escapes, members in the order of their names. What is no JSON stays as it is.
pub(super) fn canonical(json: &str) -> String {
    let spelled = match json.as_bytes().first() {
        Some(b'{') => object(json),
        Some(b'[') => array(json),
        Some(b'"') => Name::of(json).map(|text| format!("\"{}\"", text.0)),
        Some(b'-' | b'0'..=b'9') => number(json),
        _ => None,
    };
    spelled.unwrap_or_else(|| json.to_owned())
}

fn object(json: &str) -> Option<String> {
    let members = serde_json::from_str::<BTreeMap<Name, &RawValue>>(json).ok()?;
    let members = members
        .iter()
        .map(|(name, value)| format!("\"{}\":{}", name.0, canonical(value.get())));
    Some(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

fn array(json: &str) -> Option<String> {
    let items = serde_json::from_str::<Vec<&RawValue>>(json).ok()?;
    let items = items.iter().map(|item| canonical(item.get()));
    Some(format!("[{}]", items.collect::<Vec<_>>().join(",")))
}

/// The digits of a number without zeros around them, and their power of ten.
fn number(json: &str) -> Option<String> {
    let (sign, unsigned) = match json.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", json),
    };
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{decimals}");
    let short = all.trim_end_matches('0');
    let zeros = all.len() - short.len();
    let short = short.trim_start_matches('0');
    if short.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = exponent.parse::<i64>().ok()?;
    let exponent = exponent.checked_add(zeros as i64 - decimals.len() as i64)?;
    Some(format!("{sign}{short}e{exponent}"))
}

/// A text of JSON between its quotes, with as few escapes as can be. Half a surrogate, which is no
/// character, keeps its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) String);

impl Name {
    fn of(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_bytes(Spelling)
    }
}

struct Spelling;

impl Visitor<'_> for Spelling {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Name, E> {
        let mut name = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let valid = match str::from_utf8(rest) {
                Ok(text) => text,
                Err(error) => str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
            };
            valid
                .chars()
                .for_each(|character| push(&mut name, character));
            rest = &rest[valid.len()..];
            // Half a surrogate is three bytes, as if it were a character.
            if let [_, second, third, after @ ..] = rest {
                let low = u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f);
                let _ = write!(name, "\\u{:04x}", 0xd000 | low);
                rest = after;
            } else {
                rest = &[];
            }
        }
        Ok(Name(name))
    }
}

fn push(name: &mut String, character: char) {
    match character {
        '"' | '\\' => name.extend(['\\', character]),
        '\0'..='\u{1f}' => _ = write!(name, "\\u{:04x}", u32::from(character)),
        _ => name.push(character),
    }
}
