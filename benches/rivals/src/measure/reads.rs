//! Reads of orders that all are in memory: one thread asks for any order by its number,
//! for a page of any user's orders, and for any of the orders that were written last. Every
//! answer is looked at while the clock runs.

use std::path::Path;
use std::time::{Duration, Instant};

use orderstore::{OpenId, OrderNo};
use serde::{Deserialize, Serialize};

use super::{BATCH, NEW_BATCHES, ORDERS_PER_USER, PAGE, batches, check, float, to};
use crate::rival::{Caller, System, bytes_on_disk};
use crate::sample::{self, Checked, Sample};

/// One run's figures: how long a read takes on average, and what the base takes.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Read {
    pub(crate) orders: u64,
    pub(crate) users: u64,
    /// By its number, from where it stays.
    pub(crate) get_ns: f64,
    /// How many orders were written after that, and the same for any of them: from the
    /// store's memtable, and elsewhere from wherever such an order is.
    pub(crate) new_orders: u64,
    pub(crate) get_new_ns: f64,
    pub(crate) page_us: f64,
    /// How many orders the pages held, on average.
    pub(crate) page_rows: f64,
    /// Of the files, without what is free in them, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_in_use: Option<u64>,
    /// All that the directory takes, logs and free space included.
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
    /// How many orders the bytes are of.
    pub(crate) fn stored(&self) -> u64 {
        (self.orders + self.new_orders).max(1)
    }
}

/// Nanoseconds for an order by its number, once all were read.
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
            expect(caller, all.get(place).ok_or("there are no orders")?)?;
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

/// Microseconds for a page of a user's orders once all were read, and its mean rows.
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
