//! Stores with a mirror, on the machine's own disk.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::testing::{Sizes, fixtures};
use orderstore::{Builder, Error, Health, MirrorStatus, OpenError, Store};
use tempfile::TempDir;

use crate::stores::{close, create};

/// Longest time in which a small mirror must be filled.
const FILL_MAX: Duration = Duration::from_secs(60);

/// Two directories for a store.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: TempDir::new().unwrap(),
        }
    }

    fn main(&self) -> PathBuf {
        self.root.path().join("shop")
    }

    fn mirror(&self) -> PathBuf {
        self.root.path().join("mirror")
    }

    fn builder(&self) -> Builder {
        let sizes = Sizes {
            memtable: 16 << 10,
            segment: 16 << 10,
        };
        Store::builder().in_small_parts(sizes).mirror(self.mirror())
    }

    fn init(&self) -> Store {
        let store = self.builder().init(self.main()).unwrap();
        assert_eq!(store.stats().mirror, MirrorStatus::Complete);
        store
    }

    fn open(&self) -> Result<Store, OpenError> {
        self.builder().open(self.main())
    }
}

fn assert_holds(store: &Store, orders: Range<u64>) {
    for n in orders {
        let found = store.get(fixtures::order_no(n)).wait().unwrap();
        assert!(found.is_some(), "order {n} is missing");
    }
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:#?}");
}

/// Waits until both directories hold every command.
fn wait_until_complete(store: &Store) {
    let began = Instant::now();
    while store.stats().mirror != MirrorStatus::Complete {
        assert!(began.elapsed() < FILL_MAX, "{:?}", store.health());
        thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(store.health(), Health::Ok), "{:?}", store.health());
}

fn assert_missing(opened: Result<Store, OpenError>) {
    let error = opened.expect_err("a directory that may be stale was opened");
    assert!(
        matches!(error, OpenError::MirrorMissing { .. }),
        "{error:?}"
    );
}

/// Paths of the journal segments in a directory, in order.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("journal")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

#[test]
fn lost_directory_is_filled_while_store_serves() {
    for is_main in [false, true] {
        let place = Place::new();
        let lost = if is_main {
            place.main()
        } else {
            place.mirror()
        };
        let kept = if is_main {
            place.mirror()
        } else {
            place.main()
        };
        let store = place.init();
        create(&store, 0..400);
        assert!(store.stats().checkpoints >= 5);
        close(store);
        fs::remove_dir_all(&lost).unwrap();
        assert_missing(place.open());
        let accepted = Store::accept_one_side(&kept).unwrap();
        assert_eq!(accepted.records, 400);
        assert_eq!(accepted.before.seq, accepted.place.seq);
        assert_ne!(accepted.before.incarnation, accepted.place.incarnation);
        let store = place.open().unwrap();
        let mut next = 400;
        let began = Instant::now();
        while store.stats().mirror != MirrorStatus::Complete {
            assert!(began.elapsed() < FILL_MAX, "{:?}", store.health());
            create(&store, next..next + 10);
            next += 10;
        }
        create(&store, next..next + 200);
        next += 200;
        assert_holds(&store, 0..next);
        close(store);
        // The filled directory alone holds everything, too.
        fs::remove_dir_all(&kept).unwrap();
        assert_missing(place.open());
        let accepted = Store::accept_one_side(&lost).unwrap();
        assert_eq!(accepted.records, next);
        assert_holds(&place.open().unwrap(), 0..next);
    }
}

#[test]
fn mirror_filled_without_new_commands_opens_alone() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    close(store);
    for (lost, kept) in [
        (place.mirror(), place.main()),
        (place.main(), place.mirror()),
        (place.mirror(), place.main()),
    ] {
        fs::remove_dir_all(&lost).unwrap();
        let _ = Store::accept_one_side(&kept).unwrap();
        let store = place.open().unwrap();
        wait_until_complete(&store);
        assert_holds(&store, 0..10);
        close(store);
    }
}

#[test]
fn directory_that_disappears_stops_no_command() {
    for is_main in [false, true] {
        let place = Place::new();
        let gone = if is_main {
            place.main()
        } else {
            place.mirror()
        };
        let store = place.init();
        create(&store, 0..300);
        let aside = place.root.path().join("aside");
        fs::rename(&gone, &aside).unwrap();
        create(&store, 300..700);
        assert_holds(&store, 0..700);
        // The store makes a new directory in its place.
        wait_until_complete(&store);
        create(&store, 700..800);
        close(store);
        assert_holds(&place.open().unwrap(), 0..800);
        // The directory that was moved away is stale, and is refused.
        fs::remove_dir_all(&gone).unwrap();
        fs::rename(&aside, &gone).unwrap();
        let store = place.open().unwrap();
        wait_until_complete(&store);
        assert_holds(&store, 0..800);
    }
}

#[test]
fn damage_in_one_directory_is_read_from_the_other() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    close(store);
    for damaged in [place.main(), place.mirror()] {
        let paths = segments(&damaged);
        for path in &paths {
            let mut bytes = fs::read(path).unwrap();
            // The first frame begins after the header of 4096 bytes.
            for byte in &mut bytes[4096 + 40..4096 + 48] {
                *byte ^= 0x55;
            }
            fs::write(path, bytes).unwrap();
        }
        let store = place.open().unwrap();
        assert_holds(&store, 0..20);
        close(store);
    }
    let last = segments(&place.main()).pop().unwrap();
    fs::remove_file(&last).unwrap();
    assert_holds(&place.open().unwrap(), 0..20);
}

#[test]
fn frame_torn_in_both_directories_is_dropped() {
    let place = Place::new();
    let copy = Place::new();
    let store = place.init();
    create(&store, 0..5);
    // Copy the files of the open store, as a kill would leave them, and tear the last frame.
    for (from, to) in [(place.main(), copy.main()), (place.mirror(), copy.mirror())] {
        fs::create_dir_all(to.join("journal")).unwrap();
        for name in ["base.redb", "identity", "mirror"] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
        for path in segments(&from) {
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            if end > 4096 {
                bytes[end - 8..=end].fill(0);
            }
            fs::write(to.join("journal").join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
    let opened = copy.open().unwrap();
    assert!(opened.recovery().dropped_bytes > 0);
    // An idle mark may have been the last frame instead of order 4.
    assert_holds(&opened, 0..4);
    assert_eq!(opened.stats().mirror, MirrorStatus::Complete);
}

#[test]
fn two_accepted_directories_are_never_merged() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..3);
    close(store);
    for dir in [place.main(), place.mirror()] {
        let _ = Store::accept_one_side(&dir).unwrap();
        let store = Store::open(&dir).unwrap();
        create(&store, 10..11);
        close(store);
    }
    let error = place.open().unwrap_err();
    assert!(matches!(error, OpenError::MirrorConflict { .. }), "{error}");
    // A person decides.
    fs::remove_dir_all(place.mirror()).unwrap();
    let store = place.open().unwrap();
    assert_holds(&store, 0..3);
    wait_until_complete(&store);
}

#[test]
fn accepted_directory_wins_over_stale_one_that_returns() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..50);
    close(store);
    let aside = place.root.path().join("aside");
    fs::rename(place.main(), &aside).unwrap();
    let _ = Store::accept_one_side(place.mirror()).unwrap();
    let store = Store::open(place.mirror()).unwrap();
    create(&store, 50..60);
    close(store);
    fs::rename(&aside, place.main()).unwrap();
    let store = place.open().unwrap();
    assert_holds(&store, 0..60);
    wait_until_complete(&store);
    close(store);
    assert_holds(&place.open().unwrap(), 0..60);
}

#[test]
fn mirror_from_before_a_restore_never_replaces_restored_store() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    let backup = place.root.path().join("backup");
    store.backup(&backup).wait().unwrap();
    close(store);
    // The old mirror gets a high generation.
    let aside = place.root.path().join("aside");
    for n in 20..23 {
        let store = place.open().unwrap();
        fs::rename(place.main(), &aside).unwrap();
        create(&store, n..n + 1);
        wait_until_complete(&store);
        close(store);
        fs::remove_dir_all(&aside).unwrap();
    }
    fs::remove_dir_all(place.main()).unwrap();
    fs::rename(place.mirror(), &aside).unwrap();
    let _ = Store::restore(&backup, place.main()).unwrap();
    let store = place.open().unwrap();
    create(&store, 10..15);
    wait_until_complete(&store);
    close(store);
    fs::remove_dir_all(place.mirror()).unwrap();
    fs::rename(&aside, place.mirror()).unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, OpenError::MirrorConflict { .. }), "{error}");
    fs::remove_dir_all(place.mirror()).unwrap();
    assert_missing(place.open());
    let _ = Store::accept_one_side(place.main()).unwrap();
    assert_holds(&place.open().unwrap(), 0..15);
}

#[test]
fn accepted_directory_never_replaces_one_that_was_used_alone() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..5);
    // The main directory goes on alone, and is then lost for a while.
    let aside = place.root.path().join("aside");
    fs::rename(place.mirror(), &aside).unwrap();
    fs::write(place.mirror(), "no directory").unwrap();
    create(&store, 5..9);
    let _ = store.shutdown().wait();
    drop(store);
    fs::remove_file(place.mirror()).unwrap();
    fs::rename(&aside, place.mirror()).unwrap();
    let main = place.root.path().join("lost");
    fs::rename(place.main(), &main).unwrap();
    assert_missing(place.open());
    let _ = Store::accept_one_side(place.mirror()).unwrap();
    for n in 20..23 {
        let store = place.open().unwrap();
        create(&store, n..n + 1);
        wait_until_complete(&store);
        close(store);
    }
    fs::remove_dir_all(place.main()).unwrap();
    fs::rename(&main, place.main()).unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, OpenError::MirrorConflict { .. }), "{error}");
}

#[test]
fn required_mirror_is_named_by_every_call() {
    let place = Place::new();
    let store = place
        .builder()
        .require_both(true)
        .init(place.main())
        .unwrap();
    create(&store, 0..3);
    close(store);
    assert_missing(Store::open(place.main()));
    // A call without an opinion keeps the setting.
    let store = place.open().unwrap();
    close(store);
    let state = fs::read(place.main().join("mirror")).unwrap();
    assert_eq!(state[16], 2);
    // The requirement stays while the mirror is missing, and ends only with both directories.
    let aside = place.root.path().join("aside");
    fs::rename(place.mirror(), &aside).unwrap();
    assert_missing(place.builder().require_both(false).open(place.main()));
    fs::write(place.mirror(), "no directory").unwrap();
    place.open().unwrap_err();
    assert_missing(Store::open(place.main()));
    fs::remove_file(place.mirror()).unwrap();
    fs::rename(&aside, place.mirror()).unwrap();
    let store = place.open().unwrap();
    wait_until_complete(&store);
    close(store);
    close(
        place
            .builder()
            .require_both(false)
            .open(place.main())
            .unwrap(),
    );
    let state = fs::read(place.main().join("mirror")).unwrap();
    assert_eq!(state[16], 1);
}

#[test]
fn mirror_in_directory_of_the_store_is_invalid() {
    let place = Place::new();
    let error = Store::builder()
        .mirror(place.main())
        .open_or_init(place.main());
    assert!(matches!(error, Err(OpenError::Invalid { .. })), "{error:?}");
    assert!(!place.main().exists());
}

#[test]
fn required_directory_that_fails_refuses_commands() {
    let place = Place::new();
    let required = || place.builder().require_both(true);
    let store = required().init(place.main()).unwrap();
    create(&store, 0..100);
    let aside = place.root.path().join("aside");
    fs::rename(place.mirror(), &aside).unwrap();
    let refused = store.create(fixtures::order_no(100), fixtures::new(100));
    let error = refused.wait().unwrap_err();
    assert!(matches!(error, Error::NotApplied(_)), "{error:?}");
    assert!(matches!(store.health(), Health::Failing(_)));
    fs::rename(&aside, place.mirror()).unwrap();
    create(&store, 100..101);
    close(store);
    // Nothing can be missing in one directory, so it needs no acceptance. The call that opens the
    // store fills the other one first.
    fs::remove_dir_all(place.main()).unwrap();
    let store = required().open(place.main()).unwrap();
    assert_eq!(store.stats().mirror, MirrorStatus::Complete);
    assert_holds(&store, 0..101);
    close(store);
    fs::remove_dir_all(place.mirror()).unwrap();
    fs::write(place.mirror(), "not a directory").unwrap();
    required().open(place.main()).unwrap_err();
    fs::remove_file(place.mirror()).unwrap();
    assert_holds(&required().open(place.main()).unwrap(), 0..101);
}

#[test]
fn mirrored_store_opens_only_with_both_directories_or_detached() {
    let place = Place::new();
    close(place.init());
    assert_missing(Store::open(place.main()));
    assert_missing(Store::open(place.mirror()));
    let error = place.builder().init(place.main()).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyThere { .. }), "{error}");
    Store::detach_mirror(place.main(), place.mirror()).unwrap();
    let store = Store::open(place.main()).unwrap();
    assert_eq!(store.stats().mirror, MirrorStatus::Off);
    create(&store, 0..1);
    close(store);
    let error = Store::accept_one_side(place.main()).unwrap_err();
    assert!(matches!(error, OpenError::NotMirrored { .. }), "{error}");
    // The other directory is stale now. With it, the store is mirrored again.
    assert_missing(Store::open(place.mirror()));
    let store = place.open().unwrap();
    wait_until_complete(&store);
    assert_holds(&store, 0..1);
}

#[test]
fn directory_of_another_store_is_never_overwritten() {
    let place = Place::new();
    close(Store::init(place.mirror()).unwrap());
    let error = place.builder().init(place.main()).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyThere { .. }), "{error}");
    close(Store::init(place.main()).unwrap());
    let error = place.open().unwrap_err();
    assert!(matches!(error, OpenError::MirrorConflict { .. }), "{error}");
    fs::remove_dir_all(place.mirror()).unwrap();
    // A plain copy of the store was never its mirror.
    fs::create_dir_all(place.mirror().join("journal")).unwrap();
    for name in ["base.redb", "identity"] {
        fs::copy(place.main().join(name), place.mirror().join(name)).unwrap();
    }
    let error = place.open().unwrap_err();
    assert!(matches!(error, OpenError::MirrorConflict { .. }), "{error}");
    fs::remove_dir_all(place.mirror()).unwrap();
    fs::create_dir(place.mirror()).unwrap();
    fs::write(place.mirror().join("notes.txt"), "foreign").unwrap();
    let store = place.open().unwrap();
    create(&store, 0..3);
    let began = Instant::now();
    while !matches!(store.health(), Health::Unmirrored { cause: Some(_) }) {
        assert!(began.elapsed() < FILL_MAX, "{:?}", store.health());
        thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(place.mirror().join("notes.txt")).unwrap();
    wait_until_complete(&store);
}

#[test]
fn corrupt_page_is_served_by_the_other_directory() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..300);
    store.checkpoint().wait().unwrap();
    close(store);
    let path = place.main().join("base.redb");
    let mut bytes = fs::read(&path).unwrap();
    // Keep the header page, and the first pages that redb needs to open the file.
    let from = bytes.len() / 4;
    for byte in bytes[from..].iter_mut().step_by(64) {
        *byte ^= 0xff;
    }
    fs::write(&path, bytes).unwrap();
    let store = place.open().unwrap();
    for n in 0..300 {
        let found = store.get(fixtures::order_no(n)).wait().unwrap();
        assert!(found.is_some(), "order {n} is missing");
    }
    create(&store, 300..301);
    wait_until_complete(&store);
    assert_holds(&store, 0..301);
}
