//! A fuzzer chooses operations on a whole store, with crashes between and during them.
//!
//! The fuzz target `store_ops` includes this file as well.

use std::time::Duration;

use orderstore::Command;
use orderstore::testing::fuzz::{Bytes, any_command};
use orderstore::testing::{Loss, SimulatedDisk, Sizes, Snapshot};

use super::ledger::Ledger;
use super::rig::Shop;

/// Maximum number of steps. More steps reach no new states and make a run slow.
const STEPS: usize = 48;

/// Interprets bytes as operations on a store on a simulated disk, with kills, power losses and
/// clean restarts.
///
/// Every reply must equal the model's. Each time the store is opened again, it must hold all
/// acknowledged commands and a prefix of the sent ones, and nothing else. At the end the store's
/// own verification must find no violation.
///
/// # Panics
/// If one of these checks fails.
pub(crate) fn store_ops(bytes: &[u8]) {
    if let Err(why) = run(&mut Bytes::new(bytes)) {
        panic!("{why}");
    }
}

fn run(bytes: &mut Bytes<'_>) -> Result<(), String> {
    let sizes = Sizes {
        memtable: 4096 << bytes.below(4),
        segment: 8192 << bytes.below(3),
    };
    let disk = SimulatedDisk::new(u64::from(bytes.byte()));
    let mut shop = Shop::init(disk, sizes)
        .map_err(|error| format!("the store cannot be created: {error:?}"))?;
    for step in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        shop = run_step(shop, sizes, bytes).map_err(|why| format!("step {step}: {why}"))?;
    }
    shop.verify()
}

fn run_step(mut shop: Shop, sizes: Sizes, bytes: &mut Bytes<'_>) -> Result<Shop, String> {
    match bytes.below(16) {
        0..=8 => shop.run(any_group(bytes))?,
        9 => shop.wait(Duration::from_secs(bytes.pick(&[
            1,
            60,
            3600,
            8 * 24 * 3600,
        ]))),
        10 => shop.draw_number()?,
        11 => {
            let flushed = shop.store.checkpoint().wait();
            flushed.map_err(|error| format!("the checkpoint failed: {error:?}"))?;
        }
        12 => shop.disk.run_some_tasks(),
        13 => return reopen(shop, sizes),
        14 => {
            let snapshot = shop.disk.snapshot();
            let Shop { ledger, .. } = shop;
            return crash(&snapshot, &ledger, sizes, bytes);
        }
        _ => return crash_within(shop, sizes, bytes),
    }
    Ok(shop)
}

fn any_group(bytes: &mut Bytes<'_>) -> Vec<Command> {
    (0..=bytes.below(4)).map(|_| any_command(bytes)).collect()
}

/// Closes the store and opens it again.
fn reopen(shop: Shop, sizes: Sizes) -> Result<Shop, String> {
    let Shop {
        disk,
        store,
        ledger,
        ..
    } = shop;
    let closed = store.shutdown().wait();
    closed.map_err(|error| format!("the shutdown failed: {error:?}"))?;
    drop(store);
    let steps = ledger.steps.len();
    let again = Shop::recover(disk, sizes, &ledger, (steps + 1, steps))?;
    again.verify()?;
    Ok(again)
}

/// Crashes at a disk call within a step.
fn crash_within(mut shop: Shop, sizes: Sizes, bytes: &mut Bytes<'_>) -> Result<Shop, String> {
    shop.disk.snapshot_one_in(1);
    match bytes.below(4) {
        0 => drop(shop.store.checkpoint().wait()),
        1 => shop.draw_number()?,
        _ => shop.run(any_group(bytes))?,
    }
    shop.disk.run_some_tasks();
    shop.disk.snapshot_one_in(0);
    let mut snapshots = shop.disk.take_snapshots();
    snapshots.push(shop.disk.snapshot());
    let snapshot = snapshots.swap_remove(bytes.below(snapshots.len()));
    let Shop { ledger, .. } = shop;
    crash(&snapshot, &ledger, sizes, bytes)
}

/// Opens the disk after a crash. The recovery may crash as well, any number of times.
fn crash(
    snapshot: &Snapshot,
    sent: &Ledger,
    sizes: Sizes,
    bytes: &mut Bytes<'_>,
) -> Result<Shop, String> {
    let mut snapshot = snapshot.clone();
    loop {
        let disk = left_by(&snapshot, bytes);
        let goes_on = bytes.one_in(4);
        disk.snapshot_one_in(usize::from(goes_on));
        let shop = Shop::recover(disk, sizes, sent, snapshot.marks)?;
        shop.disk.snapshot_one_in(0);
        let mut snapshots = shop.disk.take_snapshots();
        if !goes_on || snapshots.is_empty() {
            return Ok(shop);
        }
        snapshot = snapshots.swap_remove(bytes.below(snapshots.len()));
    }
}

/// Returns the disk as a kill or a power loss leaves it.
fn left_by(snapshot: &Snapshot, bytes: &mut Bytes<'_>) -> SimulatedDisk {
    let loss = bytes.below(1 + Loss::ALL.len());
    let seed = u64::from(bytes.byte());
    match loss.checked_sub(1) {
        None => snapshot.kill(seed),
        Some(loss) => snapshot.lose_power(Loss::ALL[loss], seed),
    }
}
