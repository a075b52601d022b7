//! Growth: 64 callers fill one store, with figures for every million orders.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use orderstore::{OrderNo, Store};
use serde::Serialize;

use crate::figures::{float, to};
use crate::latencies::Percentiles;
use crate::lifecycle::{Callers, check_and_close, expect};
use crate::report::{Report, Row};
use crate::sample::{Checked, Sample};
use crate::setting::Setting;
use crate::watch::{Watched, watched};

const CALLERS: usize = 64;

/// Figures of one stretch of orders.
#[derive(Serialize)]
struct Stretch {
    /// Number of orders at its end.
    orders: u64,
    users: u64,
    rate: f64,
    #[serde(flatten)]
    latencies: Percentiles,
    group_mean: f64,
    #[serde(flatten)]
    watched: Watched,
}

impl Row for Stretch {
    const MODE: &'static str = "grow";

    fn text(&self) -> String {
        format!(
            "{:>9} orders {:>9.0}/s  p99 {:>7.0} µs  p99.9 {:>7.0}  max {:>8.0}  resident {} \
             MiB  flushes, ms: {:?}",
            self.orders,
            self.rate,
            self.latencies.p99_us,
            self.latencies.p999_us,
            self.latencies.max_us,
            self.watched.memory.resident_max >> 20,
            self.watched.flush_ms,
        )
    }
}

/// Ratio of the last stretch to the second one, and the cost of a read at the end.
#[derive(Serialize)]
struct Grown {
    orders: u64,
    users: u64,
    /// Rate of the last stretch divided by that of the second.
    growth: f64,
    /// Nanoseconds to read a random order by its number, after the last checkpoint.
    get_ns: f64,
}

impl Row for Grown {
    const MODE: &'static str = "grown";

    fn text(&self) -> String {
        format!(
            "{:>9} orders: the last stretch over the second {:.2}, get {:.0} ns",
            self.orders, self.growth, self.get_ns
        )
    }
}

pub(crate) fn measure(
    report: Report,
    setting: Setting,
    dir: &Path,
    orders: u64,
    users: u64,
    length: Duration,
) -> Checked<()> {
    let store = setting.init(&dir.join("store"))?;
    let mut crowd = Callers::new(CALLERS, users)?;
    let stretch = orders.div_ceil(10).min(1_000_000);
    let (mut rates, mut made) = (Vec::new(), 0);
    while made < orders {
        let units = stretch.min(orders - made);
        let (mut seen, watched) = watched(&store, setting, || crowd.make(&store, units))?;
        made += units;
        rates.push(seen.rate());
        let row = Stretch {
            orders: made,
            users,
            rate: seen.rate(),
            latencies: seen.latencies.percentiles(),
            group_mean: seen.group_mean(),
            watched,
        };
        report.row(setting, &row)?;
    }
    store.checkpoint().wait()?;
    let get_ns = to(1.0, get(&store, &crowd.kept(), length)?);
    check_and_close(store, orders)?;
    let (second, last) = (rates.get(1), rates.last());
    let (second, last) = second
        .zip(last)
        .ok_or("fewer than two stretches were measured")?;
    let growth = to(1000.0, last / second);
    report.row(
        setting,
        &Grown {
            orders,
            users,
            growth,
            get_ns,
        },
    )
}

/// Measures the nanoseconds to read a random order by its number.
pub(crate) fn get(store: &Store, numbers: &[OrderNo], length: Duration) -> Checked<f64> {
    let mut sample = Sample::new(7, 1)?;
    let count = u64::try_from(numbers.len())?;
    let (mut gets, began) = (0_u64, Instant::now());
    while began.elapsed() < length {
        for _ in 0..256 {
            let place = usize::try_from(sample.below(count))?;
            let no = *numbers.get(place).ok_or("there are no orders")?;
            let order = black_box(store.get(no).wait()?);
            expect(&order.map(|order| order.no), &Some(no))?;
        }
        gets += 256;
    }
    Ok(began.elapsed().as_secs_f64() * 1e9 / float(gets))
}
