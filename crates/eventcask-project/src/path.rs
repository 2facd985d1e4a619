//! Paths of fields.

use crate::{MAX_PATH_BYTES, MAX_PATH_DEPTH, SpecError};

/// Refuses a text that is not names joined by dots, or is too long.
pub(crate) fn check_path(path: &str) -> Result<(), SpecError> {
    let names_fit = path.split('.').all(|name| !name.is_empty());
    if names_fit && path.len() <= MAX_PATH_BYTES && path.split('.').count() <= MAX_PATH_DEPTH {
        return Ok(());
    }
    Err(SpecError::Path {
        path: path.chars().take(64).collect(),
    })
}
