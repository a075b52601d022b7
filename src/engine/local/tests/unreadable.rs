//! Tests of B-tree reads that fail with I/O errors or corruption, and of later reads.

use std::path::{Path, PathBuf};

use super::fixture::{at, create, decided, new, no, options};
use crate::contract::Verdict;
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::engine::local::disk::{DiskFault, SimulatedDisk};
use crate::engine::local::options::LocalOptions;

const ORDERS: usize = 400;

/// Newly opened store on a simulated disk. Its caches are empty.
fn cold(disk: &SimulatedDisk) -> (LocalEngine, PathBuf) {
    let options = LocalOptions {
        cache_bytes: 1 << 14,
        ..options()
    };
    let options = options.on(disk);
    let dir = Path::new(SimulatedDisk::ROOT).join("shop");
    let engine = LocalEngine::init(&dir, &options).unwrap();
    let make = |n| decided(no(n), create(new()), at(0), None, &[]);
    let batch: Vec<_> = (0..ORDERS).map(make).collect();
    let verdicts = engine.apply(&batch).unwrap();
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    let engine = LocalEngine::open(&dir, &options).unwrap();
    (engine, dir)
}

#[test]
fn read_with_io_error_is_retried_on_reopened_btree() {
    let disk = SimulatedDisk::new(3);
    let (engine, _) = cold(&disk);
    for n in (0..ORDERS).step_by(20) {
        disk.fail(disk.calls() + 1, DiskFault::Io, false);
        assert!(engine.get(&no(n)).unwrap().is_some(), "{n}");
        disk.heal();
    }
    let stats = engine.stats();
    assert!(stats.reopened > 5, "{stats:?}");
    assert_eq!(stats.damaged_pages, 0);
    assert!(engine.verify().unwrap().is_ok());
}

#[test]
fn reads_fail_until_disk_works_again() {
    let disk = SimulatedDisk::new(4);
    let (engine, _) = cold(&disk);
    disk.fail(disk.calls() + 1, DiskFault::Io, true);
    let failed = (0..ORDERS).filter(|n| engine.get(&no(*n)).is_err());
    assert!(failed.count() > ORDERS / 2);
    disk.heal();
    for n in 0..ORDERS {
        assert!(engine.get(&no(n)).unwrap().is_some(), "{n}");
    }
    let mutation = decided(no(ORDERS), create(new()), at(0), None, &[]);
    assert_eq!(engine.apply(&[mutation]).unwrap(), [Verdict::Applied]);
    engine.checkpoint().unwrap();
}

#[test]
fn read_of_corrupt_page_does_not_reopen_btree() {
    let disk = SimulatedDisk::new(5);
    let (engine, dir) = cold(&disk);
    let base = dir.join("base.redb");
    let number = no(77);
    let bytes = disk.content(&base).unwrap();
    let found = bytes.windows(number.as_bytes().len());
    let places = found
        .enumerate()
        .filter(|(_, part)| *part == number.as_bytes());
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    places
        .iter()
        .for_each(|place| disk.corrupt_byte(&base, *place, 1));
    for _ in 0..100 {
        engine.get(&number).unwrap_err();
        assert!(engine.get(&no(ORDERS - 1)).unwrap().is_some());
    }
    let stats = engine.stats();
    assert_eq!(stats.reopened, 0);
    assert!(stats.damaged_pages > 0, "{stats:?}");
    let report = engine.verify().unwrap();
    assert!(!report.is_ok() && report.records > 300, "{report:?}");
}

#[test]
fn page_read_error_while_store_opens_is_retried() {
    let disk = SimulatedDisk::new(7);
    let (engine, dir) = cold(&disk);
    engine.close().unwrap();
    let options = options().on(&disk);
    let mut retried = 0;
    for n in 0.. {
        let before = disk.calls();
        disk.fail(before + n, DiskFault::Io, false);
        let opened = LocalEngine::open(&dir, &options);
        let is_done = disk.calls() < before + n;
        disk.heal();
        if let Ok(engine) = opened {
            assert!(engine.get(&no(7)).unwrap().is_some(), "call {n}");
            retried += u32::from(engine.stats().reopened > 0);
            engine.close().unwrap();
        }
        if is_done {
            break;
        }
    }
    assert!(retried > 3, "{retried}");
}
