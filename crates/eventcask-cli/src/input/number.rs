//! Which texts are JSON numbers.

/// Digits of a whole number that any `f64` can hold; it ends at 1.8e308.
const HELD_DIGITS: usize = 300;

/// The number that a field of CSV is, as it can stand in a JSON document. Blanks around it, as
/// after commas, are not part of it.
///
/// What no reader of JSON can hold as a number, such as `7e12345`, is a code that only looks like
/// one: text.
pub(super) fn number_of(field: &str) -> Option<&str> {
    let text = field.trim_matches([' ', '\t']);
    (is_json_number(text.as_bytes()) && can_be_held(text)).then_some(text)
}

/// Whether a number neither passes the range of `f64` nor becomes zero there.
fn can_be_held(number: &str) -> bool {
    let exponent = number.find(['e', 'E']);
    if exponent.is_none() && number.len() <= HELD_DIGITS {
        return true;
    }
    let digits = &number[..exponent.unwrap_or(number.len())];
    let is_zero = !digits.contains(|byte: char| matches!(byte, '1'..='9'));
    let held = number
        .parse()
        .is_ok_and(|float: f64| float.is_finite() && float != 0.0);
    is_zero || held
}

/// Tells whether `text` is a number by the grammar of JSON, so that it can stand in a JSON
/// document as it is: `-12.5e3` is one, `+1`, `007`, `1.` and `0x1f` are not.
fn is_json_number(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 || (unsigned[0] == b'0' && whole > 1) {
        return false;
    }
    let rest = &unsigned[whole..];
    rest.is_empty() || skip_fraction(rest).is_some_and(ends_in_exponent)
}

/// How many digits `text` begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// What follows the fraction, if there is one; `None` when its digits are missing.
fn skip_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else {
        return Some(text);
    };
    match digits(fraction) {
        0 => None,
        count => Some(&fraction[count..]),
    }
}

/// Whether nothing follows but an exponent, or nothing at all.
fn ends_in_exponent(text: &[u8]) -> bool {
    let [b'e' | b'E', exponent @ ..] = text else {
        return text.is_empty();
    };
    let exponent = match exponent {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    !exponent.is_empty() && digits(exponent) == exponent.len()
}
