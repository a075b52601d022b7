//! Batches: threads that submit many commands at a time, all of them durable when the reply
//! arrives. Systems with transactions use one for each batch.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use orderstore::{OrderNo, Store};
use serde::{Deserialize, Serialize};

use super::{BATCH, BATCH_THREADS, check, float, source_of_numbers, to};
use crate::rival::{Rival, System};
use crate::sample::Checked;
use crate::work::{Command, USERS, Units};

/// Figures of one run, in durable commands per second.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Batched {
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    pub(crate) commands: u64,
    /// Rate until the last reply.
    pub(crate) rate: f64,
    /// Rate until all data has left the log and the memory.
    pub(crate) rate_settled: f64,
}

pub(super) fn measure(system: &System, dir: &Path, commands: usize) -> Checked<Batched> {
    let rival = (system.open)(dir)?;
    let batches = commands.div_ceil(BATCH * 2);
    let began = Instant::now();
    let orders = fill(&*rival, batches, USERS)?;
    let answered = began.elapsed();
    rival.settle()?;
    let settled = began.elapsed();
    let units = u64::try_from(orders.len())?;
    check::rows(&*rival, units)?;
    rival.close()?;
    let commands = units.saturating_mul(2);
    Ok(Batched {
        batch: BATCH,
        threads: BATCH_THREADS,
        commands,
        rate: to(1.0, float(commands) / answered.as_secs_f64()),
        rate_settled: to(1.0, float(commands) / settled.as_secs_f64()),
    })
}

/// Creates batches of orders and confirms each batch with another one. Returns all order numbers.
pub(super) fn fill(rival: &dyn Rival, batches: usize, users: u64) -> Checked<Vec<OrderNo>> {
    by_workers(rival, batches, users, 0)
}

/// Creates and confirms more batches, with other transactions.
pub(super) fn more(rival: &dyn Rival, batches: usize, users: u64) -> Checked<Vec<OrderNo>> {
    by_workers(rival, batches, users, 1 << 20)
}

fn by_workers(rival: &dyn Rival, batches: usize, users: u64, first: u64) -> Checked<Vec<OrderNo>> {
    let numbers = source_of_numbers(rival)?;
    let left = AtomicUsize::new(batches);
    thread::scope(|scope| {
        let (left, numbers) = (&left, &numbers);
        let work = |worker| scope.spawn(move || work(rival, numbers, worker, users, left));
        let threads: Vec<_> = (first..).take(BATCH_THREADS).map(work).collect();
        let mut orders = Vec::new();
        for thread in threads {
            orders.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(orders)
    })
}

fn work(
    rival: &dyn Rival,
    numbers: &Store,
    worker: u64,
    users: u64,
    left: &AtomicUsize,
) -> Checked<Vec<OrderNo>> {
    let mut caller = rival.caller()?;
    let mut units = Units::new(numbers, worker, users)?;
    let (mut orders, mut last) = (Vec::new(), None);
    while one_less(left) {
        let [creates, confirms] = units.draw_many(BATCH)?;
        caller.apply(&creates)?;
        caller.apply(&confirms)?;
        for command in creates {
            if let Command::Create(create) = command {
                orders.push(create.no);
                last = Some(create);
            }
        }
    }
    if let Some(last) = last {
        check::order(&mut *caller, &last)?;
    }
    Ok(orders)
}

/// Takes one unit if one is left; returns whether it did.
fn one_less(left: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}
