//! What a projection is to the engine: a value, made from the constants of a trait or from the
//! definition of a view.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask_project::{ApplyError, Batch, Projection, Snapshot, ViewSpec, ViewState};

use super::parking::ParkedAggregates;
use super::policy::OnError;
use crate::follow::filter::Filter;
use crate::named::Named;

type Empty<S> = Box<dyn Fn() -> S + Send + Sync>;
type Apply<S> = Box<dyn Fn(&mut S, &Batch<'_>) -> Result<(), ApplyError> + Send + Sync>;

/// A projection with states of this type.
pub(crate) struct Definition<S> {
    pub(crate) kind: Named,
    pub(crate) name: String,
    /// The version that its user gave it; a view has none.
    pub(crate) version: Option<u32>,
    /// The events that it is shown.
    pub(crate) filter: Filter,
    pub(crate) on_error: OnError,
    empty: Empty<S>,
    apply: Apply<S>,
}

impl<S: Default + 'static> Definition<S> {
    pub(crate) fn of<P: Projection<State = S>>(projection: &Arc<P>, on_error: OnError) -> Self {
        let projection = Arc::clone(projection);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let filter = Filter {
            types: P::TYPES.map(names),
            key_prefix: P::KEY_PREFIX.map(str::to_owned),
            ignores_metadata: !P::METADATA,
            ..Filter::default()
        };
        Self {
            kind: Named::Projection,
            name: P::NAME.to_owned(),
            version: Some(P::VERSION),
            filter,
            on_error,
            empty: Box::new(S::default),
            apply: match P::METADATA {
                true => Box::new(move |state, batch| projection.apply(state, batch)),
                // What was stored a moment ago has it in memory: the state must not depend on that.
                false => {
                    Box::new(move |state, batch| projection.apply(state, &batch.without_metadata()))
                }
            },
        }
    }
}

impl<S> Definition<S> {
    /// The state before the first event.
    pub(crate) fn empty(&self) -> S {
        (self.empty)()
    }

    /// Takes in the events of a batch.
    ///
    /// # Errors
    /// Why it could not.
    pub(crate) fn apply(&self, state: &mut S, batch: &Batch<'_>) -> Result<(), ApplyError> {
        (self.apply)(state, batch)
    }
}

impl Definition<ViewState> {
    pub(crate) fn of_view(name: &str, spec: &Arc<ViewSpec>) -> Self {
        let spec = Arc::clone(spec);
        let filter = Filter {
            types: spec.event_type().map(|name| vec![name.to_owned()]),
            // Views are made of envelopes and payloads.
            ignores_metadata: true,
            ..Filter::default()
        };
        Self {
            kind: Named::View,
            name: name.to_owned(),
            version: None,
            filter,
            on_error: OnError::Stop,
            empty: Box::new(move || ViewState::new(Arc::clone(&spec))),
            apply: Box::new(|state, batch| {
                state.apply(batch);
                Ok(())
            }),
        }
    }
}

type Encode<S> = Box<dyn Fn(&S, &ParkedAggregates) -> Vec<u8> + Send + Sync>;
type Decode<S> = Box<dyn Fn(u32, &[u8]) -> Option<(S, ParkedAggregates)> + Send + Sync>;

/// A state, with what is parked in it, as bytes and back.
pub(crate) struct Codec<S> {
    encode: Encode<S>,
    decode: Decode<S>,
    is_small: fn(&S) -> bool,
}

/// The bytes of a view with no more rows are made in less time than a batch takes.
const FEW_ROWS: usize = 4096;

impl<S: Snapshot> Codec<S> {
    pub(crate) fn of_snapshots() -> Self {
        Self {
            encode: Box::new(|state, parked| {
                let mut bytes = Vec::new();
                state.encode(&mut bytes);
                parked.encode(&mut bytes);
                bytes
            }),
            decode: Box::new(|shard, mut bytes| {
                let state = S::decode(&mut bytes)?;
                Some((state, ParkedAggregates::decode(shard, bytes)?))
            }),
            is_small: |_| false,
        }
    }
}

impl Codec<ViewState> {
    pub(crate) fn of_view(spec: &Arc<ViewSpec>) -> Self {
        let spec = Arc::clone(spec);
        Self {
            encode: Box::new(|state, _| state.encode()),
            decode: Box::new(move |_, bytes| {
                let state = ViewState::decode(Arc::clone(&spec), bytes).ok()?;
                Some((state, ParkedAggregates::default()))
            }),
            is_small: |state| state.has_at_most(FEW_ROWS),
        }
    }
}

impl<S> Codec<S> {
    pub(crate) fn encode(&self, state: &S, parked: &ParkedAggregates) -> Vec<u8> {
        (self.encode)(state, parked)
    }

    /// The state of a shard, and what is parked there.
    pub(crate) fn decode(&self, shard: u32, bytes: &[u8]) -> Option<(S, ParkedAggregates)> {
        (self.decode)(shard, bytes)
    }

    /// Whether its bytes are made so fast that it can be locked meanwhile.
    pub(crate) fn is_small(&self, state: &S) -> bool {
        (self.is_small)(state)
    }
}

/// What the files of a projection say that it is. Names need no escape in JSON.
pub(crate) fn projection_text<P: Projection>() -> String {
    let (name, version) = (P::NAME, P::VERSION);
    let mut text = format!(r#"{{"projection":"{name}","version":{version}"#);
    if let Some(types) = P::TYPES {
        text += &format!(r#","types":{}"#, json_of(types));
    }
    if let Some(prefix) = P::KEY_PREFIX {
        let prefix = serde_json::to_string(prefix).expect("texts are JSON");
        text += &format!(r#","key_prefix":{prefix}"#);
    }
    text + "}"
}

/// A list of names as JSON, the same for the same set of names.
fn json_of(names: &[&str]) -> String {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    serde_json::to_string(&names).expect("texts are JSON")
}

/// Name and version of the projection whose files say this.
pub(crate) fn parse_projection(text: &str) -> Option<(&str, u32)> {
    let (name, rest) = text.strip_prefix(r#"{"projection":""#)?.split_once('"')?;
    let rest = rest.strip_prefix(r#","version":"#)?.strip_suffix('}')?;
    // Event types and the beginning of keys follow, where they are declared.
    let version = rest.split(',').next()?;
    Some((name, version.parse().ok()?))
}

/// What the files of a view say that it is.
pub(crate) fn view_text(name: &str, spec: &ViewSpec) -> String {
    format!(r#"{{"name":"{name}","spec":{}}}"#, spec.to_json())
}

/// Name and definition of the view whose files say this.
pub(crate) fn parse_view(text: &str) -> Option<(&str, ViewSpec)> {
    let rest = text.strip_prefix(r#"{"name":""#)?.strip_suffix('}')?;
    let (name, spec) = rest.split_once(r#"","spec":"#)?;
    Some((name, ViewSpec::from_json(spec).ok()?))
}
