//! Text from a store on a terminal.

use std::borrow::Cow;
use std::io::{Write as _, stderr};

/// Says a sentence on standard error. Where that can not be written there is nobody left to tell:
/// the exit code says the rest.
pub fn tell(sentence: &str) {
    let line = format!("eventcask: {}\n", escaped(sentence));
    let _ = stderr().write_all(line.as_bytes());
}

/// `text` without control characters, so that a key from a file can neither move the cursor
/// nor paint the screen.
///
/// ```
/// use eventcask_console::output::escaped;
/// assert_eq!(escaped("N14228"), "N14228");
/// assert_eq!(escaped("\u{1b}[2Jgone\n"), r"\u{1b}[2Jgone\n");
/// ```
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unseen(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those that turn the direction of the text around them.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
