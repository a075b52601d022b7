//! Latencies of many commands. Every value is kept, so percentiles are exact.

use std::time::Duration;

use serde::Serialize;

/// Latencies in tenths of a microsecond; four bytes hold up to seven minutes.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

/// Percentiles and the maximum, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        let tenths = took.as_nanos() / 100;
        self.0.push(u32::try_from(tenths).unwrap_or(u32::MAX));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn percentiles(&mut self) -> Percentiles {
        self.0.sort_unstable();
        Percentiles {
            p50_us: self.at(500),
            p99_us: self.at(990),
            p999_us: self.at(999),
            max_us: self.0.last().map_or(0.0, |tenths| micros(*tenths)),
        }
    }

    fn at(&self, of_1000: usize) -> f64 {
        let place = self.0.len().saturating_mul(of_1000) / 1000;
        self.0.get(place).map_or(0.0, |tenths| micros(*tenths))
    }
}

fn micros(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}
