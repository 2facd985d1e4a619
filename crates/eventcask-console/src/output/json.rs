//! JSON text, written from its parts.

use std::fmt::Display;
use std::io::Write as _;

use eventcask::inspect::Problem;

/// Appends `text` as a JSON string.
///
/// Control characters are escaped, those of the second set (U+007F to U+009F) as well, so
/// that what a terminal shows is text only.
///
/// ```
/// let mut line = Vec::new();
/// eventcask_console::output::write_json_string(&mut line, "a\"b\u{1b}[2J");
/// assert_eq!(line, br#""a\"b\u001b[2J""#);
/// ```
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| may_need_escape(*byte)) {
        None => out.extend_from_slice(bytes),
        Some(at) => {
            out.extend_from_slice(&bytes[..at]);
            write_escaped(out, &text[at..]);
        }
    }
    out.push(b'"');
}

/// Whether a character that begins with this byte may have to be escaped; `0xc2` begins the
/// second set of control characters.
fn may_need_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xc2)
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(br#"\""#),
            '\\' => out.extend_from_slice(br"\\"),
            '\n' => out.extend_from_slice(br"\n"),
            '\r' => out.extend_from_slice(br"\r"),
            '\t' => out.extend_from_slice(br"\t"),
            control if control.is_control() => {
                write_display(out, format_args!("\\u{:04x}", u32::from(control)));
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends whatever can be shown, as it is.
pub(super) fn write_display(out: &mut Vec<u8>, value: impl Display) {
    // Writing into memory can not fail, and no Display here fails on its own.
    let _ = write!(out, "{value}");
}

/// A JSON object that is written member by member.
///
/// ```
/// use eventcask_console::output::Object;
/// let mut line = Vec::new();
/// let mut object = Object::new(&mut line);
/// object.text("name", "a").number("rows", 3);
/// object.end();
/// assert_eq!(line, br#"{"name":"a","rows":3}"#);
/// ```
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        write_json_string(self.value(name), value);
        self
    }

    /// Adds whatever shows itself as text, such as an id or a time, which need no escapes.
    pub fn shown(&mut self, name: &str, value: impl Display) -> &mut Self {
        write_display(self.value(name), format_args!("\"{value}\""));
        self
    }

    /// Adds whole numbers, and true and false.
    pub fn number(&mut self, name: &str, value: impl Display) -> &mut Self {
        write_display(self.value(name), value);
        self
    }

    /// Adds a number with a fraction; JSON has no word for those that are not finite.
    pub fn float(&mut self, name: &str, value: f64) -> &mut Self {
        if value.is_finite() {
            self.number(name, value)
        } else {
            self.raw(name, b"null")
        }
    }

    /// Adds JSON text as it is.
    pub fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.value(name).extend_from_slice(json);
        self
    }

    /// Writes a name; the value is to be written into what is returned.
    pub fn value(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write_json_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Writes the end.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a JSON array, each item by `write`.
pub fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends what is damaged in a file.
pub fn write_problem(out: &mut Vec<u8>, problem: &Problem) {
    let mut object = Object::new(out);
    object
        .text("file", &problem.file)
        .number("place", problem.place);
    object.text("reason", &problem.reason);
    object.end();
}
