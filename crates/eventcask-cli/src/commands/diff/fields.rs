//! The fields of an aggregate, as its JSON payloads say them.

use std::collections::BTreeMap;

use eventcask::{Encoding, EventRef, Fold};
use serde_json::value::RawValue;

/// Objects inside each other of which each member is a field of its own; what lies deeper is one value.
const MAX_DEPTH: usize = 16;

/// Values by the dotted path of their field, as JSON text.
pub(super) type Fields = BTreeMap<String, String>;

/// The fields of an aggregate: of each the newest value.
pub(super) struct NewestFields;

impl Fold for NewestFields {
    const NAME: &'static str = "eventcask diff";
    const VERSION: u32 = 1;
    type State = Fields;

    fn apply(&self, fields: &mut Fields, event: &EventRef<'_>) {
        set(fields, event);
    }

    fn encode(&self, fields: &Fields, out: &mut Vec<u8>) {
        // Maps of texts can always be written.
        out.extend(serde_json::to_vec(fields).unwrap_or_default());
    }

    fn decode(&self, bytes: &[u8]) -> Option<Fields> {
        serde_json::from_slice(bytes).ok()
    }

    fn bytes(&self, fields: &Fields) -> usize {
        let texts = fields.iter().map(|(path, json)| path.len() + json.len());
        texts.sum::<usize>() + fields.len() * size_of::<(String, String)>()
    }
}

/// Sets what an event says, and returns the paths of the fields that are another value then. What is
/// no JSON object says nothing.
pub(super) fn set(fields: &mut Fields, event: &EventRef<'_>) -> Vec<String> {
    let mut said = Fields::new();
    if event.encoding == Encoding::Json
        && let Ok(json) = str::from_utf8(event.payload)
    {
        gather(&mut said, "", json, 0);
    }
    let mut changed = Vec::new();
    for (path, json) in said {
        if fields.get(&path) != Some(&json) {
            fields.insert(path.clone(), json);
            changed.push(path);
        }
    }
    changed
}

/// Gathers the members of an object; says whether it was one.
fn gather(said: &mut Fields, prefix: &str, json: &str, depth: usize) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(json);
    let (Ok(members), true) = (members, depth < MAX_DEPTH) else {
        return false;
    };
    for (name, value) in members {
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        let is_object = value.get().starts_with('{');
        if !is_object || !gather(said, &path, value.get(), depth + 1) {
            said.insert(path, value.get().to_owned());
        }
    }
    true
}
