//! Growth: 64 callers fill one store, with figures for every million orders.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use orderstore::{OrderNo, Store};
use serde::Serialize;

use crate::expect::expect;
use crate::figures::{float, to};
use crate::lifecycle::{Callers, Figures, check_and_close};
use crate::sample::{Checked, Sample};
use crate::setting::Setting;
use crate::watch::{Watched, watched};

const CALLERS: usize = 64;

/// Figures of one stretch of orders.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "grow")]
struct Stretch {
    /// Number of orders in the store at the end of this stretch.
    orders: u64,
    users: u64,
    #[serde(flatten)]
    figures: Figures,
    #[serde(flatten)]
    watched: Watched,
}

/// Ratio of the last stretch to the second one, and the cost of a read at the end.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "grown")]
struct Grown {
    orders: u64,
    users: u64,
    /// Rate of the last stretch divided by that of the second.
    growth: f64,
    /// Nanoseconds to read a random order by its number, after the last checkpoint.
    get_ns: f64,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (orders, users): (u64, u64),
    length: Duration,
) -> Checked<()> {
    let store = setting.init(&dir.join("store"))?;
    let mut crowd = Callers::new(CALLERS, users)?;
    let stretch = orders.div_ceil(10).min(1_000_000);
    let (mut rates, mut made) = (Vec::new(), 0);
    while made < orders {
        let units = stretch.min(orders - made);
        let (seen, watched) = watched(&store, setting, || crowd.make(&store, units))?;
        made += units;
        rates.push(seen.rate());
        setting.print(&Stretch {
            orders: made,
            users,
            figures: seen.figures(),
            watched,
        })?;
    }
    store.checkpoint().wait()?;
    let get_ns = to(1.0, get(&store, &crowd.kept(), length)?);
    check_and_close(store, orders)?;
    let (second, last) = (rates.get(1), rates.last());
    let (second, last) = second
        .zip(last)
        .ok_or("fewer than two stretches were measured")?;
    let growth = to(1000.0, last / second);
    setting.print(&Grown {
        orders,
        users,
        growth,
        get_ns,
    })
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
