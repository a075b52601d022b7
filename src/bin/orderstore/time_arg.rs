//! Times as a person writes them: in Beijing, unless the text says where.

use std::ops::Range;
use std::time::SystemTime;

use clap::Args;
use orderstore::wechat::bill::BillDay;
use orderstore::{Timestamp, TimestampError};

use crate::failure::Failure;

/// A time, or a day's first moment.
pub(crate) fn parse(text: &str) -> Result<Timestamp, TimestampError> {
    match text.len() {
        _ if text.contains('T') => Timestamp::parse_rfc3339(text),
        10 => day(text).map(|day| day.range().start),
        14 => Timestamp::parse_compact(text),
        _ => Timestamp::parse_civil(text),
    }
}

/// A day in Beijing.
pub(crate) fn day(text: &str) -> Result<BillDay, TimestampError> {
    BillDay::parse(text)
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// A stretch of time; without its ends, all of it.
#[derive(Args, Clone, Copy)]
pub(crate) struct TimeRange {
    /// From this time on
    #[arg(long, value_name = "TIME", value_parser = parse)]
    from: Option<Timestamp>,
    /// Up to this time, which is excluded: a day stands for its first moment
    #[arg(long, value_name = "TIME", value_parser = parse)]
    to: Option<Timestamp>,
}

impl TimeRange {
    /// The range, which is not empty.
    pub(crate) fn range(self) -> Result<Range<Timestamp>, Failure> {
        let from = self.from.unwrap_or(Timestamp::EPOCH);
        let to = self.to.unwrap_or(Timestamp::MAX);
        if from < to {
            return Ok(from..to);
        }
        Err(Failure::usage(
            "--to is not later than --from: --to is excluded, so that a day ends at the next one",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_read_in_every_form() {
        for form in [
            "2022-03-21 13:20:07",
            "20220321132007",
            "2022-03-21T13:20:07+08:00",
            "2022-03-21T05:20:07Z",
        ] {
            assert_eq!(
                parse(form).unwrap().as_millis(),
                1_647_840_007_000,
                "{form}"
            );
        }
        let midnight = parse("2022-03-21").unwrap();
        assert_eq!(midnight, parse("2022-03-21 00:00:00").unwrap());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2022-02-30",
            "1647840007000",
            "2022-3-1",
            "2022-03-21 13",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stretch_has_an_end_behind_its_beginning() {
        let at = |text| Some(parse(text).unwrap());
        let (from, to) = (at("2022-03-21"), at("2022-03-22"));
        assert!(TimeRange { from, to }.range().is_ok());
        assert!(TimeRange { from: to, to: from }.range().is_err());
        assert!(TimeRange { from, to: from }.range().is_err());
        assert!(
            TimeRange {
                from: None,
                to: None
            }
            .range()
            .is_ok()
        );
    }
}
