//! The projection of the workload.

use eventcask::{ApplyError, Batch, PerAggregate, Projection};

/// Events and payload bytes of each aggregate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums;

impl Projection for Sums {
    const NAME: &'static str = "sums";
    const VERSION: u32 = 1;
    type State = PerAggregate<(u64, u64)>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut sums = state.of(batch);
        for row in batch.rows() {
            let (events, bytes) = &mut sums[batch.aggregate_index(row)];
            *events += 1;
            *bytes += batch.payload(row).len() as u64;
        }
        Ok(())
    }
}
