//! Reads of orders that all fit in memory. One thread reads random orders by number, pages of
//! random users, and random orders among those written last. Each result is checked while the clock
//! runs.

use std::path::Path;
use std::time::{Duration, Instant};

use orderstore::{OpenId, OrderNo};
use serde::{Deserialize, Serialize};

use super::{BATCH, NEW_BATCHES, ORDERS_PER_USER, PAGE, batches, check, float, to};
use crate::rival::{Caller, System, bytes_on_disk};
use crate::sample::{self, Checked, Sample};

/// Figures of one run: mean time of a read, and size of the database.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Read {
    pub(crate) orders: u64,
    pub(crate) users: u64,
    /// Read by number of a settled order.
    pub(crate) get_ns: f64,
    /// Number of orders written after that, and the read of one of them. This store has them in its
    /// memtable; other systems read them from wherever they are.
    pub(crate) new_orders: u64,
    pub(crate) get_new_ns: f64,
    pub(crate) page_us: f64,
    /// Mean number of orders on a page.
    pub(crate) page_rows: f64,
    /// Bytes of the files without free space, if the system reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_in_use: Option<u64>,
    /// Bytes of the directory, with logs and free space.
    pub(crate) bytes_on_disk: u64,
}

pub(super) fn measure(
    system: &System,
    dir: &Path,
    orders: usize,
    length: Duration,
) -> Checked<Read> {
    let rival = (system.open)(dir)?;
    let batches = orders.div_ceil(BATCH);
    let orders = u64::try_from(batches.saturating_mul(BATCH))?;
    let users = (orders / ORDERS_PER_USER).max(1);
    let all = batches::fill(&*rival, batches, users)?;
    rival.settle()?;
    let mut caller = rival.caller()?;
    let get_ns = get(&mut *caller, &all, length)?;
    let (page_us, page_rows) = page(&mut *caller, users, length)?;
    let new = batches::more(&*rival, NEW_BATCHES, users)?;
    let get_new_ns = get(&mut *caller, &new, length)?;
    drop(caller);
    let new_orders = u64::try_from(new.len())?;
    check::rows(&*rival, orders + new_orders)?;
    rival.settle()?;
    let bytes_on_disk = bytes_on_disk(dir)?;
    Ok(Read {
        orders,
        users,
        get_ns: to(1.0, get_ns),
        new_orders,
        get_new_ns: to(1.0, get_new_ns),
        page_us: to(100.0, page_us),
        page_rows: to(10.0, page_rows),
        bytes_in_use: rival.close()?,
        bytes_on_disk,
    })
}

impl Read {
    /// Returns the number of stored orders.
    pub(crate) fn stored(&self) -> u64 {
        (self.orders + self.new_orders).max(1)
    }
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
