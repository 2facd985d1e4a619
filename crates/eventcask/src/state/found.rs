//! Which projections something is kept of.

use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind, Framed, Storage};
use eventcask_shard::ShardReader;

use super::definition::parse_projection;
use super::folder::{PROJECTIONS, fits, snapshot_name};

/// A projection of which something is kept.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) number: u32,
    store: u128,
    pub(crate) definition: u32,
}

/// All projections of which something is kept.
///
/// # Errors
/// What the disk said.
pub(crate) fn list_projections(storage: &dyn Storage, store: u128) -> Result<Vec<Found>, LogError> {
    let mut all = Vec::new();
    for number in PROJECTIONS.numbers(storage)? {
        match PROJECTIONS.definition(storage, store, number) {
            Ok(text) => all.extend(text.and_then(|text| Found::new(&text, number, store))),
            // It may be the one that is looked for.
            Err(error) if error.kind() == LogErrorKind::Io => return Err(error),
            // One that is damaged means nothing: its projection is made again with another number.
            Err(_) => {}
        }
    }
    Ok(all)
}

impl Found {
    fn new(text: &str, number: u32, store: u128) -> Option<Self> {
        let (name, version) = parse_projection(text)?;
        Some(Self {
            name: name.to_owned(),
            version,
            number,
            store,
            definition: Framed::checksum(text.as_bytes()),
        })
    }

    /// Position after the last event in the snapshot of a shard, if there is one that fits.
    pub(crate) fn position(&self, storage: &dyn Storage, reader: &ShardReader) -> Option<u64> {
        let dir = PROJECTIONS.dir_of(self.number);
        let path = format!("{dir}/{}", snapshot_name(reader.shard()));
        let head = Framed::read_head(storage, &path).ok()?;
        let mark = reader.published().retired.mark();
        let definition = mark.wrapping_add(self.definition);
        let fits = fits(&head, self.store, PROJECTIONS.state, definition, reader);
        fits.then_some(head.progress)
    }
}
