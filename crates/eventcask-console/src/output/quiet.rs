//! Control characters that JSON may hold as they are, on their way to a terminal.

/// First byte of U+0080 to U+00BF; the second set of control characters ends at U+009F.
const LEAD: u8 = 0xc2;
const DELETE: u8 = 0x7f;

/// Writes U+007F to U+009F as `\u00xx`, which says the same within a text of JSON and can not
/// command a terminal. Text may come in any pieces, also with a character in two of them.
///
/// ```
/// use eventcask_console::output::Quiet;
/// let (mut quiet, mut shown) = (Quiet::default(), Vec::new());
/// quiet.filter("\"caf\u{e9} \u{9b}31m\"".as_bytes(), &mut shown);
/// assert_eq!(shown, "\"caf\u{e9} \\u009b31m\"".as_bytes());
/// ```
#[derive(Debug, Default)]
pub struct Quiet {
    /// Whether the first byte of a character came, and not yet its second.
    has_lead: bool,
}

impl Quiet {
    /// Appends `bytes` without those characters. A character that is not whole yet is kept
    /// until the rest of it comes.
    pub fn filter(&mut self, bytes: &[u8], shown: &mut Vec<u8>) {
        for &byte in bytes {
            let had_lead = std::mem::take(&mut self.has_lead);
            match byte {
                0x80..=0x9f if had_lead => write_escape(byte, shown),
                _ if had_lead => shown.extend([LEAD, byte]),
                LEAD => self.has_lead = true,
                DELETE => write_escape(byte, shown),
                _ => shown.push(byte),
            }
        }
    }
}

fn write_escape(character: u8, shown: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let [high, low] = [character >> 4, character & 15].map(|digit| DIGITS[usize::from(digit)]);
    shown.extend([b'\\', b'u', b'0', b'0', high, low]);
}
