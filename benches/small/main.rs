//! The small paths, one core each: rules, order numbers, reads, and handing a batch over.
//!
//! Everything that is timed asserts that its answer is right: a path that was broken into
//! speed fails instead of winning.
//!
//! A store on the disk is read from its base, after a flush, and from its memtable, which has
//! the orders that were written after that. `ORDERSTORE_BENCH_ORDERS=1000000` has the base
//! of docs/performance.md; without it there are few orders, for which caches are kinder.

mod numbers;
mod reads;
mod rules;
#[path = "../support/sample.rs"]
mod sample;
mod writes;

use criterion::Criterion;
use orderstore::Store;

use numbers::numbers;
use reads::{get, page};
use rules::rules;
use sample::Checked;
use writes::{batch, filled};

/// Names how many orders there are in a store that is read.
const ORDERS: &str = "ORDERSTORE_BENCH_ORDERS";

/// How many there are where that is not said.
const ORDERS_USUALLY: usize = 100_000;

/// How many orders each user has, on average: nobody has less than a page of them.
const ORDERS_PER_USER: usize = 100;

/// How many orders at most are written last, into the memtable.
const NEW: usize = 65_536;

/// What the store on the disk may hold in memory: all of a million orders.
const MEMTABLE_BYTES: usize = 256 << 20;
const CACHE_BYTES: usize = 1 << 30;

fn main() -> Checked<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let orders = orders_asked_for()?;
    rules(&mut criterion)?;
    numbers(&mut criterion)?;
    in_memory(&mut criterion, orders)?;
    on_disk(&mut criterion, orders)?;
    criterion.final_summary();
    Ok(())
}

fn orders_asked_for() -> Checked<usize> {
    let Ok(asked) = std::env::var(ORDERS) else {
        return Ok(ORDERS_USUALLY);
    };
    let orders = asked
        .parse()
        .ok()
        .filter(|n| (1_000..=50_000_000).contains(n));
    Ok(orders.ok_or(format!("{ORDERS}={asked} is not within 1000 to 50000000"))?)
}

fn in_memory(criterion: &mut Criterion, orders: usize) -> Checked<()> {
    let store = Store::memory()?;
    let users = users_of(orders)?;
    let all = filled(&store, orders, users)?;
    get(criterion, "memory", &store, &all)?;
    page(criterion, "memory", &store, users)?;
    batch(criterion, "memory", &store, users)?;
    Ok(store.shutdown().wait()?)
}

fn on_disk(criterion: &mut Criterion, orders: usize) -> Checked<()> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let builder = Store::builder().memtable_bytes(MEMTABLE_BYTES);
    let store = builder
        .cache_bytes(CACHE_BYTES)
        .init(dir.path().join("store"))?;
    let users = users_of(orders)?;
    let all = filled(&store, orders, users)?;
    store.flush().wait()?;
    get(criterion, "base_hit", &store, &all)?;
    page(criterion, "base", &store, users)?;

    let flushes = store.stats().flushes;
    let new = filled(&store, orders.min(NEW), users)?;
    get(criterion, "memtable_hit", &store, &new)?;
    page(criterion, "memtable_and_base", &store, users)?;
    assert_eq!(
        store.stats().flushes,
        flushes,
        "a memtable that is not flushed"
    );
    batch(criterion, "disk", &store, users)?;
    Ok(store.shutdown().wait()?)
}

fn users_of(orders: usize) -> Checked<u64> {
    Ok(u64::try_from(orders / ORDERS_PER_USER)?)
}
