//! A name and what belongs to it, as `NAME=VALUE`.

/// A name and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What belongs to it.
    pub value: String,
}

impl Named {
    /// Both.
    #[must_use]
    pub fn pair(&self) -> (String, String) {
        (self.name.clone(), self.value.clone())
    }
}

/// Reads what stands on both sides of the first `=`.
///
/// # Errors
/// A sentence where there is no name.
pub(super) fn named(text: &str) -> Result<Named, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Named {
            name: name.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("a name, = and a value are expected".to_owned()),
    }
}
