//! The fields of an aggregate, as its JSON payloads say them.

use std::collections::{BTreeMap, BTreeSet};

use eventcask::{Encoding, EventRef, Fold};
use serde_json::value::RawValue;

/// Objects inside each other of which each member is a field of its own; what lies deeper is one value.
const MAX_DEPTH: usize = 16;

/// Values by the dotted path of their field, as JSON text. A name with a dot in it is in quotes. No path
/// leads to another one: what is an object has no value of its own, unless it is empty.
pub(super) type Fields = BTreeMap<String, String>;

/// The fields of an aggregate: of each the newest value.
pub(super) struct NewestFields;

impl Fold for NewestFields {
    const NAME: &'static str = "eventcask diff";
    const VERSION: u32 = 2;
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

/// Sets what an event says, and returns the paths of the fields that are another value then, or gone,
/// each once. What is no JSON object says nothing.
pub(super) fn set(fields: &mut Fields, event: &EventRef<'_>) -> Vec<String> {
    let mut said = Fields::new();
    if event.encoding == Encoding::Json
        && let Ok(json) = str::from_utf8(event.payload)
    {
        gather(&mut said, "", json, 0);
    }
    let mut changed = BTreeSet::new();
    for (path, json) in said {
        if fields.get(&path) != Some(&json) {
            changed.extend(give_way(fields, &path));
            fields.insert(path.clone(), json);
            changed.insert(path);
        }
    }
    changed.into_iter().collect()
}

/// Removes the fields that are inside one that becomes a value, and the values that become an object
/// with it inside; returns their paths.
fn give_way(fields: &mut Fields, path: &str) -> Vec<String> {
    let inside = format!("{path}.");
    let inner = fields.range(inside.clone()..);
    let inner = inner.map(|(other, _)| other.clone());
    let mut gone: Vec<_> = inner
        .take_while(|other| other.starts_with(&inside))
        .collect();
    let outer = path.match_indices('.').map(|(dot, _)| &path[..dot]);
    gone.extend(
        outer
            .filter(|outer| fields.contains_key(*outer))
            .map(str::to_owned),
    );
    gone.iter().for_each(|path| _ = fields.remove(path));
    gone
}

/// Gathers the members of an object; says whether it was one and had any.
fn gather(said: &mut Fields, prefix: &str, json: &str, depth: usize) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(json);
    let (Ok(members), true) = (members, depth < MAX_DEPTH) else {
        return false;
    };
    let has_members = !members.is_empty();
    for (name, value) in members {
        let name = if name.contains('.') {
            format!("{name:?}")
        } else {
            name
        };
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
    has_members
}
