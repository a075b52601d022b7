//! Times on the command line. They are in Beijing time, unless the text has a UTC offset.

use std::ops::Range;
use std::time::SystemTime;

use clap::Args;
use orderstore::wechat::bill::BillDay;
use orderstore::{Timestamp, ValueError};

use crate::failure::Failure;

/// Parses a time. A date without a time of day means its midnight.
pub(crate) fn parse(text: &str) -> Result<Timestamp, ValueError> {
    match text.len() {
        _ if text.contains('T') => Timestamp::parse_rfc3339(text),
        10 => day(text).map(|day| day.range().start),
        14 => Timestamp::parse_compact(text),
        _ => Timestamp::parse_civil(text),
    }
}

/// Parses a day in Beijing time.
pub(crate) fn day(text: &str) -> Result<BillDay, ValueError> {
    BillDay::parse(text)
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// Period of time. Without `--from` and `--to` it covers all times.
#[derive(Args, Clone, Copy)]
pub(crate) struct TimeRange {
    /// Start of the period
    #[arg(long, value_name = "TIME", value_parser = parse)]
    from: Option<Timestamp>,
    /// End of the period, exclusive. A date means its midnight
    #[arg(long, value_name = "TIME", value_parser = parse)]
    to: Option<Timestamp>,
}

impl TimeRange {
    /// Returns the period of the flags. An empty period is an error.
    pub(crate) fn range(self) -> Result<Range<Timestamp>, Failure> {
        let from = self.from.unwrap_or(Timestamp::EPOCH);
        let to = self.to.unwrap_or(Timestamp::MAX);
        if from < to {
            return Ok(from..to);
        }
        Err(Failure::usage(
            "--to must be later than --from: --to is exclusive, so for one day use the next day",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_flag_accepts_every_documented_format() {
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
    fn time_flag_rejects_invalid_time() {
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
    fn time_range_end_must_follow_start() {
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
