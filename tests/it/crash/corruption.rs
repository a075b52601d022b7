//! Silent corruption of bytes on disk: the store must report it or lose nothing.

use std::path::PathBuf;

use orderstore::Store;
use orderstore::testing::{SeededRng, SimulatedDisk, Sizes, Snapshot};

use super::figure;
use super::ledger::{Ledger, feed_of};
use super::rig::{Shop, dir};

const SIZES: Sizes = Sizes {
    memtable: 16 << 10,
    segment: 8 << 10,
};

/// Returns a disk snapshot of a store with records in the B-tree and in the journal, and the ledger
/// of its steps. The store was either closed or killed.
fn store(is_closed: bool) -> (Snapshot, Ledger) {
    let mut rng = SeededRng::new(5);
    let disk = SimulatedDisk::new(5);
    let mut shop = Shop::init(disk.clone(), SIZES).unwrap();
    for _ in 0..30 {
        shop.step(&mut rng).unwrap();
    }
    let killed = disk.snapshot();
    let Shop { store, ledger, .. } = shop;
    store.shutdown().wait().unwrap();
    let snapshot = if is_closed { disk.snapshot() } else { killed };
    (snapshot, ledger)
}

/// Picks bytes to corrupt: each file with equal probability whatever its length, and non-zero bytes
/// more often than zeros.
fn places(snapshot: &Snapshot, count: usize, rng: &mut SeededRng) -> Vec<(PathBuf, usize)> {
    let disk = snapshot.kill(1);
    let files: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|(path, len)| *len > 0 && !path.ends_with("next.tmp"))
        .collect();
    let mut places = Vec::new();
    while places.len() < count {
        let (path, len) = &files[rng.below(files.len())];
        let at = rng.below(*len);
        if disk.byte(path, at) != Some(0) || rng.one_in(20) {
            places.push((path.clone(), at));
        }
    }
    places
}

/// Opens a corrupt store and reads all its data. Returns `None` if the store reports the
/// corruption. Panics if the store opens with data other than that of the steps sent.
fn open_and_check(damaged: &SimulatedDisk, sent: &Ledger) -> Option<Shop> {
    let snapshot = damaged.snapshot();
    let builder = Store::builder().simulated(&snapshot.kill(4), SIZES);
    drop(builder.open_verified(dir()).ok()?);
    let shop = Shop::recover(snapshot.kill(4), SIZES, sent, (1, sent.steps.len()));
    Some(shop.expect("the store reports no corruption but has lost records"))
}

#[test]
fn corruption_of_closed_store_is_reported_or_harmless() {
    let (snapshot, ledger) = store(true);
    let mut rng = SeededRng::new(6);
    let sound = open_and_check(&snapshot.kill(2), &ledger).unwrap();
    let feed = feed_of(&sound.store).unwrap();
    let mut reported = 0;
    for (path, at) in places(&snapshot, figure("CORRUPTION_BYTES", 2000), &mut rng) {
        let disk = snapshot.kill(3);
        disk.corrupt_byte(&path, at, 1 << rng.below(8));
        match open_and_check(&disk, &ledger) {
            Some(shop) => assert_eq!(feed_of(&shop.store).unwrap(), feed, "{path:?}, byte {at}"),
            None => reported += 1,
        }
    }
    // The test would prove nothing if corruption were never found.
    assert!(reported > 100, "{reported}");
}

#[test]
fn corruption_of_killed_store_loses_at_most_last_frame() {
    let (snapshot, ledger) = store(false);
    let mut rng = SeededRng::new(7);
    let steps = ledger.steps.len();
    let sound = open_and_check(&snapshot.kill(2), &ledger).unwrap();
    let feed = feed_of(&sound.store).unwrap();
    for (path, at) in places(&snapshot, figure("CORRUPTION_BYTES", 2000) / 4, &mut rng) {
        let disk = snapshot.kill(3);
        disk.corrupt_byte(&path, at, 1 << rng.below(8));
        let Some(shop) = open_and_check(&disk, &ledger) else {
            continue;
        };
        if feed_of(&shop.store).unwrap() != feed {
            let dropped = shop.store.recovery().dropped_bytes;
            assert!(
                path.starts_with(dir().join("journal")),
                "{path:?}, byte {at}"
            );
            assert!(dropped > 0, "{path:?}, byte {at}: lost without a report");
            assert!(
                shop.ledger.steps.len() + 1 >= last_written(&ledger),
                "{steps}"
            );
        }
    }
}

/// Returns the number of steps up to and including the last one that added events.
fn last_written(ledger: &Ledger) -> usize {
    let wrote = ledger.steps.iter().rposition(|step| !step.is_silent());
    wrote.map_or(0, |place| place + 1)
}
