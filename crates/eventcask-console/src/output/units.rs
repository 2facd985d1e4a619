//! Figures with units, for people.

use std::time::Duration;

/// A whole number with its thousands apart.
///
/// ```
/// assert_eq!(eventcask_console::output::count(334_264), "334,264");
/// ```
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number of bytes in the unit that fits; a MB is a million bytes.
///
/// ```
/// assert_eq!(eventcask_console::output::bytes(812), "812 B");
/// assert_eq!(eventcask_console::output::bytes(31_400_000), "31.4 MB");
/// ```
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut shown = number as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while shown >= 999.95 && unit + 1 < UNITS.len() {
        shown /= 1000.0;
        unit += 1;
    }
    format!("{shown:.1} {}", UNITS[unit])
}

/// A length of time in the unit that fits.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(eventcask_console::output::duration(Duration::from_micros(1500)), "1.50 ms");
/// assert_eq!(eventcask_console::output::duration(Duration::from_secs(75)), "1 min 15 s");
/// ```
#[must_use]
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    match seconds {
        ..0.001 => format!("{} us", length.as_micros()),
        ..1.0 => format!("{:.2} ms", seconds * 1e3),
        ..60.0 => format!("{seconds:.2} s"),
        _ => format!("{} min {} s", length.as_secs() / 60, length.as_secs() % 60),
    }
}
