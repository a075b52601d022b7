//! Tests of truncated and missing journal segments.

use std::fs;
use std::path::Path;

use super::fixture::{TestStore, at, copied, create, decided, new, no, options};
use super::recovery::{copy_of_opened, frames, killed, segments, why, write_segment};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;

/// Asserts that every way to open the store reports `expected`, and that a repair reports a loss.
fn assert_reported_by_all(dir: &Path, expected: &str) {
    for open in [
        LocalEngine::open,
        LocalEngine::open_verified,
        LocalEngine::open_or_init,
    ] {
        let message = why(&open(dir.to_path_buf(), &options()).unwrap_err());
        assert!(message.contains(expected), "{message}");
    }
    let place = tempfile::tempdir().unwrap();
    let repaired = LocalEngine::repair(dir, place.path().join("new"), &options()).unwrap();
    assert!(!repaired.journal.is_whole(), "{:?}", repaired.journal);
    assert!(!repaired.is_whole());
}

#[test]
fn every_open_reports_truncated_last_segment() {
    let store = TestStore::new();
    (1..=3).for_each(|n| store.run(no(n), create(new())));
    store.engine.close().unwrap();
    let path = segments(&store.dir()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let places = frames(&bytes);
    let boundaries = places
        .iter()
        .flat_map(|place| [place.at, place.at + place.len]);
    for len in boundaries.chain([4096, 5000, bytes.len() - 1]) {
        fs::write(&path, &bytes[..len]).unwrap();
        assert_reported_by_all(&store.dir(), &format!("byte {len}: file is truncated"));
    }
    fs::write(&path, &bytes).unwrap();
    let store = store.reopened();
    assert!(store.stored(no(3)).is_some());
}

/// Recovery replaces the last segment by a copy, which is shorter than the original.
#[test]
fn every_open_reports_truncated_rewritten_segment() {
    let (_store, copy, path, bytes, _) = killed();
    write_segment(&path, &bytes);
    drop(TestStore::on_copy(copied(copy.path())).unwrap());
    let opened = TestStore::on_copy(copy).unwrap();
    opened.run(no(4), create(new()));
    let copy = copy_of_opened(&opened);
    for name in segments(copy.path()) {
        let whole = fs::read(&name).unwrap();
        fs::write(&name, &whole[..whole.len() - 1]).unwrap();
        assert_reported_by_all(copy.path(), "file is truncated");
        fs::write(&name, whole).unwrap();
    }
    TestStore::on_copy(copy).unwrap().assert_valid();
}

#[test]
fn every_open_reports_missing_last_segment() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let store = store.reopened();
    // Write to the new segment that the reopened store has started, and then remove this segment.
    // The segment of the first session remains.
    store.run(no(2), create(new()));
    store.engine.close().unwrap();
    fs::remove_file(segments(&store.dir()).pop().unwrap()).unwrap();
    assert_reported_by_all(&store.dir(), "no segment of the journal holds frame");
}

#[test]
fn frame_longer_than_first_segment_gets_longer_segment() {
    let mut options = options();
    options.segment_bytes = 8 << 20;
    let store = TestStore::with(&options);
    let first = segments(&store.dir());
    assert!(fs::metadata(&first[0]).unwrap().len() < 2 << 20);
    let make = |n| decided(no(n), create(new()), at(0), None, &[]);
    let batch: Vec<_> = (0..6000).map(make).collect();
    store.apply(&batch);
    assert_eq!(segments(&store.dir()), first);
    let bytes = fs::read(&first[0]).unwrap();
    assert!(frames(&bytes)[0].len > 1 << 20);
    // The large frame got a new file of full length. The store must not extend the old file: its
    // header has the old length, so recovery could not detect a truncation of the extension.
    assert_eq!(bytes.len(), 8 << 20);
    let opened = TestStore::on_copy(copied(&store.dir())).unwrap();
    assert!(opened.stored(no(5999)).is_some());
    opened.assert_valid();
}
