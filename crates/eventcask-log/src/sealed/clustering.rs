//! Orders the events of a segment by aggregate, in bounded memory.
//!
//! 1. The blocks of the new segment are held in memory until they are [`SORT_BYTES`].
//! 2. Then their rows are sorted and written as clusters, compressed in a hurry, into a file of
//!    their own: a run. A segment of which all blocks fit into memory needs none.
//! 3. At the end the runs are merged into the clusters of the segment. Of each run one cluster is
//!    in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use crate::disk::storage::{Open, StoredFile};
use crate::sealed::cluster::{self, ClusterWriter, Order, Out, Row, TypeNumbers};
use crate::segment::dir::ShardDir;
use crate::segment::spare::UNSYNCED_BYTES;
use crate::{Block, BlockHead, Codec, Error, NewSegment, Payloads};

/// Bytes of events, before compression, that are held in memory and sorted at once, unless set: a
/// segment of 256 MiB has up to ten times as many.
pub const SORT_BYTES: usize = 64 << 20;
/// What a row takes beside what is in its block: its place in the order.
const ROW_BYTES: usize = 16;

/// Gathers the blocks of a segment, and orders their events.
pub(crate) struct Clusterer {
    dir: ShardDir,
    new: NewSegment,
    types: TypeNumbers,
    blocks: Vec<(Block, Vec<u32>)>,
    /// Block and row of each event that is in memory.
    rows: Vec<(Order, u32, u32)>,
    bytes: usize,
    sort_bytes: usize,
    runs: Option<Runs>,
    /// Whether the segment has no more positions than clusters tell apart.
    is_possible: bool,
}

impl Clusterer {
    /// Sorts `sort_bytes` of events at once.
    pub(crate) fn new(dir: &ShardDir, new: &NewSegment, sort_bytes: usize) -> Self {
        Self {
            dir: dir.clone(),
            new: *new,
            types: TypeNumbers::default(),
            blocks: Vec::new(),
            rows: Vec::new(),
            bytes: 0,
            sort_bytes,
            runs: None,
            is_possible: true,
        }
    }

    /// Takes the next block of the segment, with all its payloads.
    pub(crate) fn add(&mut self, block: Block) -> Result<(), Error> {
        let events = block.events();
        let orders = Order::of_rows(self.dir.store, self.new.first_position, &events);
        let Some(orders) = orders.filter(|_| self.is_possible) else {
            self.is_possible = false;
            self.runs = None;
            self.let_go();
            return Ok(());
        };
        let index = self.blocks.len() as u32;
        let rows = (0..).zip(orders);
        self.rows
            .extend(rows.map(|(row, order)| (order, index, row)));
        self.bytes += block.raw_bytes() + events.len() * ROW_BYTES;
        let types = self.types.of(&events);
        self.blocks.push((block, types));
        if self.bytes >= self.sort_bytes {
            self.write_run()?;
        }
        Ok(())
    }

    /// Whether there is nothing to cluster, or no way to.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_possible || (self.rows.is_empty() && self.runs.is_none())
    }

    /// Writes the clusters, from this place of the segment on, and returns their directory; `None`
    /// where it is not to go on.
    pub(crate) fn finish<'o>(
        &mut self,
        place: u64,
        codec: Codec,
        out: &'o mut Out<'o>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if self.runs.is_some() {
            self.write_run()?;
        }
        let mut writer = ClusterWriter::new(&self.dir, &self.new, place, codec, out);
        let goes_on = match &self.runs {
            Some(runs) => runs.merge(&mut self.types, &mut writer)?,
            None => self.write_sorted(&mut writer)?,
        };
        match goes_on {
            true => writer.finish(),
            false => Ok(None),
        }
    }

    /// Hands on what is in memory, in its order; says whether to go on.
    fn write_sorted(&mut self, writer: &mut ClusterWriter<'_>) -> Result<bool, Error> {
        self.rows.sort_unstable();
        let blocks = self.blocks.iter();
        let blocks: Vec<_> = blocks
            .map(|(block, types)| (block.events(), types))
            .collect();
        for (order, block, row) in &self.rows {
            let (events, types) = blocks[*block as usize];
            let row = *row as usize;
            if !writer.push(*order, Row { events, row, types })? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes what is in memory into a run.
    fn write_run(&mut self) -> Result<(), Error> {
        let mut runs = match self.runs.take() {
            Some(runs) => runs,
            None => Runs::create(&self.dir, &self.new)?,
        };
        let begin = runs.end;
        let mut out = |bytes: &mut Vec<u8>| {
            let written = runs.write(bytes);
            bytes.clear();
            written.map_err(|error| runs.failed("write", error))?;
            Ok(true)
        };
        let mut writer = ClusterWriter::new(&self.dir, &self.new, begin, Codec::Lz4, &mut out);
        self.write_sorted(&mut writer)?;
        let directory = writer.finish()?.unwrap_or_default();
        runs.runs.push((begin, directory));
        self.runs = Some(runs);
        self.let_go();
        Ok(())
    }

    /// Lets go of what is in memory.
    fn let_go(&mut self) {
        self.blocks.clear();
        self.rows.clear();
        self.bytes = 0;
    }
}

/// The file of the runs; it is gone when this is dropped.
struct Runs {
    dir: ShardDir,
    first_position: u64,
    path: String,
    file: Box<dyn StoredFile>,
    end: u64,
    synced_to: u64,
    /// Where each run begins, and its directory.
    runs: Vec<(u64, Vec<u8>)>,
}

impl Drop for Runs {
    fn drop(&mut self) {
        // What is left of a name that means nothing does no harm.
        let _ = self.dir.storage.remove(&self.path);
    }
}

impl Runs {
    fn create(dir: &ShardDir, new: &NewSegment) -> Result<Self, Error> {
        let path = dir.runs_path(new.number);
        let file = dir.storage.open(&path, Open::Create);
        let file = file.map_err(|error| Error::io("make", &dir.storage.describe(&path), error))?;
        Ok(Self {
            dir: dir.clone(),
            first_position: new.first_position,
            path,
            file,
            end: 0,
            synced_to: 0,
            runs: Vec::new(),
        })
    }

    /// Adds bytes at the end. They are synced only so that no shard's sync has to write them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        if self.end - self.synced_to >= UNSYNCED_BYTES {
            self.file.sync()?;
            self.synced_to = self.end;
        }
        Ok(())
    }

    /// Hands on the events of all runs, in their order; says whether to go on.
    fn merge(
        &self,
        types: &mut TypeNumbers,
        writer: &mut ClusterWriter<'_>,
    ) -> Result<bool, Error> {
        let mut open = Vec::new();
        let mut next = BinaryHeap::new();
        for (begin, directory) in &self.runs {
            let mut run = Run::new(*begin, directory);
            if run.advance(self, types)? {
                next.push(Reverse((run.order(), open.len())));
            }
            open.push(run);
        }
        while let Some(Reverse((order, index))) = next.pop() {
            let run = &mut open[index];
            let Some((block, numbers)) = &run.block else {
                continue;
            };
            let row = Row {
                events: block.events(),
                row: run.row,
                types: numbers,
            };
            if !writer.push(order, row)? {
                return Ok(false);
            }
            if run.advance(self, types)? {
                next.push(Reverse((run.order(), index)));
            }
        }
        Ok(true)
    }

    /// Reads a cluster.
    fn read(&self, place: u64, bytes: &mut [u8]) -> Result<Block, Error> {
        let read = self.file.read_at(bytes, place);
        let read = read.map_err(|error| self.failed("read", error))?;
        let block = BlockHead::decode_cluster(&bytes[..read])
            .and_then(|head| Block::decode(head, &bytes[..read], Payloads::All));
        let name = || self.dir.storage.describe(&self.path);
        block.map_err(|reason| Error::damaged(&name(), place, reason))
    }

    fn failed(&self, doing: &str, error: io::Error) -> Error {
        Error::io(doing, &self.dir.storage.describe(&self.path), error)
    }
}

/// A run that is being read.
struct Run<'r> {
    begin: u64,
    directory: &'r [u8],
    next_cluster: usize,
    bytes: Vec<u8>,
    /// The cluster in hand, and what its types are called.
    block: Option<(Block, Vec<u32>)>,
    orders: Vec<Order>,
    row: usize,
}

impl<'r> Run<'r> {
    fn new(begin: u64, directory: &'r [u8]) -> Self {
        Self {
            begin,
            directory,
            next_cluster: 0,
            bytes: Vec::new(),
            block: None,
            orders: Vec::new(),
            row: 0,
        }
    }

    /// Moves on to the next row; says whether there is one.
    fn advance(&mut self, runs: &Runs, types: &mut TypeNumbers) -> Result<bool, Error> {
        self.row += 1;
        if self.row < self.orders.len() {
            return Ok(true);
        }
        let Some(place) = cluster::nth(self.directory, self.next_cluster) else {
            self.block = None;
            return Ok(false);
        };
        self.next_cluster += 1;
        self.bytes.resize((place.end - place.start) as usize, 0);
        let block = runs.read(self.begin + place.start, &mut self.bytes)?;
        let events = block.events();
        let orders = Order::of_rows(runs.dir.store, runs.first_position, &events);
        self.orders = orders.unwrap_or_default();
        let types = types.of(&events);
        self.block = Some((block, types));
        self.row = 0;
        Ok(!self.orders.is_empty())
    }

    fn order(&self) -> Order {
        self.orders[self.row]
    }
}
