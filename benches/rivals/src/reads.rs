//! Reads of orders that all fit in memory. One thread reads random orders by number, pages of
//! random users, and random orders among those written last. Each result is checked while the clock
//! runs.

use std::time::{Duration, Instant};

use orderstore::{OpenId, OrderNo};
use serde::Serialize;

use crate::batches::fill;
use crate::database::{Database, PAGE};
use crate::figures::{float, to};
use crate::sample::{self, Checked, Sample};
use crate::system::Caller;

/// Number of orders that are written last; few enough to be still in a memtable.
const NEW: usize = 65_536;

/// Mean time of each kind of read.
#[derive(Serialize)]
#[serde(tag = "part", rename = "reads")]
pub(crate) struct Read {
    orders: usize,
    users: u64,
    /// Time to read a settled order by its number.
    get_ns: f64,
    /// Number of orders that are written after the settled ones. This store still has them in its
    /// memtable when `get_new_ns` is measured; other systems read them from wherever they are.
    new_orders: usize,
    get_new_ns: f64,
    page_us: f64,
    /// Mean number of orders on a page.
    page_rows: f64,
}

/// Reads the settled orders of a database, then new ones.
pub(crate) fn measure(database: &Database, all: &[OrderNo], length: Duration) -> Checked<Read> {
    let users = database.users;
    let mut caller = database.rival.caller()?;
    let get_ns = get(&mut *caller, all, length)?;
    let (page_us, page_rows) = page(&mut *caller, users, length)?;
    let new = fill(database, NEW.min(all.len()))?;
    let get_new_ns = get(&mut *caller, &new, length)?;
    Ok(Read {
        orders: all.len(),
        users,
        get_ns: to(1.0, get_ns),
        new_orders: new.len(),
        get_new_ns: to(1.0, get_new_ns),
        page_us: to(100.0, page_us),
        page_rows: to(10.0, page_rows),
    })
}

/// Measures the nanoseconds to read an order by its number, after all were read once.
fn get(caller: &mut dyn Caller, all: &[OrderNo], length: Duration) -> Checked<f64> {
    for no in all {
        expect(caller, no)?;
    }
    let count = u64::try_from(all.len())?;
    let mut sample = Sample::new(7, 1)?;
    let (mut gets, began) = (0_u64, Instant::now());
    while began.elapsed() < length {
        for _ in 0..256 {
            let place = usize::try_from(sample.below(count))?;
            expect(caller, all.get(place).ok_or("the store has no orders")?)?;
        }
        gets += 256;
    }
    Ok(began.elapsed().as_secs_f64() * 1e9 / float(gets))
}

fn expect(caller: &mut dyn Caller, no: &OrderNo) -> Checked<()> {
    let found = caller.get(no)?;
    if found.is_some_and(|found| found.no == *no && found.paid && found.fee > 0) {
        return Ok(());
    }
    Err("an order is missing".into())
}

/// Measures the microseconds to read a page of a user's orders, after all were read once, and
/// returns the mean number of rows.
fn page(caller: &mut dyn Caller, users: u64, length: Duration) -> Checked<(f64, f64)> {
    let users: Checked<Vec<OpenId>> = (0..users).map(sample::openid).collect();
    let users = users?;
    for user in &users {
        caller.page(user.as_str(), PAGE)?;
    }
    let count = u64::try_from(users.len())?;
    let mut sample = Sample::new(8, 1)?;
    let (mut pages, mut rows, began) = (0_u64, 0, Instant::now());
    while began.elapsed() < length {
        for _ in 0..16 {
            let place = usize::try_from(sample.below(count))?;
            let user = users.get(place).ok_or("there are no users")?;
            rows += caller.page(user.as_str(), PAGE)?;
        }
        pages += 16;
    }
    let page_us = began.elapsed().as_secs_f64() * 1e6 / float(pages);
    Ok((page_us, float(u64::try_from(rows)?) / float(pages)))
}
