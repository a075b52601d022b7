//! Tests of creating, opening and locking a store's directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::fixture::{Shop, copied, create, new, no, options, picture};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::error::{OpenError, StorageErrorKind};

/// Error of an open. Asserts that the open changes no file.
fn refused(dir: &Path) -> OpenError {
    let before = picture(dir);
    let error = LocalEngine::open(dir, &options()).unwrap_err();
    assert_eq!(picture(dir), before, "{error}");
    error
}

/// Closed store with one order.
fn closed() -> Shop {
    let store = Shop::new();
    store.run(no(1), create(new()));
    store.engine.close().unwrap();
    store
}

fn assert_corrupt(error: &OpenError) {
    let OpenError::Unopened { source, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), StorageErrorKind::Corrupted, "{source:?}");
}

#[test]
fn open_creates_nothing_in_missing_empty_or_foreign_directory() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("shop");
    assert!(matches!(refused(&dir), OpenError::Missing { .. }));
    fs::create_dir(&dir).unwrap();
    assert!(matches!(refused(&dir), OpenError::Empty { .. }));
    fs::create_dir(dir.join("lost+found")).unwrap();
    assert!(matches!(refused(&dir), OpenError::Empty { .. }));
    fs::write(dir.join("photo.jpg"), "p").unwrap();
    assert!(matches!(refused(&dir), OpenError::Foreign { .. }));
    fs::write(dir.join("LOCK"), "").unwrap();
    assert!(matches!(refused(&dir), OpenError::Foreign { .. }));
    let before = picture(&dir);
    for made in [
        LocalEngine::init(&dir, &options()),
        LocalEngine::open_or_init(&dir, &options()),
    ] {
        assert!(matches!(made, Err(OpenError::Foreign { .. })));
    }
    assert_eq!(picture(&dir), before);
    let file = dir.join("photo.jpg");
    assert!(matches!(refused(&file), OpenError::Foreign { .. }));
}

#[test]
fn init_rejects_existing_store() {
    let store = closed();
    let before = picture(&store.dir());
    let again = LocalEngine::init(store.dir(), &options());
    assert!(matches!(again, Err(OpenError::AlreadyThere { .. })));
    assert_eq!(picture(&store.dir()), before);
    let store = LocalEngine::open_or_init(store.dir(), &options()).unwrap();
    assert!(!store.is_new() && store.get(&no(1)).unwrap().is_some());
}

#[test]
fn open_or_init_creates_store_but_no_parent() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("a");
    let empty = temp.path().join("b");
    fs::create_dir(&empty).unwrap();
    for dir in [missing, empty] {
        assert!(
            LocalEngine::open_or_init(&dir, &options())
                .unwrap()
                .is_new()
        );
        assert!(
            !LocalEngine::open_or_init(&dir, &options())
                .unwrap()
                .is_new()
        );
    }
    let deep = temp.path().join("c/d");
    LocalEngine::open_or_init(&deep, &options()).unwrap_err();
    assert!(!temp.path().join("c").exists());
}

#[test]
fn init_names_topmost_missing_parent() {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path().join("c");
    for deep in [top.join("d"), top.join("d/e")] {
        for made in [LocalEngine::init, LocalEngine::open_or_init] {
            let error = made(deep.clone(), &options()).unwrap_err();
            let OpenError::ParentMissing { dir, missing } = error else {
                panic!("{error:?}");
            };
            assert_eq!((&dir, &missing), (&deep, &top));
        }
    }
    assert!(!top.exists());
}

#[test]
fn interrupted_init_is_completed_by_init_only() {
    for made in [LocalEngine::init, LocalEngine::open_or_init] {
        for leftovers in [
            &["LOCK"][..],
            &["LOCK", "identity.tmp"],
            &["LOCK", "identity.tmp", "base.redb"],
        ] {
            let temp = tempfile::tempdir().unwrap();
            for name in leftovers {
                fs::write(temp.path().join(name), "half").unwrap();
            }
            assert!(matches!(refused(temp.path()), OpenError::Incomplete { .. }));
            let engine = made(temp.path().to_path_buf(), &options()).unwrap();
            assert!(engine.is_new() && engine.verify().unwrap().is_ok());
        }
    }
}

#[test]
fn lost_identity_is_corruption_and_store_is_not_recreated() {
    let store = closed();
    fs::remove_file(store.dir().join("identity")).unwrap();
    let before = picture(&store.dir());
    assert_corrupt(&refused(&store.dir()));
    for made in [LocalEngine::init, LocalEngine::open_or_init] {
        assert_corrupt(&made(store.dir(), &options()).unwrap_err());
    }
    assert_eq!(picture(&store.dir()), before);
}

#[test]
fn corrupt_identity_is_rejected_without_changes() {
    let store = closed();
    let path = store.dir().join("identity");
    let whole = fs::read(&path).unwrap();
    for damage in [&whole[..10], &[], &[7; 72]] {
        fs::write(&path, damage).unwrap();
        assert_corrupt(&refused(&store.dir()));
        let before = picture(&store.dir());
        LocalEngine::open_or_init(store.dir(), &options()).unwrap_err();
        assert_eq!(picture(&store.dir()), before);
    }
    fs::write(&path, whole).unwrap();
    LocalEngine::open(store.dir(), &options()).unwrap();
}

#[test]
fn newer_format_is_rejected_with_its_number() {
    let store = closed();
    let path = store.dir().join("identity");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[8] = 2;
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = refused(&store.dir());
    assert!(matches!(
        error,
        OpenError::NewerFormat { found: 2, known: 1 }
    ));
}

#[test]
fn missing_or_truncated_btree_is_corruption() {
    let store = closed();
    let path = store.dir().join("base.redb");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_corrupt(&refused(&store.dir()));
    for len in [0, 1, 100, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        assert_corrupt(&refused(&store.dir()));
    }
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert_corrupt(&refused(&store.dir()));
    fs::write(&path, whole).unwrap();
    LocalEngine::open(store.dir(), &options()).unwrap();
}

/// Copy of the directory, as a killed process leaves it.
fn killed(store: &Shop) -> tempfile::TempDir {
    copied(&store.dir())
}

#[test]
fn killed_store_reopens_with_all_writes() {
    let store = Shop::new();
    for n in 1..20 {
        store.run(no(n), create(new()));
        let temp = killed(&store);
        let engine = LocalEngine::open(temp.path(), &options()).unwrap();
        assert_eq!(
            engine.get(&no(n)).unwrap(),
            store.engine.get(&no(n)).unwrap()
        );
        assert!(engine.verify().unwrap().is_ok());
    }
}

#[test]
fn killed_store_with_truncated_btree_opens_sound_or_fails() {
    let store = Shop::new();
    store.run(no(1), create(new()));
    let len = fs::metadata(store.dir().join("base.redb")).unwrap().len();
    for len in [8192, len / 2 / 4096 * 4096, len - 1] {
        let temp = killed(&store);
        let path = temp.path().join("base.redb");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..usize::try_from(len).unwrap()]).unwrap();
        let opened = LocalEngine::open(temp.path(), &options());
        match opened {
            Err(error) => assert_corrupt(&error),
            // The truncated part contained no data.
            Ok(engine) => assert!(engine.verify().unwrap().is_ok()),
        }
    }
}

#[test]
fn btree_of_another_store_is_rejected() {
    let (store, other) = (closed(), closed());
    fs::copy(other.dir().join("base.redb"), store.dir().join("base.redb")).unwrap();
    let error = LocalEngine::open(store.dir(), &options()).unwrap_err();
    assert_corrupt(&error);
}

#[test]
fn second_open_of_store_is_locked_out() {
    let store = Shop::new();
    for made in [LocalEngine::open, LocalEngine::open_or_init] {
        let error = made(store.dir(), &options()).unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }));
    }
    drop(store.engine.close());
    LocalEngine::open(store.dir(), &options()).unwrap();
}

#[test]
fn dropped_store_can_be_reopened() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("shop");
    drop(LocalEngine::init(&dir, &options()).unwrap());
    LocalEngine::open(&dir, &options()).unwrap();
}

#[test]
fn open_waits_for_previous_handle() {
    let store = Shop::new();
    let mut options = options();
    options.lock_wait = Duration::from_secs(60);
    std::thread::scope(|scope| {
        let next = scope.spawn(|| LocalEngine::open(store.dir(), &options));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!next.is_finished());
        store.engine.close().unwrap();
        next.join().unwrap().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn store_files_are_private_to_user() {
    use std::os::unix::fs::PermissionsExt;
    let store = Shop::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.dir()), 0o700);
    for name in picture(&store.dir()).unwrap().keys() {
        let expected = if name == "journal" { 0o700 } else { 0o600 };
        assert_eq!(mode(&store.dir().join(name)), expected, "{name}");
    }
}
