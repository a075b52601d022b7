//! Bytes of a store turn where nobody looks: it says so, or nothing is lost.

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

/// A store with something in base and journal, closed or killed.
fn store(is_closed: bool) -> (Snapshot, Ledger) {
    let mut dice = SeededRng::new(5);
    let disk = SimulatedDisk::new(5);
    let mut shop = Shop::init(disk.clone(), SIZES).unwrap();
    for _ in 0..30 {
        shop.step(&mut dice).unwrap();
    }
    let killed = disk.snapshot();
    let Shop { store, ledger, .. } = shop;
    store.shutdown().wait().unwrap();
    let snapshot = if is_closed { disk.snapshot() } else { killed };
    (snapshot, ledger)
}

/// Where a byte is to be damaged: files alike, however long, and bytes that hold something
/// before others.
fn places(snapshot: &Snapshot, count: usize, dice: &mut SeededRng) -> Vec<(PathBuf, usize)> {
    let disk = snapshot.kill(1);
    let files: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|(path, len)| *len > 0 && !path.ends_with("next.tmp"))
        .collect();
    let mut places = Vec::new();
    while places.len() < count {
        let (path, len) = &files[dice.below(files.len())];
        let at = dice.below(*len);
        if disk.byte(path, at) != Some(0) || dice.one_in(20) {
            places.push((path.clone(), at));
        }
    }
    places
}

/// Opens a damaged store and has it read all of it; `None` where it tells of damage.
/// Where it does not, it must say what was sent, step by step.
fn look(damaged: &SimulatedDisk, sent: &Ledger) -> Option<Shop> {
    let snapshot = damaged.snapshot();
    let builder = Store::builder().simulated(&snapshot.kill(4), SIZES);
    drop(builder.open_verified(dir()).ok()?);
    let shop = Shop::recover(snapshot.kill(4), SIZES, sent, (1, sent.steps.len()));
    Some(shop.expect("what looks sound is wrong"))
}

#[test]
fn corruption_of_a_closed_store_is_told_or_changes_nothing() {
    let (snapshot, ledger) = store(true);
    let mut dice = SeededRng::new(6);
    let sound = look(&snapshot.kill(2), &ledger).unwrap();
    let feed = feed_of(&sound.store).unwrap();
    let mut told = 0;
    for (path, at) in places(&snapshot, figure("CORRUPTION_BYTES", 2000), &mut dice) {
        let disk = snapshot.kill(3);
        disk.damage(&path, at, 1 << dice.below(8));
        match look(&disk, &ledger) {
            Some(shop) => assert_eq!(feed_of(&shop.store).unwrap(), feed, "{path:?}, byte {at}"),
            None => told += 1,
        }
    }
    // The harness would be blind if nothing were ever found.
    assert!(told > 100, "{told}");
}

#[test]
fn corruption_of_a_killed_store_loses_the_last_frame_at_most_and_tells() {
    let (snapshot, ledger) = store(false);
    let mut dice = SeededRng::new(7);
    let steps = ledger.steps.len();
    let sound = look(&snapshot.kill(2), &ledger).unwrap();
    let feed = feed_of(&sound.store).unwrap();
    for (path, at) in places(&snapshot, figure("CORRUPTION_BYTES", 2000) / 4, &mut dice) {
        let disk = snapshot.kill(3);
        disk.damage(&path, at, 1 << dice.below(8));
        let Some(shop) = look(&disk, &ledger) else {
            continue;
        };
        if feed_of(&shop.store).unwrap() != feed {
            let dropped = shop.store.recovery().dropped_bytes;
            assert!(
                path.starts_with(dir().join("journal")),
                "{path:?}, byte {at}"
            );
            assert!(dropped > 0, "{path:?}, byte {at}: lost in silence");
            assert!(
                shop.ledger.steps.len() + 1 >= last_written(&ledger),
                "{steps}"
            );
        }
    }
}

/// Up to the last step that wrote something.
fn last_written(ledger: &Ledger) -> usize {
    let wrote = ledger.steps.iter().rposition(|step| !step.is_silent());
    wrote.map_or(0, |place| place + 1)
}
