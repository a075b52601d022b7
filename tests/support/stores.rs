//! Small steps with whole stores, for several test programs.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::testing::fixtures;
use orderstore::{ArchiveStatus, Builder, Event, FeedCursor, OldStore, OpenError, Store};

/// Longest time for a shipment.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Number of copies that claim one archive at the same time.
const COPIES: usize = 64;

pub(crate) fn create(store: &Store, orders: Range<u64>) {
    for n in orders {
        let order = store.create(fixtures::order_no(n), fixtures::new(100));
        let _ = order.wait().unwrap();
    }
}

pub(crate) fn close(store: Store) {
    store.shutdown().wait().unwrap();
}

/// Every event of a store, in commit order.
pub(crate) fn events(store: &Store) -> Vec<Event> {
    let mut events = Vec::new();
    let mut after = FeedCursor::START;
    loop {
        let page = store.events(after, 1000).wait().unwrap();
        let Some(last) = page.last() else {
            return events;
        };
        after = last.cursor;
        events.extend(page.into_iter().map(|found| found.event));
    }
}

/// Compares two feeds. Prints only the first difference.
pub(crate) fn assert_same(found: &[Event], expected: &[Event]) {
    let mut pairs = found.iter().zip(expected);
    let at = pairs.position(|(one, other)| one != other);
    assert_eq!((at, found.len()), (None, expected.len()));
}

/// Copies the contents of a directory. Creates the target if it is missing.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    if !to.exists() {
        fs::create_dir(to).unwrap();
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}

pub(crate) fn wait_until(store: &Store, is_done: impl Fn(&Store) -> bool) {
    let began = Instant::now();
    while !is_done(store) {
        let stats = store.stats().archive;
        assert!(began.elapsed() < WAIT_MAX, "{stats:?} {:?}", store.health());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the archive holds every command so far.
pub(crate) fn wait_until_archived(store: &Store) {
    wait_until(store, |store| {
        let archive = store.stats().archive;
        archive.status == ArchiveStatus::Complete && archive.lag.is_zero()
    });
}

/// Lets 64 copies of a closed store open at the same time, with one archive. Returns the store of the
/// only one that succeeds.
pub(crate) fn only_winner(dir: &Path, builder: &(impl Fn() -> Builder + Sync)) -> Store {
    let copy = |n| dir.with_file_name(format!("copy{n}"));
    let copies: Vec<PathBuf> = (0..COPIES).map(copy).collect();
    copies.iter().for_each(|copy| copy_dir(dir, copy));
    let opened: Vec<_> = thread::scope(|scope| {
        let open = |copy| scope.spawn(move || builder().open(copy));
        let threads: Vec<_> = copies.iter().map(open).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
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
    winners.pop().unwrap()
}

/// Promotes 64 standbys at the same time, with one archive and one directory each in `place`. Every epoch
/// must have one winner, and only the winner of the last one may open.
pub(crate) fn promote_at_once(place: &Path, builder: &(impl Fn() -> Builder + Sync)) {
    let dirs: Vec<PathBuf> = (0..COPIES)
        .map(|n| place.join(format!("standby{n}")))
        .collect();
    let promoted: Vec<_> = thread::scope(|scope| {
        let promote = |dir| scope.spawn(move || builder().promote(dir, OldStore::Stopped));
        let threads: Vec<_> = dirs.iter().map(promote).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    });
    let mut epochs = HashSet::new();
    for result in promoted {
        match result {
            Ok(report) => assert!(epochs.insert(report.epoch), "{report:?}"),
            Err(OpenError::Fenced(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(!epochs.is_empty());
    let opened = dirs.iter().filter_map(|dir| builder().open(dir).ok());
    assert!(opened.count() <= 1);
}
