//! Points in time.
//!
//! Invariants:
//! - A time is a count of milliseconds from 1970 to the end of the year 9999, in UTC. It
//!   is never negative and fits 48 bits.
//! - The machine's zone plays no part. A text without an offset is Beijing time, as the
//!   payment channel means it; the calendar library is built without a clock and so
//!   knows no local zone at all.
//! - A date that is not in the calendar is refused, never moved to one that is.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Beijing is ahead of UTC by this much, all year.
const BEIJING_AHEAD_MS: i64 = 8 * 60 * 60 * 1000;
const COMPACT: &[u8] = b"yyyyMMddHHmmss";
const CIVIL: &[u8] = b"yyyy-MM-dd HH:mm:ss";
const RFC3339_HEAD: &[u8] = b"yyyy-MM-ddTHH:mm:ss";

/// A point in time: Unix milliseconds, UTC, `0..=253402300799999` (the end of 9999).
///
/// Serialized it is that integer, and in binary forms 6 big-endian bytes of it. `Display` prints RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why something is not a point in time. May grow. Positions count bytes from 0 in the
/// text as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// Before 1970 or after 9999, in UTC.
    #[error("time of {millis} ms is not within the years 1970 to 9999")]
    OutOfRange {
        /// The Unix milliseconds found.
        millis: i64,
    },
    /// The text does not have the length of its form.
    #[error("time is not complete or is too long: write it like {}", example(.expected))]
    WrongLength {
        /// The length found, in bytes, without a leading backtick.
        len: usize,
        /// The length of the form; for RFC 3339 the least one, up to the seconds.
        expected: usize,
    },
    /// A byte that is not the digit or the mark its form has there.
    #[error("time has something unexpected at character {}: write it like {}", .at + 1, example(&0))]
    BadByte {
        /// The position of the byte.
        at: usize,
        /// The byte itself.
        byte: u8,
    },
    /// The calendar has no such day.
    #[error("date {year:04}-{month:02}-{day:02} is not in the calendar")]
    NoSuchDate {
        /// The year found.
        year: u32,
        /// The month found.
        month: u32,
        /// The day found.
        day: u32,
    },
    /// The day has no such time. Leap seconds, written as second 60, are among these.
    #[error(
        "time of day {hour:02}:{minute:02}:{second:02} does not exist: the last one is 23:59:59"
    )]
    NoSuchTime {
        /// The hour found.
        hour: u32,
        /// The minute found.
        minute: u32,
        /// The second found.
        second: u32,
    },
    /// What follows the seconds is no fraction and offset of RFC 3339.
    #[error("time has no offset behind its seconds: write it like 2022-03-21T13:20:07+08:00")]
    BadOffset {
        /// Where the fraction or offset begins.
        at: usize,
    },
}

/// A time in the forms that have so many bytes; in all forms, where none has.
const fn example(len: &usize) -> &'static str {
    match *len {
        10 => "2022-03-21",
        14 => "20220321132007",
        _ => "2022-03-21 13:20:07, 20220321132007 or 2022-03-21T13:20:07+08:00",
    }
}

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// A point in time from Unix milliseconds.
    ///
    /// # Errors
    /// [`TimestampError::OutOfRange`] outside `0..=253402300799999`.
    pub const fn from_millis(millis: i64) -> Result<Self, TimestampError> {
        if millis < Self::EPOCH.0 || millis > Self::MAX.0 {
            return Err(TimestampError::OutOfRange { millis });
        }
        Ok(Self(millis))
    }

    /// The nearest point in time to the system's, cut to milliseconds: a clock before
    /// 1970 or after 9999 gives the end of the range.
    #[must_use]
    pub fn from_system(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::EPOCH.saturating_add(since_epoch)
    }

    /// Unix milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Unix milliseconds as an unsigned number below 2⁴⁸, for keys.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// Later by `duration`, cut to milliseconds, and [`Timestamp::MAX`] at most.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration))).min(Self::MAX)
    }

    /// Earlier by `duration`, cut to milliseconds, and [`Timestamp::EPOCH`] at least.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration))).max(Self::EPOCH)
    }

    /// How long it is since `earlier`; zero if that is in fact later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_u64().saturating_sub(earlier.as_u64()))
    }

    /// Reads `yyyyMMddHHmmss`, Beijing time: the channel's `time_end`.
    ///
    /// # Errors
    /// [`TimestampError`] unless it is exactly 14 digits of a time that exists.
    pub fn parse_compact(text: &str) -> Result<Self, TimestampError> {
        Civil::read(text.as_bytes(), COMPACT, 0)?.in_beijing()
    }

    /// Reads `yyyy-MM-dd HH:mm:ss`, Beijing time: the channel's bills, whose fields may
    /// begin with a backtick.
    ///
    /// # Errors
    /// [`TimestampError`] unless the text has this form and the time exists.
    pub fn parse_civil(text: &str) -> Result<Self, TimestampError> {
        let bare = text.strip_prefix('`').unwrap_or(text);
        let start = text.len().saturating_sub(bare.len());
        Civil::read(bare.as_bytes(), CIVIL, start)?.in_beijing()
    }

    /// Reads RFC 3339 with any offset, such as `2022-03-21T13:20:07+08:00`: the channel's
    /// `success_time`. Fractions finer than a millisecond are cut.
    ///
    /// # Errors
    /// [`TimestampError`] unless the text has this form and the time exists.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimestampError> {
        let at = RFC3339_HEAD.len();
        let head = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        // The head is read first since it names the place and the reason; the library
        // names neither, and would let a leap second pass.
        Civil::read(head, RFC3339_HEAD, 0)?.naive()?;
        let time = DateTime::parse_from_rfc3339(text)
            .ok()
            .filter(|time| time.nanosecond() < 1_000_000_000)
            .ok_or(TimestampError::BadOffset { at })?;
        Self::from_millis(time.timestamp_millis())
    }

    /// Prints Beijing time as `2022-03-21 13:20:07`, without milliseconds.
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

/// A date and time of day as written, before the calendar was asked.
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
    /// Reads a text of the given form, where letters stand for digits and everything else
    /// for itself. The text begins at `start` of what the caller was given.
    fn read(text: &[u8], form: &[u8], start: usize) -> Result<Self, TimestampError> {
        let (len, expected) = (text.len(), form.len());
        if len != expected {
            return Err(TimestampError::WrongLength { len, expected });
        }
        let mut civil = Self::default();
        for (at, (&byte, &mark)) in (start..).zip(text.iter().zip(form)) {
            if !civil.take(byte, mark) {
                return Err(TimestampError::BadByte { at, byte });
            }
        }
        Ok(civil)
    }

    /// Takes one byte of a text; whether it is what the mark of the form asks for.
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
            // Four digits at most, so this cannot overflow.
            *field = *field * 10 + u32::from(byte - b'0');
        }
        byte.is_ascii_digit()
    }

    /// Asks the calendar whether there is such a time.
    fn naive(&self) -> Result<NaiveDateTime, TimestampError> {
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
            .ok_or(TimestampError::NoSuchDate { year, month, day })?;
        let time =
            NaiveTime::from_hms_opt(hour, minute, second).ok_or(TimestampError::NoSuchTime {
                hour,
                minute,
                second,
            })?;
        Ok(date.and_time(time))
    }

    fn in_beijing(&self) -> Result<Timestamp, TimestampError> {
        let as_if_utc = self.naive()?.and_utc().timestamp_millis();
        Timestamp::from_millis(as_if_utc.saturating_sub(BEIJING_AHEAD_MS))
    }
}

/// The calendar time of Unix milliseconds, which are in the library's range by far.
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
        if serializer.is_human_readable() {
            return serializer.serialize_i64(self.0);
        }
        let [_, _, rest @ ..] = self.as_u64().to_be_bytes();
        rest.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = if deserializer.is_human_readable() {
            i64::deserialize(deserializer)?
        } else {
            let bytes: [u8; 6] = Deserialize::deserialize(deserializer)?;
            let fold = |sum, byte: &u8| sum << 8 | i64::from(*byte);
            bytes.iter().fold(0, fold)
        };
        Self::from_millis(millis).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
