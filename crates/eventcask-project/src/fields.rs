//! Picks the wanted fields out of JSON text without building a value.
//!
//! 1. The paths of a view are compiled once into a tree of names; each path has a slot.
//! 2. A payload is read once, name by name. What no path wants is skipped.
//! 3. What a path wants is left as it is: its JSON text goes into the slot.
//!
//! Of names that occur twice the last counts, so all slots below a name are emptied when it
//! comes by.

use std::borrow::Cow;
use std::fmt;
use std::str::Split;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The JSON text of each slot, where the payload has it.
pub(crate) type Picks<'a> = [Option<&'a str>];

/// The fields that a view looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Fields {
    root: Node,
    slots: usize,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Node {
    name: String,
    /// Where the value itself goes.
    slot: Option<usize>,
    /// Ordered by length, then text.
    children: Vec<Node>,
    /// A bit for each length that a child's name has: it turns most names away at once.
    lengths: u64,
    /// All slots here and below.
    below: Vec<usize>,
}

impl Fields {
    /// Adds a path and returns its slot; the same path has the same slot.
    pub(crate) fn add(&mut self, path: &str) -> usize {
        let slot = self.root.add(path.split('.'), self.slots);
        self.slots = self.slots.max(slot + 1);
        slot
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Fills the slots from a payload; says whether it is JSON as far as this can see.
    pub(crate) fn pick<'a>(&self, payload: &'a [u8], picks: &mut Picks<'a>) -> bool {
        assert_eq!(picks.len(), self.slots, "there is one pick a slot");
        picks.fill(None);
        let Ok(text) = str::from_utf8(payload) else {
            return false;
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let inside = Inside {
            node: &self.root,
            picks,
        };
        inside
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .is_ok()
    }
}

impl Node {
    fn add(&mut self, mut names: Split<'_, char>, next: usize) -> usize {
        let slot = match names.next() {
            Some(name) => self.child_mut(name).add(names, next),
            None => *self.slot.get_or_insert(next),
        };
        if slot == next {
            self.below.push(slot);
        }
        slot
    }

    fn child_mut(&mut self, name: &str) -> &mut Self {
        self.lengths |= length_bit(name);
        let at = self.find(name).unwrap_or_else(|at| {
            self.children.insert(
                at,
                Self {
                    name: name.to_owned(),
                    ..Self::default()
                },
            );
            at
        });
        &mut self.children[at]
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.children.binary_search_by(|child| {
            child
                .name
                .len()
                .cmp(&name.len())
                .then_with(|| child.name.as_str().cmp(name))
        })
    }

    fn child(&self, name: &str) -> Option<&Self> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        self.find(name).ok().map(|at| &self.children[at])
    }

    /// Takes the value that comes next in `map`.
    fn take<'a, M: MapAccess<'a>>(
        &self,
        map: &mut M,
        picks: &mut Picks<'a>,
    ) -> Result<(), M::Error> {
        for slot in &self.below {
            picks[*slot] = None;
        }
        let Some(slot) = self.slot else {
            return map.next_value_seed(Inside { node: self, picks });
        };
        let raw = map.next_value::<&'a RawValue>()?.get();
        picks[slot] = Some(raw);
        if self.children.is_empty() {
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_str(raw);
        Inside { node: self, picks }
            .deserialize(&mut json)
            .map_err(M::Error::custom)
    }
}

/// All lengths from 63 share the last bit.
fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

/// Reads a value of which fields below `node` are wanted.
struct Inside<'n, 'p, 'a> {
    node: &'n Node,
    picks: &'p mut Picks<'a>,
}

impl<'a> DeserializeSeed<'a> for Inside<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Inside<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(child) = map.next_key_seed(Name { parent: self.node })? {
            match child {
                Some(child) => child.take(&mut map, self.picks)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a name and finds what is wanted below it.
struct Name<'n> {
    parent: &'n Node,
}

impl<'a, 'n> DeserializeSeed<'a> for Name<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Name<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.parent.child(name))
    }
}

/// The text that a JSON string stands for, copied only where it has escapes.
pub(crate) fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}
