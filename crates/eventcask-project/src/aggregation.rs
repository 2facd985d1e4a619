//! One aggregation of a view: what is done with which field.

use crate::SpecError;
use crate::path::check_path;
use crate::plan::Plan;

/// What is done with the rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Sum,
    Min,
    Max,
    Mean,
}

/// One aggregation of a view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregation {
    text: String,
    kind: Kind,
    /// Which of the plan's values it looks at; none where the events themselves are counted.
    value: Option<usize>,
}

impl Aggregation {
    /// Reads `sum:dep_delay` and the like, and adds the field to what the plan picks.
    pub(crate) fn parse(text: &str, plan: &mut Plan) -> Result<Self, SpecError> {
        let unknown = || SpecError::Aggregation {
            text: text.chars().take(64).collect(),
        };
        if text == "count" {
            return Ok(Self {
                text: text.to_owned(),
                kind: Kind::Count,
                value: None,
            });
        }
        let (kind, field) = text.split_once(':').ok_or_else(unknown)?;
        let kind = match kind {
            "count" => Kind::Count,
            "sum" => Kind::Sum,
            "min" => Kind::Min,
            "max" => Kind::Max,
            "mean" => Kind::Mean,
            _ => return Err(unknown()),
        };
        check_path(field)?;
        Ok(Self {
            text: text.to_owned(),
            kind,
            value: Some(plan.value(field)),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn value(&self) -> Option<usize> {
        self.value
    }
}
