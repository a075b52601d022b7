//! Batches: threads that submit many commands at a time, all of them durable when the reply
//! arrives. A system that has transactions uses one for each batch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use orderstore::OrderNo;
use serde::Serialize;

use crate::database::{Database, Rates};
use crate::sample::Checked;
use crate::system::Reply;
use crate::work::Command;

/// Number of commands in a batch.
const BATCH: usize = 8_192;

const THREADS: usize = 2;

/// Figures of the filling of an empty database.
#[derive(Serialize)]
#[serde(tag = "part", rename = "batches")]
pub(crate) struct Batched {
    batch: usize,
    threads: usize,
    #[serde(flatten)]
    rates: Rates,
}

/// Fills a database with at least this many paid orders. Returns their numbers.
pub(crate) fn measure(database: &Database, orders: usize) -> Checked<(Batched, Vec<OrderNo>)> {
    let clock = database.clock();
    let numbers = fill(database, orders)?;
    let rates = clock.stop(u64::try_from(numbers.len())? * 2)?;
    let batched = Batched {
        batch: BATCH,
        threads: THREADS,
        rates,
    };
    Ok((batched, numbers))
}

/// Creates batches of orders and confirms each batch with another one. Returns all order numbers.
pub(crate) fn fill(database: &Database, orders: usize) -> Checked<Vec<OrderNo>> {
    let left = AtomicUsize::new(orders.div_ceil(BATCH));
    thread::scope(|scope| {
        let spawn = |_| scope.spawn(|| work(database, &left));
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        let mut orders = Vec::new();
        for thread in threads {
            orders.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        database.acknowledge(u64::try_from(orders.len())?);
        Ok(orders)
    })
}

fn work(database: &Database, left: &AtomicUsize) -> Checked<Vec<OrderNo>> {
    let (mut caller, mut units) = (database.rival.caller()?, database.stream()?);
    let mut orders = Vec::new();
    while one_less(left) {
        let [creates, confirms] = units.draw_many(BATCH)?;
        for batch in [&creates, &confirms] {
            for reply in caller.apply(batch)? {
                reply.must_be(Reply::Done)?;
            }
        }
        let numbers = creates.iter().map(Command::no);
        orders.extend(numbers);
    }
    Ok(orders)
}

/// Takes one of the remaining batches; returns false if none is left.
fn one_less(left: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}
