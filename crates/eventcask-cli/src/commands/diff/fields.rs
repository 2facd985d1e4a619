//! The fields of an aggregate, as its JSON payloads say them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use eventcask::event::{Encoding, EventRef};
use eventcask::{ApplyError, Fold};
use serde_json::value::RawValue;

use super::canonical::{Name, canonical};

/// Objects inside each other of which each member is a field of its own; what lies deeper is one
/// value.
const MAX_DEPTH: usize = 16;

/// Values by the path of their field. No path leads to another one: what is an object has no value
/// of its own, unless it is empty.
pub(super) type Fields = BTreeMap<Path, Json>;

/// The names that lead to a field, each as a text of JSON has it between its quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<String>);

impl fmt::Display for Path {
    /// The names with dots between them. One with a dot or an escape in it is in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            if name.contains(['.', '\\']) {
                write!(f, "{dot}\"{name}\"")?;
            } else {
                write!(f, "{dot}{name}")?;
            }
        }
        Ok(())
    }
}

/// A value as it is written; two are equal where they say the same.
#[derive(Debug, Clone)]
pub(super) struct Json(String);

impl Json {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || canonical(&self.0) == canonical(&other.0)
    }
}

/// The fields of an aggregate: of each the newest value.
pub(super) struct NewestFields;

impl Fold for NewestFields {
    const NAME: &'static str = "eventcask diff";
    const VERSION: u32 = 3;
    type State = Fields;

    fn apply(&self, fields: &mut Fields, event: &EventRef<'_>) -> Result<(), ApplyError> {
        set(fields, event);
        Ok(())
    }

    fn encode(&self, fields: &Fields, out: &mut Vec<u8>) {
        // Lists of texts can always be written.
        let fields: Vec<_> = fields
            .iter()
            .map(|(path, json)| (&path.0, &json.0))
            .collect();
        out.extend(serde_json::to_vec(&fields).unwrap_or_default());
    }

    fn decode(&self, bytes: &[u8]) -> Option<Fields> {
        let fields = serde_json::from_slice::<Vec<(Vec<String>, String)>>(bytes).ok()?;
        let fields = fields.into_iter();
        Some(
            fields
                .map(|(path, json)| (Path(path), Json(json)))
                .collect(),
        )
    }

    fn bytes(&self, fields: &Fields) -> usize {
        let texts = fields.iter().map(|(Path(names), Json(json))| {
            let names = names.iter().map(|name| name.len() + size_of::<String>());
            names.sum::<usize>() + json.len()
        });
        texts.sum::<usize>() + fields.len() * size_of::<(Path, Json)>()
    }
}

/// Sets what an event says, and returns the paths of the fields that are another value then, or
/// gone, each once. What is no JSON object says nothing.
pub(super) fn set(fields: &mut Fields, event: &EventRef<'_>) -> Vec<Path> {
    let mut said = Fields::new();
    if event.encoding == Encoding::Json
        && let Ok(json) = str::from_utf8(event.payload)
    {
        gather(&mut said, &Path(Vec::new()), json);
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

/// Removes the fields that are inside one that becomes a value, and the values that become an
/// object with it inside; returns their paths.
fn give_way(fields: &mut Fields, path: &Path) -> Vec<Path> {
    let inner = fields.range(path.clone()..).map(|(other, _)| other);
    let inner = inner.take_while(|other| other.0.starts_with(&path.0));
    let mut gone: Vec<_> = inner.filter(|other| *other != path).cloned().collect();
    let outer = (1..path.0.len()).map(|names| Path(path.0[..names].to_vec()));
    gone.extend(outer.filter(|outer| fields.contains_key(outer)));
    gone.iter().for_each(|path| _ = fields.remove(path));
    gone
}

/// Gathers the members of an object; says whether it was one and had any.
fn gather(said: &mut Fields, outer: &Path, json: &str) -> bool {
    let members = serde_json::from_str::<BTreeMap<Name, &RawValue>>(json);
    let (Ok(members), true) = (members, outer.0.len() < MAX_DEPTH) else {
        return false;
    };
    let has_members = !members.is_empty();
    for (Name(name), value) in members {
        let path = Path([&outer.0[..], &[name]].concat());
        let is_object = value.get().starts_with('{');
        if !is_object || !gather(said, &path, value.get()) {
            said.insert(path, Json(value.get().to_owned()));
        }
    }
    has_members
}
