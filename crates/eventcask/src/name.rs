//! Names of what is kept beside the log.

/// Longest name of a view, a projection or a subscription.
const MAX_NAME_BYTES: usize = 64;

/// Whether a view, a projection or a subscription can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether a name is a number as our files and directories have them.
pub(crate) fn is_numbered(name: &str) -> bool {
    name.parse()
        .is_ok_and(|number: u32| format!("{number:04}") == name)
}
