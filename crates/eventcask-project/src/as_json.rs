//! States of any type that serde knows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Error;

use crate::Snapshot;
use crate::snapshot::{take, take_count};

/// A state of any type that serde knows, kept as JSON (feature `serde`).
///
/// JSON names the fields, so bytes of another type are refused, and the state is filled from the
/// log then. A field that comes later can have `#[serde(default)]`; raise the projection's version
/// where what it means has changed. Names take room: a state of millions of entries is kept smaller
/// by a [`Snapshot`] of its own.
///
/// Members are kept in the order of their names, so maps that are equal give equal bytes; a hash
/// set is kept in the order that it happens to have. What JSON can not hold, such as a number that
/// is not finite or a map whose keys are structs, is not kept: each start fills that state from the
/// log.
///
/// ```
/// use eventcask_project::{AsJson, Snapshot};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Balance { cents: i64, owner: String }
///
/// let balance = AsJson(Balance { cents: 500, owner: "Ada".to_owned() });
/// let mut bytes = Vec::new();
/// balance.encode(&mut bytes);
/// assert_eq!(AsJson::decode(&mut &bytes[..]), Some(balance));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AsJson<T>(pub T);

impl<T: Serialize + DeserializeOwned> Snapshot for AsJson<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        // No JSON is empty, so a state without JSON is refused when it is read.
        let json = sorted(&self.0).unwrap_or_default();
        (json.len() as u64).encode(bytes);
        bytes.extend(json);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let length = take_count(bytes)?;
        serde_json::from_slice(take(bytes, length)?).ok().map(Self)
    }
}

/// The JSON of a value with members in the order of their names.
fn sorted(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    match serde_json::to_value(value) {
        Ok(value) => serde_json::to_vec(&value),
        // Numbers of more than 64 bits can be written, but are no such value.
        Err(_) => serde_json::to_vec(value),
    }
}
