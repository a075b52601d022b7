//! A whole store with an archive in a directory and in a bucket, and many copies that claim it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::testing::{Sizes, fixtures};
use orderstore::{Archive, ArchiveStatus, Builder, OpenError, RestorePoint, Store};
use tempfile::TempDir;

use crate::server::on_s3;

/// Longest time for a shipment.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Number of copies that claim the archive at the same time.
const COPIES: usize = 64;

fn builder() -> Builder {
    let sizes = Sizes {
        memtable: 16 << 10,
        segment: 16 << 10,
    };
    Store::builder().in_small_parts(sizes)
}

fn archive(url: &str) -> Archive {
    let archive = Archive::from_url(url).unwrap().key([7; 32]);
    archive.interval(Duration::from_millis(50))
}

fn create(store: &Store, orders: std::ops::Range<u64>) {
    for n in orders {
        let order = store.create(fixtures::order_no(n), fixtures::new(100));
        let _ = order.wait().unwrap();
    }
}

fn wait_until_complete(store: &Store) {
    let began = Instant::now();
    loop {
        let archive = store.stats().archive;
        if archive.status == ArchiveStatus::Complete && archive.lag.is_zero() {
            return;
        }
        assert!(
            began.elapsed() < WAIT_MAX,
            "{archive:?} {:?}",
            store.health()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}

/// Ships a store, lets copies of it claim the archive at the same time, and restores what the winner
/// ships.
fn race_and_restore(url: &str) {
    let place = TempDir::new().unwrap();
    let dir = place.path().join("shop");
    let store = builder().archive(archive(url)).init(&dir).unwrap();
    create(&store, 0..300);
    wait_until_complete(&store);
    store.shutdown().wait().unwrap();
    let copies: Vec<PathBuf> = (0..COPIES)
        .map(|n| place.path().join(format!("copy{n}")))
        .collect();
    for copy in &copies {
        copy_dir(&dir, copy);
    }
    let open = |copy: &PathBuf| builder().archive(archive(url)).open(copy);
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = copies
            .iter()
            .map(|copy| scope.spawn(move || open(copy)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut winners = Vec::new();
    for result in opened {
        match result {
            Ok(store) => winners.push(store),
            Err(OpenError::Fenced(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let winner = winners.pop().unwrap();
    create(&winner, 300..400);
    wait_until_complete(&winner);
    winner.shutdown().wait().unwrap();
    let restored = place.path().join("restored");
    let report = builder().restore_from(&archive(url), &restored, RestorePoint::Newest);
    assert_eq!(report.unwrap().restored.records, 400);
    let report = builder().open(restored).unwrap().verify().wait().unwrap();
    assert!(report.is_ok(), "{report:#?}");
}

#[test]
fn one_of_many_copies_claims_directory() {
    let place = TempDir::new().unwrap();
    race_and_restore(place.path().join("archive").to_str().unwrap());
}

#[test]
fn one_of_many_copies_claims_bucket() {
    on_s3("claims::one_of_many_copies_claims_bucket", race_and_restore);
}
