//! Sets of the bytes that text values may contain.
//!
//! Every set here is a subset of printable ASCII. A text of such bytes is valid UTF-8, and
//! its byte positions equal its character positions.

use super::value_error::{ValueError, ValueProblem};

/// Accepts the bytes that `WeChat` allows in merchant-made numbers (`out_trade_no`,
/// `out_refund_no`): `[0-9A-Za-z_\-|*@]`.
pub(super) fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'|' | b'*' | b'@')
}

/// Accepts printable ASCII without the space: `0x21..=0x7e`.
pub(super) fn is_graphic(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Accepts printable ASCII and the space: `0x20..=0x7e`.
pub(super) fn is_graphic_or_space(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Checks for 1 to `max` bytes of one byte set. `what` and `allowed` are for the error.
pub(super) fn check_ascii(
    what: &'static str,
    text: &[u8],
    max: usize,
    is_allowed: impl Fn(u8) -> bool,
    allowed: &'static str,
) -> Result<(), ValueError> {
    let problem = match text.len() {
        0 => ValueProblem::Empty,
        len if len > max => {
            let unit = if text.is_ascii() {
                "characters"
            } else {
                "bytes"
            };
            ValueProblem::TooLong { len, max, unit }
        }
        _ => match first_bad(text, is_allowed) {
            Some(at) => ValueProblem::BadByte { at },
            None => return Ok(()),
        },
    };
    Err(ValueError::new(what, problem, allowed))
}

/// Returns the position of the first byte that is not allowed.
pub(super) fn first_bad(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> Option<usize> {
    // Nearly every text is valid. `&` does not short-circuit, so the common case has no
    // branch for each byte and the compiler can vectorize the loop.
    if bytes.iter().fold(true, |all, &byte| all & allowed(byte)) {
        return None;
    }
    bytes.iter().position(|&byte| !allowed(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_byte_set_has_67_ascii_bytes() {
        let all: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_number_byte(byte)).collect();
        assert_eq!(all.len(), 10 + 26 + 26 + 5);
        assert!(all.iter().all(|&byte| is_graphic(byte)));
    }

    #[test]
    fn graphic_byte_set_excludes_space_and_delete() {
        assert!(is_graphic(0x21) && is_graphic(0x7e));
        assert!(!is_graphic(0x20) && !is_graphic(0x7f) && !is_graphic(0x80));
        assert!(is_graphic_or_space(0x20) && !is_graphic_or_space(0x1f));
    }

    #[test]
    fn first_bad_returns_first_invalid_byte() {
        assert_eq!(first_bad(b"ab c d", is_graphic), Some(2));
        assert_eq!(first_bad(b"abcd", is_graphic), None);
    }
}
