//! Which texts are JSON numbers.

/// Tells whether `text` is a number by the grammar of JSON, so that it can stand in a JSON
/// document as it is: `-12.5e3` is one, `+1`, `007`, `1.` and `0x1f` are not.
pub(super) fn is_json_number(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 || (unsigned[0] == b'0' && whole > 1) {
        return false;
    }
    let rest = &unsigned[whole..];
    rest.is_empty() || skip_fraction(rest).is_some_and(ends_in_exponent)
}

/// How many digits `text` begins with.
pub(super) fn digits(text: &[u8]) -> usize {
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
