//! Golden stores: one store for each format, written once and opened by every later version.
//!
//! `tests/golden/format-N/` holds the files of a store whose process was killed. A part of its
//! records is in the B-tree and a part in the journal. `expected.json` holds the contents that it
//! must return.
//!
//! ```sh
//! GOLDEN=make cargo test --test it golden_stores    # makes the store of a new format
//! ```
//! Existing stores are frozen: the command refuses to overwrite one.

mod archive;
mod contents;
mod listing;

use std::path::{Path, PathBuf};
use std::{env, fs};

use orderstore::testing::{ManualClock, SimulatedDisk, Sizes, fixtures};
use orderstore::{Store, Timestamp};
use serde_json::Value;

/// Directory of the golden store in the format that this version writes.
const FORMAT: &str = "format-1";

const SIZES: Sizes = Sizes {
    memtable: 1 << 20,
    segment: 64 << 10,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Time at which the tests open the store: long after every event in it.
fn later() -> Timestamp {
    Timestamp::parse_rfc3339("2030-01-01T00:00:00Z").unwrap()
}

fn open(dir: &Path) -> Store {
    let clock = ManualClock::at(later());
    let builder = Store::builder().clock(clock.reader());
    builder.open_verified(dir).unwrap()
}

/// Writes a new golden store: fills it on a simulated disk and saves the files as a kill leaves
/// them.
fn make(to: &Path) {
    let disk = SimulatedDisk::new(1);
    let dir = Path::new(SimulatedDisk::ROOT).join("store");
    let clock = ManualClock::at(fixtures::now());
    let builder = Store::builder().simulated(&disk, SIZES);
    let store = builder.clock(clock.reader()).init(&dir).unwrap();
    contents::fill(&store, &clock);
    let expected = listing::of(&store);
    let killed = disk.snapshot().kill(1);
    archive::pack(&killed, &dir, to);
    let text = serde_json::to_string_pretty(&expected).unwrap();
    fs::write(to.join("expected.json"), text + "\n").unwrap();
}

fn expected(of: &Path) -> Value {
    let text = fs::read(of.join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn every_store() -> Vec<PathBuf> {
    if env::var("GOLDEN").is_ok_and(|what| what == "make") {
        let frozen = golden().join(FORMAT);
        assert!(!frozen.exists(), "{FORMAT} exists already and is frozen");
        make(&frozen);
    }
    let entries = fs::read_dir(golden()).unwrap();
    let mut stores: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    stores.sort();
    assert!(stores.contains(&golden().join(FORMAT)), "{stores:?}");
    stores
}

#[test]
fn golden_stores_open_with_the_expected_contents() {
    for path in every_store() {
        let scratch = tempfile::tempdir().unwrap();
        archive::unpack(&path, scratch.path());
        let expected = expected(&path);
        let store = open(scratch.path());
        let frames = store.recovery().frames;
        assert!(frames > 10, "the journal has only {frames} frames");
        let report = store.verify().wait().unwrap();
        assert!(report.is_ok(), "{:?}", report.violations);
        assert_eq!(listing::of(&store), expected, "{}", path.display());
        // The first open followed a kill. The contents must be the same after a clean shutdown.
        store.shutdown().wait().unwrap();
        let store = open(scratch.path());
        assert_eq!(listing::of(&store), expected, "{}", path.display());
        assert_usable(&store, &expected);
    }
}

/// Asserts that the store is usable: a pending order can be paid, and no order number is repeated.
fn assert_usable(store: &Store, expected: &Value) {
    let drawn = store.next_order_no().wait().unwrap();
    let numbers = expected["numbers"].as_array().unwrap();
    let counter = |number: &str| number[16..].to_owned();
    let before = numbers.iter().map(|no| counter(no.as_str().unwrap()));
    assert!(before.into_iter().all(|no| no != counter(drawn.as_str())));
    let paid = store.confirm(contents::PENDING.no(), contents::PENDING.payment());
    assert_eq!(paid.wait().unwrap().outcome, orderstore::Confirmed::Applied);
    let again = store.confirm(contents::PAID.no(), contents::PAID.payment());
    let again = again.wait().unwrap();
    assert_eq!(again.outcome, orderstore::Confirmed::Duplicate);
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{:?}", report.violations);
}

#[test]
fn golden_store_covers_every_stored_variant() {
    let text = expected(&golden().join(FORMAT)).to_string();
    let words = [
        contents::STATUSES,
        contents::EVENTS,
        contents::ANOMALIES,
        contents::REFUNDS,
        contents::SOURCES,
    ];
    for word in words.concat() {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}
