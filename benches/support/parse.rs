//! Values of command-line arguments.

use std::str::FromStr;

/// Longest run in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// Parses the duration of a run.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let valid = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= SECONDS_MAX);
    valid.ok_or_else(|| format!("a number above 0 and up to {SECONDS_MAX} is required"))
}

/// Parses a count of at least one.
pub(crate) fn count<N: FromStr + PartialOrd + Default>(text: &str) -> Result<N, String> {
    let count = text.parse().ok();
    let valid = count.filter(|count| *count > N::default());
    valid.ok_or_else(|| "an integer of at least 1 is required".to_owned())
}
