//! What one aggregation remembers of one group.

use std::cmp::Ordering;

use crate::aggregation::{Aggregation, Kind};
use crate::decimal::Decimal;
use crate::{Number, Value};

/// What one aggregation remembers of one group. Counters stop at their largest value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    Count(u64),
    Sum(Number),
    Min(Option<Number>),
    Max(Option<Number>),
    Mean { sum: Number, count: u64 },
}

/// One cell an aggregation.
pub(crate) type Cells = Box<[Cell]>;

/// The cells of a group without events.
pub(crate) fn empty_cells(aggregations: &[Aggregation]) -> Cells {
    aggregations
        .iter()
        .map(|aggregation| Cell::empty(aggregation.kind()))
        .collect()
}

/// Counts an event with these numbers in the cells of its group.
pub(crate) fn count_event(
    cells: &mut [Cell],
    aggregations: &[Aggregation],
    numbers: &[Option<Number>],
) {
    for (cell, aggregation) in cells.iter_mut().zip(aggregations) {
        match aggregation.value().map(|value| numbers[value]) {
            None => cell.add(Number::ZERO),
            Some(Some(number)) => cell.add(number),
            Some(None) => {}
        }
    }
}

impl Cell {
    fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Count => Self::Count(0),
            Kind::Sum => Self::Sum(Number::ZERO),
            Kind::Min => Self::Min(None),
            Kind::Max => Self::Max(None),
            Kind::Mean => Self::Mean {
                sum: Number::ZERO,
                count: 0,
            },
        }
    }

    /// Adds one number; a count counts it, whatever it is.
    fn add(&mut self, number: Number) {
        match self {
            Self::Count(count) => *count = count.saturating_add(1),
            Self::Sum(sum) => *sum = sum.add(number),
            Self::Min(min) => keep(min, number, Ordering::Less),
            Self::Max(max) => keep(max, number, Ordering::Greater),
            Self::Mean { sum, count } => {
                *sum = sum.add(number);
                *count = count.saturating_add(1);
            }
        }
    }

    /// Adds all that a cell of the same aggregation remembers.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count = count.saturating_add(more),
            (Self::Sum(sum), Self::Sum(more)) => *sum = sum.add(more),
            (Self::Min(min), Self::Min(Some(other))) => keep(min, other, Ordering::Less),
            (Self::Max(max), Self::Max(Some(other))) => keep(max, other, Ordering::Greater),
            (
                Self::Mean { sum, count },
                Self::Mean {
                    sum: more,
                    count: events,
                },
            ) => {
                *sum = sum.add(more);
                *count = count.saturating_add(events);
            }
            // A side without a minimum or maximum.
            _ => {}
        }
    }

    /// The answer.
    pub(crate) fn value(self) -> Value {
        match self {
            Self::Count(count) => Value::Number(Number::exact(Decimal::from(count))),
            Self::Sum(sum) => Value::Number(sum),
            Self::Min(number) | Self::Max(number) => number.map_or(Value::Null, Value::Number),
            Self::Mean { count: 0, .. } => Value::Null,
            Self::Mean { sum, count } => Value::Number(Number::float(sum.divided_by(count))),
        }
    }
}

/// Keeps of two numbers the one that stands on the wanted side.
fn keep(kept: &mut Option<Number>, number: Number, side: Ordering) {
    if kept.is_none_or(|kept| number.cmp(&kept) == side) {
        *kept = Some(number);
    }
}
