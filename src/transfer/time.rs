//! Parser for times in the formats that other systems write.

use std::borrow::Cow;

use super::error::FieldProblem;
use super::fields::Value;
use crate::types::Timestamp;

/// Minimum time, 2001-09-09, in milliseconds since 1970. Every order is newer, so a smaller number
/// is probably in seconds.
const EARLIEST: i64 = 1_000_000_000_000;

/// Reads a time in one of these formats:
/// - milliseconds since 1970, as a number or as a string of digits
/// - RFC 3339
/// - `yyyyMMddHHmmss` or `yyyy-MM-dd HH:mm:ss`, in Beijing time
pub(super) fn read(value: &Value<'_>) -> Result<Timestamp, FieldProblem> {
    match value {
        Value::Number(text) => millis(text),
        Value::Text(text) => of_text(text.trim()),
        Value::Other => Err(FieldProblem::NotTime),
    }
}

/// Parses a number of milliseconds since 1970.
fn millis(text: &str) -> Result<Timestamp, FieldProblem> {
    let millis: i64 = text.parse().map_err(|_| FieldProblem::NotMillis)?;
    if millis < EARLIEST {
        return Err(FieldProblem::NotMillis);
    }
    Ok(Timestamp::from_millis(millis)?)
}

fn of_text(text: &str) -> Result<Timestamp, FieldProblem> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_digits, text.len()) {
        (true, 14) => Ok(Timestamp::parse_compact(text)?),
        (true, 1..) => millis(text),
        _ if text.contains('T') => Ok(Timestamp::parse_rfc3339(&with_colon(text))?),
        _ if text.contains(' ') => Ok(Timestamp::parse_civil(text)?),
        _ => Err(FieldProblem::NotTime),
    }
}

/// Inserts the colon that RFC 3339 requires in an offset. mongoexport 2.x writes `+0000`.
fn with_colon(text: &str) -> Cow<'_, str> {
    let parts = text
        .len()
        .checked_sub(5)
        .and_then(|at| text.split_at_checked(at));
    let Some((head, offset)) = parts else {
        return Cow::Borrowed(text);
    };
    let digits = offset.strip_prefix(['+', '-']).unwrap_or_default();
    let is_offset = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    match offset.split_at_checked(3) {
        Some((hours, minutes)) if is_offset => Cow::Owned(format!("{head}{hours}:{minutes}")),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<i64, FieldProblem> {
        read(&Value::Text(Cow::Borrowed(text))).map(Timestamp::as_millis)
    }

    fn number(text: &str) -> Result<i64, FieldProblem> {
        read(&Value::Number(Cow::Borrowed(text))).map(Timestamp::as_millis)
    }

    #[test]
    fn time_is_read_in_every_supported_format() {
        let moment = Ok(1_647_840_007_000);
        for form in [
            "20220321132007",
            "2022-03-21 13:20:07",
            "2022-03-21T05:20:07.000Z",
            "2022-03-21T13:20:07+08:00",
            "2022-03-21T05:20:07.000+0000",
            "2022-03-21T05:20:07-0000",
            "2022-03-21T13:20:07.000+0800",
            "1647840007000",
            " 1647840007000 ",
        ] {
            assert_eq!(text(form), moment, "{form}");
        }
        assert_eq!(number("1647840007000"), moment);
    }

    #[test]
    fn time_in_seconds_is_refused() {
        let refused = Err(FieldProblem::NotMillis);
        for seconds in ["1647840007", "0", "-1", "1647840007000.5", "1e12"] {
            assert_eq!(number(seconds), refused, "{seconds}");
        }
        assert_eq!(text("1647840007"), refused);
    }

    #[test]
    fn invalid_time_is_refused() {
        for other in [
            "",
            "yesterday",
            "2022/03/21",
            "Mon Mar 21",
            "T+0000",
            "2022-03-21T05:20:07+000",
            "2022-03-21T05:20:07+00:0",
            "茶T茶",
        ] {
            assert!(text(other).is_err(), "{other}");
        }
        assert!(matches!(
            text("20220230000000"),
            Err(FieldProblem::Value(_))
        ));
        assert_eq!(read(&Value::Other), Err(FieldProblem::NotTime));
    }
}
