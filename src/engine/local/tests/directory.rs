//! Tests of creating, opening and locking a store's directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::fixture::{TestStore, copied, create, file_contents, new, no, options};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::error::{OpenError, StorageErrorKind};

/// Opens a directory. Asserts that the open fails and changes no file. Returns the error.
fn refused(dir: &Path) -> OpenError {
    let before = file_contents(dir);
    let error = LocalEngine::open(dir, &options()).unwrap_err();
    assert_eq!(file_contents(dir), before, "{error}");
    error
}

/// Closed store with one order.
fn closed() -> TestStore {
    let store = TestStore::new();
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
fn open_without_store_changes_no_file() {
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
    let before = file_contents(&dir);
    for made in [
        LocalEngine::init(&dir, &options()),
        LocalEngine::open_or_init(&dir, &options()),
    ] {
        assert!(matches!(made, Err(OpenError::Foreign { .. })));
    }
    assert_eq!(file_contents(&dir), before);
    let file = dir.join("photo.jpg");
    assert!(matches!(refused(&file), OpenError::Foreign { .. }));
}

#[test]
fn init_rejects_existing_store() {
    let store = closed();
    let before = file_contents(&store.dir());
    let again = LocalEngine::init(store.dir(), &options());
    assert!(matches!(again, Err(OpenError::AlreadyThere { .. })));
    assert_eq!(file_contents(&store.dir()), before);
    let store = LocalEngine::open_or_init(store.dir(), &options()).unwrap();
    assert!(!store.is_new() && store.get(&no(1)).unwrap().is_some());
}

#[test]
fn open_or_init_creates_no_parent_directory() {
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
fn init_error_names_topmost_missing_parent() {
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
fn open_rejects_and_init_completes_interrupted_init() {
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
fn missing_identity_file_is_reported_as_corruption() {
    let store = closed();
    fs::remove_file(store.dir().join("identity")).unwrap();
    let before = file_contents(&store.dir());
    assert_corrupt(&refused(&store.dir()));
    for made in [LocalEngine::init, LocalEngine::open_or_init] {
        assert_corrupt(&made(store.dir(), &options()).unwrap_err());
    }
    assert_eq!(file_contents(&store.dir()), before);
}

#[test]
fn corrupt_identity_file_is_rejected_without_changes() {
    let store = closed();
    let path = store.dir().join("identity");
    let whole = fs::read(&path).unwrap();
    for damage in [&whole[..10], &[], &[7; 72]] {
        fs::write(&path, damage).unwrap();
        assert_corrupt(&refused(&store.dir()));
        let before = file_contents(&store.dir());
        LocalEngine::open_or_init(store.dir(), &options()).unwrap_err();
        assert_eq!(file_contents(&store.dir()), before);
    }
    fs::write(&path, whole).unwrap();
    LocalEngine::open(store.dir(), &options()).unwrap();
}

#[test]
fn open_error_names_newer_format_version() {
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
fn missing_or_truncated_btree_file_is_corruption() {
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
fn killed(store: &TestStore) -> tempfile::TempDir {
    copied(&store.dir())
}

#[test]
fn killed_store_reopens_with_all_writes() {
    let store = TestStore::new();
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
fn truncated_btree_after_kill_is_valid_or_rejected() {
    let store = TestStore::new();
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
            // The store opens only if the truncated part contained no data.
            Ok(engine) => assert!(engine.verify().unwrap().is_ok()),
        }
    }
}

#[test]
fn open_rejects_btree_of_another_store() {
    let (store, other) = (closed(), closed());
    fs::copy(other.dir().join("base.redb"), store.dir().join("base.redb")).unwrap();
    let error = LocalEngine::open(store.dir(), &options()).unwrap_err();
    assert_corrupt(&error);
}

#[test]
fn second_open_of_store_fails_as_locked() {
    let store = TestStore::new();
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
fn open_waits_until_previous_handle_closes() {
    let store = TestStore::new();
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
fn store_files_are_accessible_to_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let store = TestStore::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.dir()), 0o700);
    for name in file_contents(&store.dir()).unwrap().keys() {
        let expected = if name == "journal" { 0o700 } else { 0o600 };
        assert_eq!(mode(&store.dir().join(name)), expected, "{name}");
    }
}
