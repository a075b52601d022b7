//! Batches: two threads that submit many commands at a time. Each command still succeeds or fails
//! by itself. Other modes use this module to fill their stores.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use orderstore::{Command, CommandKind, Confirmed, Created, OrderNo, Outcome, Store};
use serde::Serialize;

use crate::expect::expect;
use crate::figures::rate;
use crate::lifecycle::{USERS, check_and_close};
use crate::sample::{Checked, Sample};
use crate::setting::Setting;
use crate::usage::{Cost, Usage};
use crate::watch::{Watched, watched};

const THREADS: u64 = 2;

/// Number of commands in one batch while a store is filled.
const FILLING: usize = 8_192;

/// Figures of one run, in durable commands per second.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "batch")]
pub(crate) struct Batched {
    batch: usize,
    threads: u64,
    commands: u64,
    /// Rate until the last reply.
    rate: f64,
    /// Rate until the final checkpoint is done.
    rate_settled: f64,
    /// Cost until the final checkpoint is done.
    #[serde(flatten)]
    cost: Cost,
    #[serde(flatten)]
    watched: Watched,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    batch: usize,
    commands: u64,
) -> Checked<Batched> {
    let store = setting.init(&dir.join("store"))?;
    let units = commands.div_ceil(2);
    let (began, usage) = (Instant::now(), Usage::now()?);
    let ((answered, settled), watched) = watched(&store, setting, || {
        units_in(&store, batch, units, USERS)?;
        let answered = began.elapsed();
        store.checkpoint().wait()?;
        Ok((answered, began.elapsed()))
    })?;
    let usage = Usage::now()?.since(usage);
    check_and_close(store, units)?;
    let commands = units * 2;
    Ok(Batched {
        batch,
        threads: THREADS,
        commands,
        rate: rate(commands, answered),
        rate_settled: rate(commands, settled),
        cost: usage.cost(commands),
        watched,
    })
}

/// Creates paid orders of `users` users and checkpoints them. Returns some of their numbers, spread
/// over the whole filling.
pub(crate) fn fill(store: &Store, orders: u64, users: u64) -> Checked<Vec<OrderNo>> {
    // Seed that later callers do not use, so that transactions differ.
    const SEED: u64 = 1 << 50;
    let kept = work_off(store, FILLING, &AtomicU64::new(orders), users, SEED)?;
    store.checkpoint().wait()?;
    Ok(kept)
}

/// Creates orders until the process is killed or fails.
pub(crate) fn write_on(store: &Store, users: u64) -> Checked<()> {
    const OTHERS: u64 = 1 << 40;
    work_off(store, FILLING, &AtomicU64::new(u64::MAX), users, OTHERS)?;
    Ok(())
}

fn units_in(store: &Store, batch: usize, units: u64, users: u64) -> Checked<Vec<OrderNo>> {
    work_off(store, batch, &AtomicU64::new(units), users, 0)
}

fn work_off(
    store: &Store,
    batch: usize,
    left: &AtomicU64,
    users: u64,
    seed: u64,
) -> Checked<Vec<OrderNo>> {
    thread::scope(|scope| {
        let work = |worker: u64| {
            let sample = Sample::new(seed + (worker << 32), users);
            scope.spawn(move || work(store, sample?, batch, left))
        };
        let threads: Vec<_> = (0..THREADS).map(work).collect();
        let mut kept = Vec::new();
        for thread in threads {
            kept.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(kept)
    })
}

fn work(
    store: &Store,
    mut sample: Sample,
    batch: usize,
    left: &AtomicU64,
) -> Checked<Vec<OrderNo>> {
    let mut kept = Vec::new();
    loop {
        let count = take(left, batch);
        let [creates, confirms] = draw(store, &mut sample, count)?;
        kept.extend(creates.iter().step_by(64).map(|command| command.no));
        submit(store, creates, &Outcome::Create(Created::Created))?;
        submit(store, confirms, &Outcome::Confirm(Confirmed::Applied))?;
        if count < batch {
            return Ok(kept);
        }
    }
}

/// Takes up to `batch` of the remaining units, and returns how many.
fn take(left: &AtomicU64, batch: usize) -> usize {
    let most = u64::try_from(batch).unwrap_or(u64::MAX);
    let less = |left: u64| Some(left.saturating_sub(most));
    let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    let (Ok(before) | Err(before)) = before;
    usize::try_from(before).unwrap_or(batch).min(batch)
}

/// Returns `count` new orders, and the payments for them.
fn draw(store: &Store, sample: &mut Sample, count: usize) -> Checked<[Vec<Command>; 2]> {
    let (mut creates, mut confirms) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let no = store.next_order_no().wait()?;
        let new = sample.order()?;
        let payment = sample.payment(new.total_fee())?;
        let ask = CommandKind::Create(Box::new(new));
        creates.push(Command { no, kind: ask });
        let ask = CommandKind::Confirm(Box::new(payment));
        confirms.push(Command { no, kind: ask });
    }
    Ok([creates, confirms])
}

fn submit(store: &Store, commands: Vec<Command>, due: &Outcome) -> Checked<()> {
    let tickets = store.submit_all(commands);
    for ticket in tickets.map_err(|refused| refused.reason)? {
        expect(&ticket.wait()?.outcome, due)?;
    }
    Ok(())
}
