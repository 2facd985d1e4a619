//! The value of one aggregation in an answer.

use serde::ser::{Serialize, Serializer};

use crate::Number;

/// The value of an aggregation. In order, null comes before all numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// The minimum, maximum or mean of nothing.
    Null,
    /// Any other.
    Number(Number),
}

impl Value {
    /// The number, if there is one.
    #[must_use]
    pub fn number(self) -> Option<Number> {
        match self {
            Self::Null => None,
            Self::Number(number) => Some(number),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}
