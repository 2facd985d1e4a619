//! Picks the wanted fields out of JSON text without building a value.
//!
//! 1. The paths of a view are compiled once into a tree of names; each path has a slot. From each
//!    node a name leads to each node below it: `c` is below `a.b` as `c`, and below the root as
//!    `a.b.c`.
//! 2. An object is read once, name by name. What no path wants is skipped, and only its form is
//!    checked.
//! 3. Of what is wanted, those with a shorter name are taken first: the JSON text goes into the
//!    slot, and an object of which fields are wanted is read in turn. A longer name takes the place
//!    of all below it.
//!
//! So a path is looked for as one whole name first, then name by name. Of names that occur twice
//! the last counts. What is skipped or goes into a slot may hold any number and any text of JSON,
//! also those that no float and no UTF-8 can hold.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The JSON text of each slot, where the payload has it.
pub(crate) type Picks<'a> = [Option<&'a str>];

/// The fields that a view looks at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    /// All paths, one after the other.
    texts: String,
    /// The root, and what is below it.
    nodes: Vec<Node>,
    slots: usize,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Node {
    /// Where the value itself goes.
    slot: Option<usize>,
    /// What is wanted below, ordered by length of the name, then by its text.
    members: Vec<Member>,
    /// A bit for each length that a member's name has: it turns most names away at once.
    lengths: u64,
    /// All slots here and below.
    below: Vec<usize>,
}

/// A name, with dots where it is several names of a path, and the node that it leads to. There are
/// up to some 500 a path: the text is where the path is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    start: u32,
    end: u32,
    node: u32,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            texts: String::new(),
            nodes: vec![Node::default()],
            slots: 0,
        }
    }
}

impl Fields {
    /// Adds a path and returns its slot; the same path has the same slot.
    pub(crate) fn add(&mut self, path: &str) -> usize {
        let first = self.texts.len();
        self.texts.push_str(path);
        let ends = path.match_indices('.').map(|(at, _)| first + at);
        let ends: Vec<_> = ends.chain([self.texts.len()]).collect();
        let mut starts = vec![first];
        let mut way = vec![0];
        for (depth, end) in ends.iter().enumerate() {
            way.push(self.child(way[depth], starts[depth], *end));
            for above in 0..depth {
                self.lead(way[above], starts[above], *end, way[depth + 1]);
            }
            starts.push(end + 1);
        }
        self.slot(&way)
    }

    /// The slot of the last of these nodes, which are on the way to it.
    fn slot(&mut self, way: &[usize]) -> usize {
        let last = &mut self.nodes[way[way.len() - 1]];
        if let Some(slot) = last.slot {
            return slot;
        }
        let slot = self.slots;
        last.slot = Some(slot);
        self.slots += 1;
        way.iter()
            .for_each(|node| self.nodes[*node].below.push(slot));
        slot
    }

    fn child(&mut self, parent: usize, start: usize, end: usize) -> usize {
        let name = &self.texts.as_bytes()[start..end];
        if let Ok(at) = self.nodes[parent].find(name, &self.texts) {
            return self.nodes[parent].members[at].node as usize;
        }
        self.nodes.push(Node::default());
        let child = self.nodes.len() - 1;
        self.lead(parent, start, end, child);
        child
    }

    /// Has the name at this place of the texts lead from a node to one below it.
    fn lead(&mut self, from: usize, start: usize, end: usize, to: usize) {
        let name = &self.texts.as_bytes()[start..end];
        let above = &mut self.nodes[from];
        if let Err(at) = above.find(name, &self.texts) {
            above.lengths |= length_bit(name);
            // Definitions are far below 4 GiB.
            let (start, end, node) = (start as u32, end as u32, to as u32);
            above.members.insert(at, Member { start, end, node });
        }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Fills the slots from a payload; says whether it is JSON as far as this can see. `found` is
    /// memory that goes round from payload to payload.
    pub(crate) fn pick<'a>(
        &self,
        payload: &'a [u8],
        picks: &mut Picks<'a>,
        found: &mut Vec<Option<&'a str>>,
    ) -> bool {
        assert_eq!(picks.len(), self.slots, "there is one pick a slot");
        picks.fill(None);
        let Ok(text) = str::from_utf8(payload) else {
            return false;
        };
        let object = text.trim_start_matches([' ', '\t', '\r', '\n']);
        if !object.starts_with('{') {
            return serde_json::from_str::<IgnoredAny>(text).is_ok();
        }
        found.clear();
        let fields = self;
        let mut walk = Walk {
            fields,
            picks,
            found,
        };
        walk.read_object(&self.nodes[0], object).is_ok()
    }
}

impl Node {
    fn find(&self, name: &[u8], texts: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|member| {
            let text = &texts.as_bytes()[member.start as usize..member.end as usize];
            text.len().cmp(&name.len()).then_with(|| text.cmp(name))
        })
    }

    fn member(&self, name: &[u8], texts: &str) -> Option<usize> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        self.find(name, texts).ok()
    }
}

/// All lengths from 63 share the last bit.
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

/// A payload that is read.
struct Walk<'w, 'a> {
    fields: &'w Fields,
    picks: &'w mut Picks<'a>,
    /// What was found in the objects that are being read, one a member of their nodes.
    found: &'w mut Vec<Option<&'a str>>,
}

impl<'a> Walk<'_, 'a> {
    fn read_object(&mut self, node: &Node, object: &'a str) -> serde_json::Result<()> {
        let first = self.found.len();
        self.found.resize(first + node.members.len(), None);
        let mut json = serde_json::Deserializer::from_str(object);
        let found = &mut self.found[first..];
        let texts = &self.fields.texts;
        json.deserialize_map(Members { texts, node, found })?;
        json.end()?;
        for (at, member) in node.members.iter().enumerate() {
            if let Some(raw) = self.found[first + at] {
                self.take(&self.fields.nodes[member.node as usize], raw);
            }
        }
        self.found.truncate(first);
        Ok(())
    }

    fn take(&mut self, node: &Node, raw: &'a str) {
        for slot in &node.below {
            self.picks[*slot] = None;
        }
        if let Some(slot) = node.slot {
            self.picks[slot] = Some(raw);
        }
        if !node.members.is_empty() && raw.starts_with('{') {
            // Its form was checked when the object around it was read.
            let _ = self.read_object(node, raw);
        }
    }
}

/// Keeps the text of the members that are wanted.
struct Members<'n, 'f, 'a> {
    texts: &'n str,
    node: &'n Node,
    found: &'f mut [Option<&'a str>],
}

impl<'a> Visitor<'a> for Members<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(member) = map.next_key_seed(Name {
            texts: self.texts,
            node: self.node,
        })? {
            match member {
                Some(at) => self.found[at] = Some(map.next_value::<&'a RawValue>()?.get()),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a name, as bytes: a half of a surrogate pair, which is no text, makes it another name.
struct Name<'n> {
    texts: &'n str,
    node: &'n Node,
}

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.node.member(name, self.texts))
    }
}

/// The text that a JSON string stands for, copied only where it has escapes. For half a surrogate
/// pair, which is no character, stands U+FFFD.
pub(crate) fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return unescaped(raw).map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn unescaped(raw: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_str(raw);
    let mut bytes = json.deserialize_bytes(Bytes).ok()?;
    // A half is three bytes here, and so is U+FFFD. No character begins with these two.
    for at in 2..bytes.len() {
        if bytes[at - 2] == 0xed && bytes[at - 1] >= 0xa0 {
            bytes[at - 2..=at].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8(bytes).ok()
}

/// The bytes of a text.
struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(bytes.to_vec())
    }
}
