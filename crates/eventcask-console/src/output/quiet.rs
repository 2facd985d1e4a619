//! Characters that JSON may hold as they are, and that command a terminal.

/// U+007F, the only one of a single byte.
const DELETE: u8 = 0x7f;
/// First byte of U+0080 to U+00BF; the second set of control characters ends at U+009F.
const CONTROL_LEAD: u8 = 0xc2;
/// First bytes of the characters that turn the direction of text: U+061C, and some of U+2000 to
/// U+207F.
const TURN_LEADS: [u8; 2] = [0xd8, 0xe2];

/// Writes control characters from U+007F on as `\u00xx`, which says the same within a text of JSON
/// and can not command a terminal. On the way to one, those that turn the direction of text as
/// well. Text may come in any pieces, also with a character in several of them.
///
/// ```
/// use eventcask_console::output::Quiet;
/// let (mut quiet, mut shown) = (Quiet::default(), Vec::new());
/// quiet.filter("\"caf\u{e9} \u{9b}31m\u{202e}\"".as_bytes(), &mut shown);
/// assert_eq!(shown, "\"caf\u{e9} \\u009b31m\u{202e}\"".as_bytes());
///
/// let (mut quiet, mut shown) = (Quiet::at_terminal(), Vec::new());
/// quiet.filter("\"\u{202e}\"".as_bytes(), &mut shown);
/// assert_eq!(shown, br#""\u202e""#);
/// ```
#[derive(Debug, Default)]
pub struct Quiet {
    at_terminal: bool,
    /// The first bytes of a character that may have to be escaped.
    begun: Vec<u8>,
}

impl Quiet {
    /// For what a terminal shows.
    #[must_use]
    pub fn at_terminal() -> Self {
        Self {
            at_terminal: true,
            ..Self::default()
        }
    }

    /// Whether nothing of these bytes has to be escaped, and nothing before them waits for them.
    #[must_use]
    pub fn passes(&self, bytes: &[u8]) -> bool {
        let [one, two] = TURN_LEADS;
        self.begun.is_empty()
            && memchr::memchr2(DELETE, CONTROL_LEAD, bytes).is_none()
            && !(self.at_terminal && memchr::memchr2(one, two, bytes).is_some())
    }

    /// Appends `bytes` without those characters. A character that is not whole yet is kept
    /// until the rest of it comes.
    pub fn filter(&mut self, bytes: &[u8], shown: &mut Vec<u8>) {
        for &byte in bytes {
            match (self.begun.as_slice(), byte) {
                ([CONTROL_LEAD], 0x80..=0x9f) => self.escape(byte.into(), shown),
                ([0xd8], 0x9c) => self.escape(0x061c, shown),
                ([0xe2], 0x80 | 0x81) => self.begun.push(byte),
                ([0xe2, 0x80], 0x8e | 0x8f | 0xaa..=0xae) => {
                    self.escape(0x2000 | u16::from(byte & 0x3f), shown);
                }
                ([0xe2, 0x81], 0xa6..=0xa9) => {
                    self.escape(0x2040 | u16::from(byte & 0x3f), shown);
                }
                _ => {
                    shown.append(&mut self.begun);
                    self.begin(byte, shown);
                }
            }
        }
    }

    fn begin(&mut self, byte: u8, shown: &mut Vec<u8>) {
        match byte {
            DELETE => self.escape(byte.into(), shown),
            CONTROL_LEAD => self.begun.push(byte),
            _ if self.at_terminal && TURN_LEADS.contains(&byte) => self.begun.push(byte),
            _ => shown.push(byte),
        }
    }

    fn escape(&mut self, character: u16, shown: &mut Vec<u8>) {
        self.begun.clear();
        shown.extend(format!("\\u{character:04x}").bytes());
    }
}
