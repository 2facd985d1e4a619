//! All that an event holds.
//!
//! Views leave out fields of which nobody says that they can be printed. So whether two events are
//! the same is seen by what they are encoded as, in a form that is the same for the same event: the
//! members of an object of JSON are put in order, since a map may give them in any.

use std::collections::BTreeMap;
use std::fmt::Display;

use eventcask::event::{Encoding, EventRef};
use serde_json::value::RawValue;

use crate::error::{EncodeError, Error};
use crate::event_set::{Decoded, EventSet};

/// All that an event holds, to be compared, and to be shown where it differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    event_type: String,
    payload: String,
}

impl Content {
    /// That of events which are not stored.
    pub(crate) fn of<S: EventSet>(events: &[S]) -> Result<Vec<Self>, EncodeError> {
        let mut payload = Vec::new();
        let mut content = |event: &S| {
            payload.clear();
            event.encode(&mut payload)?;
            let schema = event.schema();
            Ok(Self::new(schema.event_type, schema.encoding, &payload))
        };
        events.iter().map(&mut content).collect()
    }

    /// That of the events of a set that a stored one is today: it does not matter in which schema it
    /// is stored. It is none of them where the set does not have its type.
    pub(crate) fn of_stored<S: EventSet>(event: &EventRef<'_>) -> Result<Vec<Self>, Error> {
        let decoded = S::decode(event).map_err(|reason| Error::unreadable(event, reason))?;
        Ok(match decoded {
            None => Vec::new(),
            // It is of the newest schema, or it would have been decoded.
            Some(Decoded::InPlace(_)) => {
                vec![Self::new(event.event_type, event.encoding, event.payload)]
            }
            Some(Decoded::Owned(event)) => Self::of(&[event])?,
            Some(Decoded::Several(events)) => Self::of(&events)?,
        })
    }

    fn new(event_type: &str, encoding: Encoding, payload: &[u8]) -> Self {
        let json = match encoding {
            Encoding::Json => str::from_utf8(payload).ok(),
            _ => None,
        };
        let hexadecimal = || payload.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            event_type: event_type.to_owned(),
            payload: json.map_or_else(hexadecimal, |json| ordered(json, "\n")),
        }
    }
}

impl Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.event_type, self.payload)
    }
}

/// JSON with the members of each object in order, each from a line of its own on. Numbers stay as
/// they are written, since large ones would be rounded. `line` begins a line.
fn ordered(json: &str, line: &str) -> String {
    let inner = format!("{line}  ");
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
        let members = members.iter().map(|(name, value)| {
            let value = ordered(value.get(), &inner);
            format!("{inner}{name:?}: {value}")
        });
        return enclosed(["{", "}"], line, &members.collect::<Vec<_>>());
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
        let items = items.iter().map(|item| {
            let item = ordered(item.get(), &inner);
            format!("{inner}{item}")
        });
        return enclosed(["[", "]"], line, &items.collect::<Vec<_>>());
    }
    json.to_owned()
}

fn enclosed([open, close]: [&str; 2], line: &str, parts: &[String]) -> String {
    match parts.is_empty() {
        true => format!("{open}{close}"),
        false => format!("{open}{}{line}{close}", parts.join(",")),
    }
}
