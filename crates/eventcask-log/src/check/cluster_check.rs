//! Checks that the clusters of a segment hold the events of its blocks, each once.
//!
//! Both are read one block at a time. A sum over all events, which does not depend on their order,
//! tells whether they are the same.

use std::num::NonZeroU64;

use eventcask_event::{EventId, Events, NO_TIME, Timestamp};
use twox_hash::XxHash3_64;

use crate::format::checksum::{Checksum, checksum};
use crate::format::sealed_header::{Sealed, Table, TableKind};
use crate::sealed::cluster::{self, Order};
use crate::sealed::digest::encode_metadata;
use crate::segment::dir::ShardDir;
use crate::segment::scan::Scan;
use crate::{Block, Error, MAX_BLOCK_BYTES, Payloads};

/// A sum over events, with all that is stored of each, and the event before it of its aggregate.
#[derive(Debug, Default)]
pub(crate) struct EventSum {
    sum: u64,
    events: u64,
    bytes: Vec<u8>,
}

impl EventSum {
    /// Adds the events of a block, whose payloads must be open.
    pub(crate) fn add(&mut self, events: &Events<'_>) {
        let mut previous = events.columns().previous.clone();
        for row in 0..events.len() {
            let before = &mut previous[events.aggregate_index(row)];
            self.add_row(events, row, *before);
            *before = events.position(row);
        }
        self.events += events.len() as u64;
    }

    fn add_row(&mut self, events: &Events<'_>, row: usize, before: u64) {
        let event_type = events.type_index(row);
        let key = events.key_bytes(events.aggregate_index(row));
        let (name, payload) = (events.type_name(event_type), events.payload(row));
        let payload = payload.unwrap_or(&[]);
        let time = events.time(row).map_or(NO_TIME, Timestamp::as_nanos);
        let numbers = [
            before,
            events.position(row),
            events.version(row),
            events.commit_time(row).as_nanos() as u64,
            time as u64,
            u64::from(events.type_schema(event_type)),
            events.type_encoding(event_type) as u64,
            events.type_shape(event_type).map_or(0, NonZeroU64::get),
            key.len() as u64,
            name.len() as u64,
            payload.len() as u64,
        ];
        let id = events.given_id(row).map_or(0, EventId::as_u128);
        let bytes = &mut self.bytes;
        bytes.clear();
        numbers
            .iter()
            .for_each(|one| bytes.extend_from_slice(&one.to_le_bytes()));
        bytes.extend_from_slice(&id.to_le_bytes());
        [key, name.as_bytes(), payload]
            .iter()
            .for_each(|part| bytes.extend_from_slice(part));
        if let Some(metadata) = events.metadata(row).to_new() {
            encode_metadata(bytes, &metadata);
        }
        self.sum = self.sum.wrapping_add(XxHash3_64::oneshot(bytes));
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.sum, self.events) == (other.sum, other.events)
    }
}

/// What is wrong, and where.
type Wrong = (u64, &'static str);

/// Looks for what is wrong with the clusters of a segment whose blocks have this sum.
pub(crate) fn check(
    dir: &ShardDir,
    scan: &mut Scan,
    sealed: &Sealed,
    first_position: u64,
    expected: &EventSum,
) -> Result<Option<Wrong>, Error> {
    let [.., clusters, directory] = &sealed.tables[..] else {
        return Ok(Some((232, "its clusters have no directory")));
    };
    let kinds = (clusters.kind, directory.kind);
    if kinds != (TableKind::Clusters, TableKind::ClusterDirectory) {
        return Ok(Some((232, "its clusters have no directory")));
    }
    // Room is made only for what is there.
    if scan.len()? < sealed.length {
        return Ok(Some((clusters.place, "its clusters are cut short")));
    }
    let bytes = scan
        .read_at(directory.place, directory.length as usize)?
        .to_vec();
    if checksum(&bytes) != directory.checksum {
        return Ok(Some((
            directory.place,
            "the directory of its clusters is damaged",
        )));
    }
    let mut check = Check {
        dir,
        segment: scan.number(),
        first_position,
        found: EventSum::default(),
        last: None,
        checksum: Checksum::default(),
        end: 0,
    };
    if let Err(wrong) = check.read_all(scan, clusters, &bytes)? {
        return Ok(Some(wrong));
    }
    let is_whole = (check.end, check.checksum.get()) == (clusters.length, clusters.checksum);
    let is_same = is_whole && check.found.is_same(expected);
    Ok((!is_same).then_some((
        clusters.place,
        "its clusters do not hold the events of its blocks",
    )))
}

struct Check<'c> {
    dir: &'c ShardDir,
    segment: u64,
    first_position: u64,
    found: EventSum,
    /// Where the newest event stood in the order.
    last: Option<Order>,
    checksum: Checksum,
    end: u64,
}

impl Check<'_> {
    fn read_all(
        &mut self,
        scan: &mut Scan,
        clusters: &Table,
        directory: &[u8],
    ) -> Result<Result<(), Wrong>, Error> {
        if !directory.len().is_multiple_of(cluster::ENTRY_BYTES) {
            return Ok(Err((
                clusters.place,
                "the directory of its clusters is cut short",
            )));
        }
        for index in 0..directory.len() / cluster::ENTRY_BYTES {
            let place = clusters.place + self.end;
            let range = cluster::nth(directory, index).unwrap_or(0..0);
            let length = range.end.saturating_sub(range.start);
            if range.end > clusters.length || length > u64::from(MAX_BLOCK_BYTES) {
                return Ok(Err((place, "a cluster goes beyond its table")));
            }
            let bytes = scan.read_at(place, length as usize)?;
            let begins = cluster::begins_with(directory, index);
            if let Err(reason) = self.take(bytes, place, begins) {
                return Ok(Err((place, reason)));
            }
            self.end = range.end;
        }
        Ok(Ok(()))
    }

    fn take(
        &mut self,
        bytes: &[u8],
        place: u64,
        begins: Option<Order>,
    ) -> Result<(), &'static str> {
        self.checksum.add(bytes);
        let dir = self.dir;
        let head = cluster::head_at(bytes, dir, self.segment, place)?;
        let block = Block::decode(head, bytes, Payloads::All)?;
        block.check_closely()?;
        let events = block.events();
        let orders = Order::of_rows(dir.store, self.first_position, &events);
        let orders = orders.ok_or("a cluster holds events of another segment")?;
        if orders.first().copied() != begins {
            return Err("a cluster does not begin as its directory says");
        }
        let all = self.last.into_iter().chain(orders.iter().copied());
        if !all.is_sorted_by(|before, after| before < after) {
            return Err("the events of a cluster are not in order");
        }
        self.last = orders.last().copied();
        self.found.add(&events);
        Ok(())
    }
}
