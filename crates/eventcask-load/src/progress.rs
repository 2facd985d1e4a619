//! What is said while it goes on.

use std::io::{Write as _, stderr};

/// Writes a line to standard error. A closed one is no failure: nobody reads it.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
