//! The directory of an open store is moved, replaced or removed. Or the process changes its working
//! directory, forks or runs out of file descriptors.
//!
//! Tests that affect the whole process run in a child process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::time::Duration;
use std::{fs, thread};

use fork::{Fork, fork, waitpid};
use orderstore::testing::{SimulatedDisk, Sizes};
use orderstore::{Builder, Error, Health, OpenError, OrderQuery, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::flow::rig::{new, no, within_a_minute};
use crate::process::{Process, tell};

/// Environment variable with the child's role; unset in an ordinary test run.
const ROLE: &str = "ORDERSTORE_PLACES_ROLE";
const DIR: &str = "ORDERSTORE_PLACES_DIR";

/// Sizes at which a hundred orders need many segments and several checkpoints.
const SIZES: Sizes = Sizes {
    memtable: 64 << 10,
    segment: 8 << 10,
};

/// Entry point of the child processes that other tests start; not a test by itself.
#[test]
fn entry_point_of_child_processes() {
    match std::env::var(ROLE).as_deref() {
        Ok("descriptors") => run_out_of_descriptors(),
        Ok("fork") => fork_while_open(),
        Ok("chdir") => change_directory_while_open(),
        _ => {}
    }
}

fn dir() -> PathBuf {
    std::env::var(DIR).unwrap().into()
}

fn small() -> Builder {
    Store::builder().in_small_parts(SIZES)
}

/// Runs a role in a child process and waits until the child reports that it is done.
fn done_by_a_child(role: &str, dir: &Path) {
    let variables = [
        (ROLE, role.to_owned()),
        (DIR, dir.to_str().unwrap().to_owned()),
    ];
    let mut child = Process::start("places::entry_point_of_child_processes", &variables);
    assert_eq!(child.words.next().as_deref(), Some("done"));
}

fn create(store: &Store, number: u64) -> Result<(), Error> {
    store.create(no(number), new()).wait().map(drop)
}

fn assert_holds(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        assert!(store.get(no(number)).wait().unwrap().is_some(), "{number}");
    }
}

/// Returns every file below a directory with its bytes.
fn files_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Asserts that a command was certainly not applied, may be retried, and made the store unhealthy.
fn assert_refused(answer: &Result<(), Error>, store: &Store) {
    let Err(error @ Error::NotApplied(_)) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.is_retryable());
    assert!(
        matches!(store.health(), Health::Failing(_)),
        "{:?}",
        store.health()
    );
}

fn run_out_of_descriptors() {
    let store = small().init(dir()).unwrap();
    create(&store, 0).unwrap();
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..before
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let (mut next, mut refused) = (1, 0);
    while refused < 100 {
        match create(&store, next) {
            Ok(()) => next += 1,
            answer => {
                assert_refused(&answer, &store);
                refused += 1;
            }
        }
    }
    // Some orders succeeded, because the journal could switch to the preallocated segment.
    assert!(next > 5, "{next}");
    assert!(store.get(no(next)).wait().unwrap().is_none());
    setrlimit(Resource::Nofile, before).unwrap();
    while create(&store, next).is_err() {
        thread::sleep(Duration::from_millis(1));
    }
    (next + 1..next + 100).for_each(|number| create(&store, number).unwrap());
    store.checkpoint().wait().unwrap();
    assert!(matches!(store.health(), Health::Ok), "{:?}", store.health());
    store.shutdown().wait().unwrap();
    drop(store);
    assert_holds(&Store::open_verified(dir()).unwrap(), 0..next + 100);
    tell("done");
}

#[test]
fn store_without_file_descriptors_refuses_and_recovers() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        done_by_a_child("descriptors", &place.path().join("shop"));
    });
}

/// Returns whether the store refuses every call in the forked child. Dropping the child's handle
/// must not release the parent's lock.
fn is_every_call_refused_in_child(store: Store) -> bool {
    let is_forked = |error: Option<Error>| matches!(error, Some(Error::Forked));
    // The child must get no order number, because the block that was reserved before the fork
    // belongs to the parent.
    let numbers = store.next_order_no().wait().err();
    let refused = [
        create(&store, 2).err(),
        store.create(no(2), new()).submit().err().map(Error::from),
        store.submit_all(Vec::new()).err().map(Error::from),
        store.checkpoint().wait().err(),
        store.list(OrderQuery::all()).wait().err(),
        store.list(OrderQuery::all()).submit().unwrap().wait().err(),
        store.shutdown().wait().err(),
        numbers,
    ];
    drop(store);
    refused.into_iter().all(is_forked)
}

fn fork_while_open() {
    let store = small().init(dir()).unwrap();
    create(&store, 1).unwrap();
    let _ = store.next_order_no().wait().unwrap();
    match fork().unwrap() {
        Fork::Child => exit(i32::from(!is_every_call_refused_in_child(store))),
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0),
    }
    // The exit of the child must not release the lock of the parent.
    assert!(matches!(Store::open(dir()), Err(OpenError::Locked { .. })));
    (2..100).for_each(|number| create(&store, number).unwrap());
    store.shutdown().wait().unwrap();
    drop(store);
    assert_holds(&Store::open_verified(dir()).unwrap(), 1..100);
    tell("done");
}

#[test]
fn calls_in_forked_child_fail_and_parent_continues() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        done_by_a_child("fork", &place.path().join("shop"));
    });
}

fn change_directory_while_open() {
    std::env::set_current_dir(dir()).unwrap();
    let store = small().init("shop").unwrap();
    std::env::set_current_dir("/").unwrap();
    (0..200).for_each(|number| create(&store, number).unwrap());
    store.checkpoint().wait().unwrap();
    store.backup(dir().join("backup")).wait().unwrap();
    assert!(matches!(store.health(), Health::Ok));
    store.shutdown().wait().unwrap();
    tell("done");
}

#[test]
fn store_on_relative_path_survives_directory_change() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        done_by_a_child("chdir", place.path());
        assert_holds(&Store::open(place.path().join("shop")).unwrap(), 0..200);
    });
}

#[test]
fn store_stays_locked_after_lock_file_is_removed() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        let dir = place.path().join("shop");
        let store = small().init(&dir).unwrap();
        create(&store, 0).unwrap();
        let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap());
        let locks = entries.filter(|entry| entry.file_name() == "LOCK");
        locks.for_each(|lock| fs::remove_file(lock.path()).unwrap());
        for opened in [
            Store::open(&dir),
            Store::open_or_init(&dir),
            Store::open_verified(&dir),
        ] {
            assert!(
                matches!(opened, Err(OpenError::Locked { .. })),
                "{opened:?}"
            );
        }
        (1..100).for_each(|number| create(&store, number).unwrap());
        store.shutdown().wait().unwrap();
        assert_holds(&Store::open(&dir).unwrap(), 0..100);
    });
}

#[test]
fn moved_store_does_not_touch_its_replacement() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        let [dir, away, other] = ["shop", "away", "restored"].map(|name| place.path().join(name));
        let store = small().init(&dir).unwrap();
        (0..50).for_each(|number| create(&store, number).unwrap());
        store.backup(place.path().join("backup")).wait().unwrap();
        let _ = Store::restore(place.path().join("backup"), &other).unwrap();
        create(&store, 1000).unwrap();
        fs::rename(&dir, &away).unwrap();
        fs::rename(&other, &dir).unwrap();
        let before = files_below(&dir);
        for number in 50..100 {
            assert_refused(&create(&store, number), &store);
        }
        let segments = || {
            let mut names: Vec<_> = files_below(&away.join("journal")).into_keys().collect();
            names.retain(|name| name.extension().is_some_and(|end| end == "log"));
            names
        };
        let before_flush = segments();
        assert!(store.checkpoint().wait().is_err());
        assert_eq!(segments(), before_flush);
        // Reads still return the data of the store that this handle opened.
        assert_holds(&store, 0..50);
        assert_eq!(files_below(&dir), before);
        let restored = Store::open(&dir).unwrap();
        assert_holds(&restored, 0..50);
        (50..200).for_each(|number| create(&restored, number).unwrap());
        assert!(create(&store, 200).is_err());
        restored.shutdown().wait().unwrap();
        let before = files_below(&dir);
        store.shutdown().wait().unwrap();
        assert_eq!(files_below(&dir), before);
        assert_holds(&Store::open_verified(&dir).unwrap(), 0..200);
        assert_holds(&Store::open_verified(&away).unwrap(), (0..50).chain([1000]));
    });
}

#[test]
fn store_moved_away_and_back_continues() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        let [dir, away] = ["shop", "away"].map(|name| place.path().join(name));
        let store = small().init(&dir).unwrap();
        create(&store, 0).unwrap();
        fs::rename(&dir, &away).unwrap();
        assert_refused(&create(&store, 1), &store);
        fs::rename(&away, &dir).unwrap();
        (1..100).for_each(|number| create(&store, number).unwrap());
        // On a slow disk, the checkpoint of these small memtables may still run.
        while matches!(store.health(), Health::Throttled) {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(store.health(), Health::Ok), "{:?}", store.health());
        store.shutdown().wait().unwrap();
        assert_holds(&Store::open(&dir).unwrap(), 0..100);
    });
}

#[test]
fn command_after_directory_removal_is_refused() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        let dir = place.path().join("shop");
        let store = Store::init(&dir).unwrap();
        create(&store, 0).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_refused(&create(&store, 1), &store);
        assert!(store.next_order_no().wait().is_err());
        drop(store.shutdown().wait());
        assert!(!dir.exists());
    });
}

/// Copies the identity of another store over an open one. Its files then belong to another store,
/// so the open store must not remove any segment.
#[test]
fn store_with_replaced_identity_file_removes_no_segment() {
    within_a_minute(|| {
        let place = TempDir::new().unwrap();
        let [dir, other] = ["shop", "restored"].map(|name| place.path().join(name));
        let store = Store::init(&dir).unwrap();
        (0..50).for_each(|number| create(&store, number).unwrap());
        store.backup(place.path().join("backup")).wait().unwrap();
        let _ = Store::restore(place.path().join("backup"), &other).unwrap();
        create(&store, 50).unwrap();
        fs::copy(other.join("identity"), dir.join("identity")).unwrap();
        let before: Vec<_> = files_below(&dir.join("journal")).into_keys().collect();
        assert!(store.checkpoint().wait().is_err());
        assert!(matches!(store.health(), Health::Failing(_)));
        let after = files_below(&dir.join("journal"));
        assert!(before.iter().all(|path| after.contains_key(path)));
        drop(store.shutdown().wait());
    });
}

#[test]
fn disk_with_weak_durability_is_refused_unless_allowed() {
    let disk = SimulatedDisk::new(1);
    disk.set_weak_names();
    let dir = Path::new(SimulatedDisk::ROOT).join("shop");
    let builder = || Store::builder().simulated(&disk, SIZES);
    let allowed = || builder().allow_weak_durability();
    let refused = |opened: Result<Store, OpenError>| {
        let error = opened.unwrap_err();
        assert!(
            matches!(error, OpenError::WeakDurability { .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("allow_weak_durability"),
            "{error}"
        );
    };
    refused(builder().init(&dir));
    refused(builder().open_or_init(&dir));
    create(&allowed().init(&dir).unwrap(), 0).unwrap();
    refused(builder().open(&dir));
    refused(builder().open_verified(&dir));
    let repaired = builder().repair(&dir, dir.with_extension("new"));
    assert!(matches!(repaired, Err(OpenError::WeakDurability { .. })));
    assert_holds(&allowed().open(&dir).unwrap(), [0]);
}
