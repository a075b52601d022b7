//! Micro-benchmarks on one core: rules, order numbers, reads, and submitting a batch.
//!
//! Every timed path asserts its result, so that a fast but broken path fails.
//!
//! A store on disk is read from its B-tree after a checkpoint, and from its memtable, which has the
//! orders written after that. `ORDERSTORE_BENCH_ORDERS=1000000` gives the size used for
//! docs/performance.md; the default is smaller, and caches work better on it.

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

/// Environment variable with the number of orders in a store that is read.
const ORDERS: &str = "ORDERSTORE_BENCH_ORDERS";

/// Default number of orders.
const ORDERS_USUALLY: usize = 100_000;

/// Mean number of orders of a user; every user has at least one page of them.
const ORDERS_PER_USER: usize = 100;

/// Maximum number of orders that are written last, into the memtable.
const NEW: usize = 65_536;

/// Memory limits of the store on disk, large enough for a million orders.
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
    store.checkpoint().wait()?;
    get(criterion, "base_hit", &store, &all)?;
    page(criterion, "base", &store, users)?;

    let flushes = store.stats().checkpoints;
    let new = filled(&store, orders.min(NEW), users)?;
    get(criterion, "memtable_hit", &store, &new)?;
    page(criterion, "memtable_and_base", &store, users)?;
    assert_eq!(
        store.stats().checkpoints,
        flushes,
        "the memtable must not be checkpointed"
    );
    batch(criterion, "disk", &store, users)?;
    Ok(store.shutdown().wait()?)
}

fn users_of(orders: usize) -> Checked<u64> {
    Ok(u64::try_from(orders / ORDERS_PER_USER)?)
}
