//! Day of a bill: from midnight to midnight in Beijing time.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::types::{Timestamp, ValueError, ValueProblem};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Day in Beijing time. The machine's time zone does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillDay(Timestamp);

impl BillDay {
    /// Parses `yyyy-MM-dd`.
    ///
    /// # Errors
    /// [`ValueError`] if the text has another format or the day does not exist.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let len = text.len();
        if len != 10 {
            let problem = ValueProblem::WrongLength { len };
            return Err(ValueError::new("day", problem, "write it like 2022-03-21"));
        }
        Timestamp::parse_civil(&format!("{text} 00:00:00")).map(Self)
    }

    /// Returns the time range of the day, from its midnight to the next midnight, which is
    /// excluded.
    #[must_use]
    pub fn range(self) -> Range<Timestamp> {
        self.0..self.0.saturating_add(DAY)
    }
}

impl fmt::Display for BillDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.beijing().to_string();
        f.write_str(text.split(' ').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bill_day_begins_at_midnight_in_beijing() {
        let day = BillDay::parse("2022-03-21").unwrap();
        assert_eq!(day.range().start.to_string(), "2022-03-20T16:00:00.000Z");
        assert_eq!(day.range().end.to_string(), "2022-03-21T16:00:00.000Z");
        assert_eq!(day.to_string(), "2022-03-21");
        for text in ["2022-02-30", "2022-3-21", "20220321", "", "2022-03-21 1"] {
            assert!(BillDay::parse(text).is_err(), "{text}");
        }
    }
}
