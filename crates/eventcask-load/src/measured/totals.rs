//! `--project sum`: a state for each aggregate, kept by the store before it acknowledges.

use eventcask::{ApplyError, Batch, PerAggregate, Projection, ProjectionHandle, Store};
use eventcask_console::failure::Failure;

/// How many events each aggregate has, and how many bytes their payloads have.
pub(crate) struct Totals;

impl Projection for Totals {
    const NAME: &'static str = "totals";
    const VERSION: u32 = 1;
    type State = PerAggregate<(u64, u64)>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut totals = state.of(batch);
        for row in batch.rows() {
            let (events, bytes) = &mut totals[batch.aggregate_index(row)];
            *events += 1;
            *bytes += batch.payload_len(row) as u64;
        }
        Ok(())
    }
}

/// Starts it.
pub(crate) fn start(store: &Store) -> Result<ProjectionHandle<Totals>, Failure> {
    store
        .projection(Totals)
        .sync()
        .start()
        .map_err(|error| Failure::of(&error))
}

/// Events of all aggregates together, as the projection has them.
pub(crate) fn events(projected: &ProjectionHandle<Totals>) -> Result<u64, Failure> {
    let mut events = 0;
    let summed = projected.each_shard(|_, state| {
        events += state.iter().map(|(_, (events, _))| events).sum::<u64>();
    });
    summed.map_err(|error| Failure::of(&error))?;
    Ok(events)
}
