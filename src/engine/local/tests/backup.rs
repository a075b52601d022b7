//! Backups that fail because the store is corrupt, and restores that reject a corrupt backup.

use super::fixture::{TestStore, create, file_contents, new, no, options};
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::disk::RealDisk;
use crate::engine::{Engine, EngineError};
use crate::error::{Error, OpenError, StorageErrorKind};
use crate::format::keys;
use crate::format::tables::Table;

/// Kind of the storage error that made a backup fail.
fn kind(error: &Error) -> StorageErrorKind {
    let Error::NotBackedUp { source, .. } = error else {
        panic!("{error:?}");
    };
    source.kind()
}

#[test]
fn backup_of_corrupt_store_leaves_no_files() {
    for table in [Table::Orders, Table::Events] {
        let store = TestStore::new();
        store.run(no(1), create(new()));
        store.change_btree(|_, writes| match table {
            Table::Orders => writes.put(table, keys::order(&no(1)), vec![1; 40]),
            _ => writes.remove(table, keys::event(1)),
        });
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("backup");
        let error = store.engine.backup(&dir, None).unwrap_err();
        assert_eq!(kind(&error), StorageErrorKind::Corrupted);
        let mut left: Vec<_> = file_contents(&dir).unwrap().into_keys().collect();
        // Ignore the lock file, which exists only on systems that cannot lock a directory.
        left.retain(|name| name != "LOCK");
        assert!(left.is_empty(), "{left:?}");
        let error = LocalEngine::restore(&dir, temp.path().join("new"), &options());
        let is_reported = matches!(
            error,
            Err(OpenError::NotABackup { .. } | OpenError::Empty { .. })
        );
        assert!(is_reported, "{error:?}");
        store.run(no(2), create(new()));
    }
}

#[test]
fn directory_of_failed_backup_opens_only_as_unfinished() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    store.change_btree(|_, writes| writes.put(Table::Orders, keys::order(&no(1)), vec![1; 40]));
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("backup");
    std::fs::create_dir_all(dir.join("journal")).unwrap();
    std::fs::write(dir.join("identity.tmp"), []).unwrap();
    std::fs::write(dir.join("base.redb"), []).unwrap();
    let error = store.engine.backup(&dir, None).unwrap_err();
    assert_eq!(kind(&error), StorageErrorKind::Corrupted);
    let error = LocalEngine::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, OpenError::Unfinished { .. }), "{error:?}");
    // A later backup into the same directory succeeds.
    let sound = TestStore::new();
    sound.run(no(1), create(new()));
    sound.engine.backup(&dir, None).unwrap();
}

#[test]
fn backup_of_closed_store_fails() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let temp = tempfile::tempdir().unwrap();
    store.engine.close().unwrap();
    let error = store
        .engine
        .backup(&temp.path().join("a"), None)
        .unwrap_err();
    assert_eq!(kind(&error), StorageErrorKind::Io);
    assert!(matches!(
        store.engine.checkpoint(),
        Err(EngineError::Fatal(_))
    ));
}

/// Store with one order, and the directory of its backup.
fn backed_up() -> (TestStore, std::path::PathBuf) {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let dir = store.dir().with_extension("backup");
    store.engine.backup(&dir, None).unwrap();
    (store, dir)
}

/// Asserts that a restore reports the backup as corrupt and creates no store.
fn assert_not_restored(backup: &std::path::Path) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("new");
    let error = LocalEngine::restore(backup, &dir, &options()).unwrap_err();
    let OpenError::Unopened {
        dir: reported,
        source,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (reported.as_path(), source.kind()),
        (backup, StorageErrorKind::Corrupted)
    );
    let error = LocalEngine::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, OpenError::Unfinished { .. }), "{error:?}");
}

#[test]
fn restore_rejects_btree_of_another_store() {
    let ((_one, backup), (_other, other)) = (backed_up(), backed_up());
    std::fs::copy(other.join("base.redb"), backup.join("base.redb")).unwrap();
    assert_not_restored(&backup);
}

/// All pages and values of this backup are valid. Only a record is missing.
#[test]
fn restore_rejects_backup_that_violates_invariant() {
    let (_store, backup) = backed_up();
    let base = BTree::open(&RealDisk, &backup.join("base.redb"), 1 << 20, false).unwrap();
    let removed: Sorted<'_> = (
        Table::Orders,
        Box::new(std::iter::once((keys::order(&no(1)), None))),
    );
    base.write(vec![removed]).unwrap();
    base.close().unwrap();
    assert_not_restored(&backup);
}
