//! Ids that are looked up and remembered, in a window that is full.

use criterion::{Criterion, Throughput};
use eventcask_benches::{IdOrder, Ids, Outcome, size};
use eventcask_event::EventId;
use eventcask_shard::{Dedup, DedupSettings, DedupWindow, IdProbe};

use super::{EVENTS, ROWS_AHEAD};

/// The newest ids that are asked for again to see what came out.
const ASKED_AGAIN: usize = 1000;

pub(super) fn benches(c: &mut Criterion) {
    for window in size([10_000, 100_000], [1_000_000, 10_000_000]) {
        for order in [IdOrder::InTime, IdOrder::Jitter, IdOrder::Random] {
            let mut stream = Stream::with_full_window(order, window);
            stream.print(window);
            let mut group = c.benchmark_group(format!("dedup/{order}"));
            group
                .throughput(Throughput::Elements(EVENTS as u64))
                .sample_size(20);
            group.bench_function(format!("{window}"), |b| b.iter(|| stream.next_block()));
            group.finish();
        }
    }
}

/// Blocks of new ids, one after the other.
struct Stream {
    order: IdOrder,
    ids: Ids,
    dedup: Dedup,
    position: u64,
    block: Vec<EventId>,
}

impl Stream {
    fn with_full_window(order: IdOrder, window: u64) -> Self {
        let settings = DedupSettings {
            window: DedupWindow::Ids(window),
            ..DedupSettings::default()
        };
        let mut stream = Self {
            order,
            ids: Ids::new(order),
            dedup: Dedup::new(settings),
            position: 0,
            block: Vec::new(),
        };
        // A quarter more, so that ids are being dropped.
        while stream.position < window + window / 4 {
            stream.next_block();
        }
        stream
    }

    /// As a shard does it: asks for the memory of some ids ahead, then looks at each.
    fn next_block(&mut self) {
        self.block.clear();
        self.block.extend(self.ids.by_ref().take(EVENTS));
        self.dedup
            .note_block(EVENTS, self.position, self.position as i64);
        for ids in self.block.chunks(ROWS_AHEAD) {
            let mut probes = [IdProbe::default(); ROWS_AHEAD];
            for (id, probe) in ids.iter().zip(&mut probes) {
                *probe = self.dedup.probe(*id);
            }
            for (id, probe) in ids.iter().zip(probes) {
                let is_new = self.dedup.insert_new(probe, *id, self.position);
                assert!(is_new, "ids differ");
                self.position += 1;
            }
        }
        if self.dedup.is_due() {
            self.dedup.drop_old(0, 0, self.position as i64);
        }
    }

    fn print(&mut self, window: u64) {
        let mut outcome = Outcome::default();
        for id in self.block.iter().rev().take(ASKED_AGAIN) {
            let position = self.dedup.position(*id, "", 0);
            outcome.add(position.expect("a new id is known"));
        }
        let bytes = self.dedup.memory_bytes() as f64 / self.dedup.ids() as f64;
        let name = format!("dedup/{}", self.order);
        outcome.print(&name, format_args!("window {window}, {bytes:.1} bytes/id"));
    }
}
