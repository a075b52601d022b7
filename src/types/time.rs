//! Points in time.
//!
//! Invariants:
//! - A time is a number of Unix milliseconds (UTC) from 1970 to the end of the year 9999. It is
//!   never negative and fits into 48 bits.
//! - The time zone of the machine has no influence. A text without an offset is Beijing time,
//!   like in the payment channel.
//! - A date that does not exist is an error. Parsing never adjusts it to a valid date.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value_error::{ValueError, ValueProblem};

/// Offset of Beijing time from UTC, in milliseconds: 8 hours, all year.
const BEIJING_AHEAD_MS: i64 = 8 * 60 * 60 * 1000;
const COMPACT: &[u8] = b"yyyyMMddHHmmss";
const CIVIL: &[u8] = b"yyyy-MM-dd HH:mm:ss";
const RFC3339_HEAD: &[u8] = b"yyyy-MM-ddTHH:mm:ss";

/// Point in time: Unix milliseconds, UTC, `0..=253402300799999` (the end of 9999).
///
/// It serializes to that integer. `Display` prints RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Returns the error for an invalid time.
const fn invalid(problem: ValueProblem) -> ValueError {
    let allowed = "write a time of the years 1970 to 9999 like 2022-03-21 13:20:07, 20220321132007 \
                   or 2022-03-21T13:20:07+08:00, or a day like 2022-03-21";
    ValueError::new("time", problem, allowed)
}

impl From<SystemTime> for Timestamp {
    /// Converts a system time like [`Timestamp::from_system`].
    fn from(time: SystemTime) -> Self {
        Self::from_system(time)
    }
}

impl Timestamp {
    /// Earliest time: 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);
    /// Latest time: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Creates a point in time from Unix milliseconds.
    ///
    /// # Errors
    /// [`ValueProblem::OutOfRange`] outside `0..=253402300799999`.
    pub const fn from_millis(millis: i64) -> Result<Self, ValueError> {
        if millis < Self::EPOCH.0 || millis > Self::MAX.0 {
            return Err(invalid(ValueProblem::OutOfRange));
        }
        Ok(Self(millis))
    }

    /// Converts a system time, truncated to milliseconds. A time before 1970 gives
    /// [`Timestamp::EPOCH`], a time after 9999 gives [`Timestamp::MAX`].
    #[must_use]
    pub fn from_system(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::EPOCH.saturating_add(since_epoch)
    }

    /// Returns the time of the system clock, truncated to milliseconds. A store may have a clock
    /// of its own: use [`Store::now`](crate::Store::now) for times that the store compares.
    #[must_use]
    pub fn now() -> Self {
        Self::from_system(SystemTime::now())
    }

    /// Returns the Unix milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the Unix milliseconds as an unsigned number below 2⁴⁸, for stored keys.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// Adds `duration`, truncated to milliseconds. The result is at most [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration))).min(Self::MAX)
    }

    /// Subtracts `duration`, truncated to milliseconds. The result is at least
    /// [`Timestamp::EPOCH`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration))).max(Self::EPOCH)
    }

    /// Returns the time elapsed since `earlier`, or zero if `earlier` is later than `self`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_u64().saturating_sub(earlier.as_u64()))
    }

    /// Parses `yyyyMMddHHmmss` in Beijing time, the format of the channel's `time_end`.
    ///
    /// # Errors
    /// [`ValueError`] unless the text has exactly 14 digits and the time exists.
    pub fn parse_compact(text: &str) -> Result<Self, ValueError> {
        Civil::read(text.as_bytes(), COMPACT, 0)?.in_beijing()
    }

    /// Parses `yyyy-MM-dd HH:mm:ss` in Beijing time, the format of the channel's bills. One
    /// leading backtick is allowed, because fields of bills may begin with one.
    ///
    /// # Errors
    /// [`ValueError`] unless the text has this format and the time exists.
    pub fn parse_civil(text: &str) -> Result<Self, ValueError> {
        let bare = text.strip_prefix('`').unwrap_or(text);
        let start = text.len().saturating_sub(bare.len());
        Civil::read(bare.as_bytes(), CIVIL, start)?.in_beijing()
    }

    /// Parses RFC 3339 with any offset, such as `2022-03-21T13:20:07+08:00`, the format of the
    /// channel's `success_time`. Parsing truncates fractions to milliseconds.
    ///
    /// # Errors
    /// [`ValueError`] unless the text has this format and the time exists.
    pub fn parse_rfc3339(text: &str) -> Result<Self, ValueError> {
        let at = RFC3339_HEAD.len();
        let head = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        // The first 19 bytes are parsed here, because the calendar library reports neither
        // the position nor the reason of an error. The library also accepts leap seconds, which
        // `naive` rejects. The `nanosecond` filter repeats that check on the library's result.
        Civil::read(head, RFC3339_HEAD, 0)?.naive()?;
        let time = DateTime::parse_from_rfc3339(text)
            .ok()
            .filter(|time| time.nanosecond() < 1_000_000_000)
            .ok_or(invalid(ValueProblem::BadOffset { at }))?;
        Self::from_millis(time.timestamp_millis())
    }

    /// Formats the time in Beijing time as `2022-03-21 13:20:07`, without milliseconds.
    #[must_use]
    pub fn beijing(self) -> impl fmt::Display {
        Beijing(self)
    }
}

fn whole_millis(duration: Duration) -> i64 {
    let millis = duration.as_secs().saturating_mul(1_000);
    let millis = millis.saturating_add(u64::from(duration.subsec_millis()));
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Date and time of day from a text, not yet validated against the calendar.
#[derive(Default)]
struct Civil {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Civil {
    /// Parses a text of the given format. The letters `yMdHms` of the format match a digit;
    /// every other byte matches itself, in either case. `start` is the position of `text` in
    /// the caller's input.
    fn read(text: &[u8], form: &[u8], start: usize) -> Result<Self, ValueError> {
        let len = text.len();
        if len != form.len() {
            return Err(invalid(ValueProblem::WrongLength { len }));
        }
        let mut civil = Self::default();
        for (at, (&byte, &mark)) in (start..).zip(text.iter().zip(form)) {
            if !civil.take(byte, mark) {
                return Err(invalid(ValueProblem::BadByte { at }));
            }
        }
        Ok(civil)
    }

    /// Adds one byte of a text. Returns whether the byte matches `mark`, the byte of the
    /// format at the same position.
    fn take(&mut self, byte: u8, mark: u8) -> bool {
        let field = match mark {
            b'y' => &mut self.year,
            b'M' => &mut self.month,
            b'd' => &mut self.day,
            b'H' => &mut self.hour,
            b'm' => &mut self.minute,
            b's' => &mut self.second,
            _ => return byte.eq_ignore_ascii_case(&mark),
        };
        if byte.is_ascii_digit() {
            // A field has at most four digits, so this cannot overflow.
            *field = *field * 10 + u32::from(byte - b'0');
        }
        byte.is_ascii_digit()
    }

    /// Converts to a calendar time, or returns an error if the time does not exist.
    fn naive(&self) -> Result<NaiveDateTime, ValueError> {
        let &Self {
            year, month, day, ..
        } = self;
        let &Self {
            hour,
            minute,
            second,
            ..
        } = self;
        let date = i32::try_from(year)
            .ok()
            .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
            .ok_or(invalid(ValueProblem::NoSuchDate))?;
        let time = NaiveTime::from_hms_opt(hour, minute, second)
            .ok_or(invalid(ValueProblem::NoSuchTime))?;
        Ok(date.and_time(time))
    }

    fn in_beijing(&self) -> Result<Timestamp, ValueError> {
        let as_if_utc = self.naive()?.and_utc().timestamp_millis();
        Timestamp::from_millis(as_if_utc.saturating_sub(BEIJING_AHEAD_MS))
    }
}

/// Returns the calendar time of Unix milliseconds. Every `Timestamp` is far inside the range
/// of the library, so the conversion never fails.
fn calendar(millis: i64) -> NaiveDateTime {
    DateTime::from_timestamp_millis(millis)
        .unwrap_or_default()
        .naive_utc()
}

struct Beijing(Timestamp);

impl fmt::Display for Beijing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.0.0.saturating_add(BEIJING_AHEAD_MS);
        write!(f, "{}", calendar(there).format("%Y-%m-%d %H:%M:%S"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", calendar(self.0).format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_millis(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
