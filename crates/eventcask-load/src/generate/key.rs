//! The text of an aggregate's key.

const TEXT: &[u8; 17] = b"account-000000000";
const PREFIX_BYTES: usize = 8;

/// The decimal digits of 0 to 999.
const DIGITS: [[u8; 3]; 1000] = {
    let mut all = [[0; 3]; 1000];
    let mut number = 0;
    while number < all.len() {
        let digits = [number / 100, number / 10 % 10, number % 10];
        all[number] = [
            b'0' + digits[0] as u8,
            b'0' + digits[1] as u8,
            b'0' + digits[2] as u8,
        ];
        number += 1;
    }
    all
};

/// `account-` and nine digits, written into the same 17 bytes each time.
///
/// ```
/// use eventcask_load::generate::Key;
/// assert_eq!(Key::default().of(1_234_567), "account-001234567");
/// ```
#[derive(Debug, Clone)]
pub struct Key([u8; TEXT.len()]);

impl Default for Key {
    fn default() -> Self {
        Self(*TEXT)
    }
}

impl Key {
    /// Bytes of each key.
    pub const BYTES: usize = TEXT.len();
    /// The most aggregates that get keys of their own.
    pub const LIMIT: u32 = 1_000_000_000;

    /// The key of an aggregate.
    ///
    /// # Panics
    /// When `aggregate` is not below [`LIMIT`](Self::LIMIT).
    #[inline]
    pub fn of(&mut self, aggregate: u32) -> &str {
        assert!(aggregate < Self::LIMIT);
        let thousands = [
            aggregate / 1_000_000,
            aggregate / 1000 % 1000,
            aggregate % 1000,
        ];
        for (at, three) in thousands.into_iter().enumerate() {
            let at = PREFIX_BYTES + at * 3;
            self.0[at..at + 3].copy_from_slice(&DIGITS[three as usize]);
        }
        str::from_utf8(&self.0).expect("letters and digits")
    }
}
