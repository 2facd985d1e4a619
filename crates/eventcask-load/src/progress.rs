//! What is said while it goes on.

use std::io::{Write as _, stderr};

/// Says something on standard error; who has closed it does not want to know.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
