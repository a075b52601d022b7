//! Backups of stores in which something is wrong.

use super::fixture::{Shop, create, new, no, options, picture};
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::disk::RealDisk;
use crate::engine::{Engine, EngineError};
use crate::error::{Error, StorageErrorKind};
use crate::format::keys;
use crate::format::tables::Table;

fn kind(error: &Error) -> StorageErrorKind {
    let Error::NotBackedUp { source, .. } = error else {
        panic!("{error:?}");
    };
    source.kind()
}

#[test]
fn a_damaged_store_has_no_backup_and_nothing_is_left_of_it() {
    for table in [Table::Orders, Table::Events] {
        let shop = Shop::new();
        shop.run(no(1), create(new()));
        shop.tamper(|_, writes| match table {
            Table::Orders => writes.put(table, keys::order(&no(1)), vec![1; 40]),
            _ => writes.remove(table, keys::event(1)),
        });
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("backup");
        let error = shop.engine.backup(&dir, None).unwrap_err();
        assert_eq!(kind(&error), StorageErrorKind::Corrupted);
        let mut left: Vec<_> = picture(&dir).unwrap().into_keys().collect();
        // What is locked where a directory cannot be.
        left.retain(|name| name != "LOCK");
        assert!(left.is_empty(), "{left:?}");
        let error = LocalEngine::restore(&dir, place.path().join("new"), &options());
        let is_told = matches!(error, Err(Error::NotABackup { .. } | Error::Empty { .. }));
        assert!(is_told, "{error:?}");
        shop.run(no(2), create(new()));
    }
}

#[test]
fn a_backup_that_failed_where_a_making_was_cut_short_does_not_look_like_a_lost_store() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    shop.tamper(|_, writes| writes.put(Table::Orders, keys::order(&no(1)), vec![1; 40]));
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("backup");
    std::fs::create_dir_all(dir.join("journal")).unwrap();
    std::fs::write(dir.join("identity.tmp"), []).unwrap();
    std::fs::write(dir.join("base.redb"), []).unwrap();
    let error = shop.engine.backup(&dir, None).unwrap_err();
    assert_eq!(kind(&error), StorageErrorKind::Corrupted);
    let error = LocalEngine::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. }), "{error:?}");
    // Another one goes on there.
    let sound = Shop::new();
    sound.run(no(1), create(new()));
    sound.engine.backup(&dir, None).unwrap();
}

#[test]
fn a_store_that_was_closed_has_no_backup_any_more() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let place = tempfile::tempdir().unwrap();
    shop.engine.close().unwrap();
    let error = shop
        .engine
        .backup(&place.path().join("a"), None)
        .unwrap_err();
    assert_eq!(kind(&error), StorageErrorKind::Io);
    assert!(matches!(shop.engine.flush(), Err(EngineError::Fatal(_))));
}

/// A store with an order, and a backup of it.
fn backed_up() -> (Shop, std::path::PathBuf) {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let dir = shop.dir().with_extension("backup");
    shop.engine.backup(&dir, None).unwrap();
    (shop, dir)
}

/// A restore of a damaged backup makes no store, and says that the backup is damaged.
fn assert_not_restored(backup: &std::path::Path) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("new");
    let error = LocalEngine::restore(backup, &dir, &options()).unwrap_err();
    let Error::Unopened { dir: told, source } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (told.as_path(), source.kind()),
        (backup, StorageErrorKind::Corrupted)
    );
    let error = LocalEngine::open(&dir, &options()).unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. }), "{error:?}");
}

#[test]
fn backup_with_the_base_of_another_store_is_not_restored() {
    let ((_one, backup), (_other, other)) = (backed_up(), backed_up());
    std::fs::copy(other.join("base.redb"), backup.join("base.redb")).unwrap();
    assert_not_restored(&backup);
}

/// Every page and every value of it is whole.
#[test]
fn backup_that_breaks_an_invariant_is_not_restored() {
    let (_shop, backup) = backed_up();
    let base = BTree::open(&RealDisk, &backup.join("base.redb"), 1 << 20, false).unwrap();
    let removed: Sorted<'_> = (
        Table::Orders,
        Box::new(std::iter::once((keys::order(&no(1)), None))),
    );
    base.write(vec![removed]).unwrap();
    base.close().unwrap();
    assert_not_restored(&backup);
}
