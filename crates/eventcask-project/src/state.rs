//! The state of a view over the events of one shard.

use std::sync::Arc;

use crate::cell::{count_event, empty_cells};
use crate::groups::Groups;
use crate::reader::Reader;
use crate::window::{Moment, NO_TIME};
use crate::{Batch, LeftOut, ViewSpec};

/// The state of a view over the events of one shard.
///
/// Of all events only those count whose payload is JSON and whose type is the wanted one. An
/// event's group is the value of its key field: text as it is, numbers by their JSON text (so `1`
/// and `1.0` are two groups), `true` and `false`; half a surrogate pair in it counts as U+FFFD. It
/// is in no group where that field is absent, null, an object or an array, where the payload is not
/// whole JSON, or where the view has windows and the time field holds no time; then it is [left
/// out](Self::left_out). Of a name that occurs twice in an object the last one counts.
///
/// `count` is the number of a group's events. All others look only at events whose field is a JSON
/// number; any other value is missing, and takes no event out of its group. The sum of none is 0;
/// minimum, maximum and mean of none are null. See [`Number`](crate::Number) for what is exact.
///
/// The state is a pure function of the definition and of the events in their order: it does not
/// matter how they were cut into batches. How far it got is known to whoever applies them, each
/// once.
#[derive(Debug, Clone)]
pub struct ViewState {
    spec: Arc<ViewSpec>,
    left_out: LeftOut,
    /// The newest time of an event, in nanoseconds, of views whose rows are dropped.
    newest: i64,
    groups: Groups,
    /// The number of rows at which those that are over are looked for.
    drop_at: usize,
}

/// Rows for which it is not worth while to look for those that are over.
const FEW_ROWS: usize = 4096;

impl ViewState {
    /// The state before the first event.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use eventcask_project::{ViewSpec, ViewState};
    ///
    /// let spec = ViewSpec::new("carrier", &["count"], None, None)?;
    /// let state = ViewState::new(Arc::new(spec));
    /// assert_eq!(state.len(), 0);
    /// # Ok::<(), eventcask_project::SpecError>(())
    /// ```
    #[must_use]
    pub fn new(spec: Arc<ViewSpec>) -> Self {
        Self {
            spec,
            left_out: LeftOut::default(),
            newest: NO_TIME,
            groups: Groups::default(),
            drop_at: FEW_ROWS,
        }
    }

    /// The definition of the view.
    #[must_use]
    pub fn spec(&self) -> &Arc<ViewSpec> {
        &self.spec
    }

    /// Takes in the events of a batch: those of the wanted type, whose payloads are JSON.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use eventcask_event::{Columns, Encoding, Events, EventsParts, Timestamp};
    /// # use eventcask_project::{Batch, ViewSpec, ViewState};
    /// # let payload: &[u8] = br#"{"carrier":"UA","dep_delay":2}"#;
    /// # let mut columns = Columns::default();
    /// # let aggregate = columns.add_aggregate("N14228", u64::MAX);
    /// # columns.aggregates.push(aggregate);
    /// # let flight = columns.add_type("Flight", 1, Encoding::Json as u8, None);
    /// # columns.types.push(flight);
    /// # columns.versions.push(1);
    /// # columns.payload_lengths.push(payload.len() as u32);
    /// # let columns = &columns;
    /// # let payload_starts = &Events::check(1, columns, 0, &[payload.len()])?;
    /// # let (commit_time, payloads) = (Timestamp::from_nanos(0), &[Some(payload.to_vec().into())]);
    /// # let (store, shard, first_position, ids) = (1, 0, 0, &[]);
    /// # let events = Events::new(EventsParts {
    /// #     store, shard, first_position, commit_time, columns, ids, payloads, payload_starts,
    /// # });
    /// let spec = ViewSpec::new("carrier", &["count", "sum:dep_delay"], None, None)?;
    /// let mut state = ViewState::new(Arc::new(spec));
    /// state.apply(&Batch::new(events, 0, false)); // one flight of UA, 2 minutes late
    ///
    /// let rows = serde_json::to_string(&state.get("UA"))?;
    /// assert_eq!(rows, r#"[{"key":"UA","count":1,"sum:dep_delay":2}]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&mut self, batch: &Batch<'_>) {
        let spec = Arc::clone(&self.spec);
        let wanted = spec.wanted_types(batch.events());
        let mut reader = Reader::new(&spec);
        for row in batch.rows() {
            if wanted[batch.type_index(row)]
                && let Some(payload) = batch.events().payload(row)
            {
                self.apply_payload(payload, &mut reader);
            }
        }
    }

    fn apply_payload<'a>(&mut self, payload: &'a [u8], reader: &mut Reader<'_, 'a>) {
        let reading = match reader.read(payload) {
            Ok(reading) => reading,
            Err(reason) => {
                let count = reason(&mut self.left_out);
                *count = count.saturating_add(1);
                return;
            }
        };
        if let Some(moment) = reading.moment
            && self.is_over_at(moment)
        {
            return;
        }
        let aggregations = self.spec.compiled();
        let empty = || empty_cells(aggregations);
        let window = reading.moment.map(|moment| moment.window);
        let cells = self.groups.cells_mut(&reading.key, window, empty);
        count_event(cells, aggregations, reading.numbers);
        self.drop_rows();
    }

    /// Notes the time of an event; whether the rows of its window are dropped by now.
    fn is_over_at(&mut self, moment: Moment) -> bool {
        if self.spec.kept().is_none() {
            return false;
        }
        self.newest = self.newest.max(moment.nanos);
        self.is_over(moment.window)
    }

    fn is_over(&self, window: i64) -> bool {
        self.spec.is_over(window, self.newest)
    }

    /// Drops the rows that are over each time that there are twice as many rows as were left
    /// before. When that is does not show: no answer and no snapshot has them.
    fn drop_rows(&mut self) {
        if self.groups.len() < self.drop_at || self.spec.kept().is_none() {
            return;
        }
        let (spec, newest) = (&self.spec, self.newest);
        self.groups
            .drop_windows(|window| spec.is_over(window, newest));
        self.drop_at = FEW_ROWS.max(2 * self.groups.len());
    }

    /// The newest time of an event, where rows are dropped by it.
    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    /// The events of the wanted type that are in no group, by why.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Whether no more rows than this are in memory, without looking at them.
    #[must_use]
    pub fn has_at_most(&self, rows: usize) -> bool {
        self.groups.len() <= rows
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A state of these parts.
    pub(crate) fn of(spec: Arc<ViewSpec>, left_out: LeftOut, newest: i64, groups: Groups) -> Self {
        Self {
            drop_at: FEW_ROWS.max(2 * groups.len()),
            spec,
            left_out,
            newest,
            groups,
        }
    }
}
