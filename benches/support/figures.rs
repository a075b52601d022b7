//! Arithmetic and rounding of figures.

use std::time::Duration;

/// Rounds to a multiple of `1 / places`: `to(10.0, 1.23)` is 1.2.
pub(crate) fn to(places: f64, value: f64) -> f64 {
    (value * places).round() / places
}

#[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// Returns a rate per second.
pub(crate) fn rate(count: u64, elapsed: Duration) -> f64 {
    to(1.0, float(count) / elapsed.as_secs_f64())
}

/// Returns the median; for an even number of values the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    f64::midpoint(at(lower), at(upper))
}
