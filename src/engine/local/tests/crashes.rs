//! Tests of crashes while the journal changes to a new segment, and during a checkpoint.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::fixture::{FileContents, TestStore, confirm, copied, create, file_contents, new, no};
use crate::engine::Engine;

/// Creates a directory with these files.
fn image(files: &FileContents) -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("journal")).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "journal") {
        fs::write(temp.path().join(name), bytes).unwrap();
    }
    temp
}

/// Current files of a store's directory.
fn now(dir: &Path) -> FileContents {
    file_contents(dir).unwrap()
}

fn is_segment(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "log")
}

/// Asserts that a store with these files can be opened, twice in a row, and holds exactly the first
/// `orders` orders.
fn assert_opens_with(files: &FileContents, orders: usize) {
    let store = TestStore::on_copy(image(files)).unwrap();
    for n in 0..orders {
        assert!(store.stored(no(n)).is_some(), "{n}");
    }
    let counts = store.engine.counts().unwrap();
    assert_eq!(usize::try_from(counts.orders()).unwrap(), orders);
    store.run(no(orders), confirm("TX"));
    let again = TestStore::on_copy(copied(store.engine.core.side().dir.path())).unwrap();
    assert_eq!(again.stored(no(orders)), store.stored(no(orders)));
    again.assert_valid();
    store.assert_valid();
}

/// Files of a store before its memtable is frozen, before the checkpoint, and after the checkpoint.
fn frozen() -> (FileContents, FileContents, FileContents) {
    let store = TestStore::new();
    (0..20).for_each(|n| store.run(no(n), create(new())));
    let side = store.engine.core.side();
    let hold = side.btree.lock();
    let before = now(&store.dir());
    let core = &store.engine.core;
    core.with_writer(|writer, _| core.freeze(writer)).unwrap();
    let frozen = now(&store.dir());
    drop(hold);
    store.engine.checkpoint().unwrap();
    (before, frozen, now(&store.dir()))
}

#[test]
fn crash_around_checkpoint_loses_no_write() {
    let (before, frozen, after) = frozen();
    for files in [&before, &frozen, &after] {
        assert_opens_with(files, 20);
    }
}

#[test]
fn recovery_skips_segments_already_in_btree() {
    let (_, frozen, after) = frozen();
    let mut files = frozen.clone();
    files.insert("base.redb".to_owned(), after["base.redb"].clone());
    assert_opens_with(&files, 20);
    let store = TestStore::on_copy(image(&files)).unwrap();
    assert_eq!(store.engine.recovery().frames, 0);
}

#[test]
fn recovery_accepts_successor_of_unsealed_segment() {
    let (before, frozen, _) = frozen();
    let mut files = before.clone();
    for (name, bytes) in frozen.iter().filter(|(name, _)| is_segment(name)) {
        files.entry(name.clone()).or_insert_with(|| bytes.clone());
    }
    assert_eq!(files.keys().filter(|name| is_segment(name)).count(), 2);
    assert_opens_with(&files, 20);
}

#[test]
fn recovery_ignores_segment_draft() {
    let (before, _, _) = frozen();
    for draft in [&b""[..], b"half a header", &[0; 5000]] {
        let mut files = before.clone();
        files.insert("journal/next.tmp".to_owned(), draft.to_vec());
        assert_opens_with(&files, 20);
    }
}

#[test]
fn recovery_rejects_sealed_segment_without_successor() {
    let (_, frozen, _) = frozen();
    let mut files = frozen;
    let last = files.keys().rfind(|name| is_segment(name)).unwrap().clone();
    files.remove(&last);
    assert!(TestStore::on_copy(image(&files)).is_err());
}

#[test]
fn kill_after_recovery_loses_no_write() {
    let (before, _, _) = frozen();
    let temp = image(&before);
    // Each copy is the state of a store that was killed right after it was opened.
    let mut copy = copied(temp.path());
    for _ in 0..3 {
        let store = TestStore::on_copy(copy).unwrap();
        copy = copied(store.engine.core.side().dir.path());
    }
    assert_opens_with(&now(copy.path()), 20);
}
