//! Backups that are taken while other threads write, and stores restored from them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use orderstore::testing::fixtures;
use orderstore::{
    Command, CommandKind, Confirmed, Created, Error, Event, FeedCursor, FeedEvent, OpenError,
    OrderNo, PageRequest, StorageErrorKind, Store,
};
use tempfile::TempDir;

/// Temporary directory for a store, its backups and its restored copies.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Creates a store with a small memtable, so that a few thousand orders cause several
    /// checkpoints.
    fn store(&self) -> Store {
        let builder = Store::builder().memtable_bytes(1 << 20);
        builder.cache_bytes(1 << 20).init(self.at("store")).unwrap()
    }

    fn restored(&self, backup: &str, name: &str) -> Store {
        let restored = Store::restore(self.at(backup), self.at(name)).unwrap();
        assert_ne!(restored.before.incarnation, restored.place.incarnation);
        Store::open_verified(self.at(name)).unwrap()
    }
}

fn feed_of(store: &Store) -> Vec<Event> {
    let (mut place, mut found) = (FeedCursor::START, Vec::new());
    loop {
        let page = store.events(place, PageRequest::MAX).wait().unwrap();
        let Some(last) = page.last() else {
            return found;
        };
        place = last.cursor;
        found.extend(page.into_iter().map(|sequenced: FeedEvent| sequenced.event));
    }
}

/// Creates the `n`th order and confirms it.
fn create_and_pay(store: &Store, n: u64) {
    let no = fixtures::order_no(n);
    let made = store.create(no, fixtures::new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = store.confirm(no, fixtures::payment(n, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
}

fn filled(place: &Place, orders: u64) -> Store {
    let store = place.store();
    (0..orders).for_each(|n| create_and_pay(&store, n));
    store
}

fn written(restored: &Store, no: OrderNo) -> bool {
    let order = restored.get(no).wait().unwrap();
    order.is_some_and(|order| order.payment.is_some())
}

#[test]
fn backup_during_writes_is_a_consistent_prefix() {
    let place = Place::new();
    let store = place.store();
    let is_over = AtomicBool::new(false);
    let served: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(0)).collect();
    let backups = thread::scope(|scope| {
        for (worker, served) in (0..8).zip(&served) {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                for n in 0.. {
                    create_and_pay(store, worker * 1_000_000 + n);
                    served.store(n + 1, Ordering::SeqCst);
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        while served
            .iter()
            .any(|served| served.load(Ordering::SeqCst) < 150)
        {
            thread::yield_now();
        }
        let made: Vec<_> = ["first", "second"]
            .map(|name| {
                let before: Vec<u64> = served
                    .iter()
                    .map(|served| served.load(Ordering::SeqCst))
                    .collect();
                let backup = store.backup(place.at(name)).wait().unwrap();
                (name, before, backup)
            })
            .into();
        is_over.store(true, Ordering::SeqCst);
        made
    });
    let feed = feed_of(&store);
    for (name, before, backup) in backups {
        let restored = place.restored(name, &format!("{name}, restored"));
        let held = usize::try_from(backup.place.seq).unwrap();
        assert!(
            held < feed.len(),
            "the writers wrote nothing during the backup"
        );
        assert_eq!(feed_of(&restored), feed[..held]);
        let counts = restored.counts().wait().unwrap();
        assert_eq!(counts.orders(), backup.records);
        for (worker, served) in (0..8).zip(before) {
            let answered = (0..served).map(|n| fixtures::order_no(worker * 1_000_000 + n));
            assert!(answered.into_iter().all(|no| written(&restored, no)));
        }
    }
}

#[test]
fn restored_store_accepts_orders_and_repeats_no_number() {
    let place = Place::new();
    let store = filled(&place, 20);
    let drawn = |store: &Store| -> Vec<OrderNo> {
        let numbers = (0..2000).map(|_| store.next_order_no().wait().unwrap());
        numbers.collect()
    };
    let mut numbers = drawn(&store);
    store.backup(place.at("backup")).wait().unwrap();
    numbers.extend(drawn(&store));
    store.shutdown().wait().unwrap();
    for name in ["once", "twice"] {
        let restored = place.restored("backup", name);
        numbers.extend(drawn(&restored));
        create_and_pay(&restored, 100);
        assert!(restored.verify().wait().unwrap().is_ok());
        restored.shutdown().wait().unwrap();
        let again = Store::open(place.at(name)).unwrap();
        assert!(written(&again, fixtures::order_no(100)) && written(&again, fixtures::order_no(3)));
    }
    // The last 16 digits of a number are its counter. The counters must differ even without the
    // time.
    let counters: HashSet<&str> = numbers.iter().map(|no| &no.as_str()[16..]).collect();
    assert_eq!(counters.len(), numbers.len());
}

#[test]
fn restored_store_answers_retries_as_duplicates() {
    let place = Place::new();
    let store = filled(&place, 3);
    store.backup(place.at("backup")).wait().unwrap();
    let restored = place.restored("backup", "restored");
    let (no, payment) = (fixtures::order_no(1), fixtures::payment(1, 100));
    let answer = restored.confirm(no, payment.clone()).wait().unwrap();
    assert_eq!(answer.outcome, Confirmed::Duplicate);
    let other = fixtures::order_no(77);
    let _ = restored.create(other, fixtures::new(100)).wait().unwrap();
    let answer = restored.confirm(other, payment).wait().unwrap();
    assert_eq!(answer.outcome, Confirmed::TransactionTaken { by: no });
}

#[test]
fn restored_feed_takes_cursors_of_old_feed_up_to_the_backup() {
    let place = Place::new();
    let store = filled(&place, 5);
    let backup = store.backup(place.at("backup")).wait().unwrap();
    create_and_pay(&store, 50);
    let page = store.events(FeedCursor::START, 100).wait().unwrap();
    store.shutdown().wait().unwrap();
    let report = Store::restore(place.at("backup"), place.at("restored")).unwrap();
    let restored = Store::open(place.at("restored")).unwrap();
    assert_eq!((report.before, report.records), (backup.place, 5));
    assert_eq!(report.last_event_at, Some(page[9].event.at));
    let after = |cursor| restored.events(cursor, 100).wait();
    for (n, found) in page.iter().enumerate().take(10) {
        let expected: Vec<_> = page[n + 1..10].iter().map(|later| &later.event).collect();
        let events = after(found.cursor).unwrap();
        let events: Vec<_> = events.iter().map(|found| &found.event).collect();
        assert_eq!(events, expected);
    }
    for lost in &page[10..] {
        let error = after(lost.cursor).unwrap_err();
        let last = report.place.to_string();
        assert!(error.to_string().contains(&last), "{error}");
        assert!(matches!(error, Error::InvalidCursor { .. }));
    }
    let other = FeedCursor {
        incarnation: page[0].cursor.incarnation ^ 1,
        seq: 1,
    };
    assert!(matches!(after(other), Err(Error::InvalidCursor { .. })));
    let next = report.translate(page[3].cursor).unwrap();
    assert_eq!(
        restored.events(next, 1).wait().unwrap()[0].event,
        page[4].event
    );
    assert_eq!(report.translate(page[9].cursor), Some(report.place));
    assert_eq!(report.translate(page[10].cursor), None);
    assert_eq!(report.translate(report.place), None);
    assert_eq!(restored.events(report.place, 1).wait().unwrap(), []);
}

#[test]
fn store_that_was_restored_twice_takes_cursors_of_both_ancestors() {
    let place = Place::new();
    let store = filled(&place, 2);
    let first = store.events(FeedCursor::START, 100).wait().unwrap();
    store.backup(place.at("backup")).wait().unwrap();
    let restored = place.restored("backup", "restored");
    create_and_pay(&restored, 50);
    let second = restored.events(FeedCursor::START, 100).wait().unwrap();
    restored.backup(place.at("backup2")).wait().unwrap();
    let again = place.restored("backup2", "again");
    for cursor in [first[1].cursor, second[1].cursor] {
        let events = again.events(cursor, 100).wait().unwrap();
        let events: Vec<_> = events.into_iter().map(|found| found.event).collect();
        let expected: Vec<_> = second[2..]
            .iter()
            .map(|found| found.event.clone())
            .collect();
        assert_eq!(events, expected);
    }
    // The first store lacks the events that only the second one has.
    let beyond = FeedCursor {
        incarnation: first[1].cursor.incarnation,
        seq: second.last().unwrap().cursor.seq,
    };
    let refused = again.events(beyond, 100).wait();
    assert!(matches!(refused, Err(Error::InvalidCursor { .. })));
}

#[test]
fn backup_of_empty_store_can_be_restored() {
    let place = Place::new();
    let backup = place.store().backup(place.at("backup")).wait().unwrap();
    assert_eq!((backup.records, backup.last_event_at), (0, None));
    let restored = place.restored("backup", "restored");
    create_and_pay(&restored, 1);
}

#[test]
fn backup_of_restored_store_can_be_restored() {
    let place = Place::new();
    filled(&place, 7).backup(place.at("a")).wait().unwrap();
    let second = place.restored("a", "b");
    create_and_pay(&second, 8);
    second.backup(place.at("c")).wait().unwrap();
    assert_eq!(feed_of(&place.restored("c", "d")), feed_of(&second));
}

/// Returns every file below a directory with its contents.
fn files_below(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn backup_directory_is_neither_opened_nor_overwritten() {
    let place = Place::new();
    let store = filled(&place, 1);
    let dir = place.at("backup");
    store.backup(&dir).wait().unwrap();
    let before = files_below(&dir);
    let assert_is_backup = |error: Error| {
        assert!(
            matches!(error, Error::Open(OpenError::IsBackup { .. })),
            "{error:?}"
        )
    };
    assert_is_backup(Store::open(&dir).unwrap_err().into());
    assert_is_backup(Store::open_verified(&dir).unwrap_err().into());
    assert_is_backup(Store::init(&dir).unwrap_err().into());
    assert_is_backup(Store::open_or_init(&dir).unwrap_err().into());
    assert_is_backup(store.backup(&dir).wait().unwrap_err());
    assert_is_backup(Store::restore(&dir, &dir).unwrap_err().into());
    assert_eq!(files_below(&dir), before);
}

#[test]
fn backup_and_restore_reject_non_empty_directories() {
    let place = Place::new();
    let store = filled(&place, 1);
    let backup = place.at("backup");
    store.backup(&backup).wait().unwrap();
    let full = place.at("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("photo.jpg"), "p").unwrap();
    let held = place.at("store");
    let errors = [
        store.backup(&full).wait().unwrap_err(),
        Store::restore(&backup, &full).unwrap_err().into(),
    ];
    assert!(
        errors
            .iter()
            .all(|e| matches!(e, Error::Open(OpenError::Foreign { .. })))
    );
    let errors = [
        store.backup(&held).wait().unwrap_err(),
        Store::restore(&backup, &held).unwrap_err().into(),
    ];
    assert!(
        errors
            .iter()
            .all(|e| matches!(e, Error::Open(OpenError::AlreadyThere { .. })))
    );
    let no_backup = Store::restore(&held, place.at("new")).unwrap_err();
    assert!(matches!(no_backup, OpenError::NotABackup { .. }));
    let missing = Store::restore(place.at("nowhere"), place.at("new")).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }));
    assert!(!place.at("new").exists());
    create_and_pay(&store, 2);
}

#[test]
fn repeated_call_finishes_unfinished_backup_or_restore() {
    let place = Place::new();
    let store = filled(&place, 3);
    for (name, draft) in [("backup", "backup.tmp"), ("restored", "restored.tmp")] {
        let dir = place.at(name);
        std::fs::create_dir(&dir).unwrap();
        for file in [draft, "base.redb", "LOCK", "damaged.redb"] {
            std::fs::write(dir.join(file), "half").unwrap();
        }
        let assert_unfinished =
            |error: Error| assert!(matches!(error, Error::Open(OpenError::Unfinished { .. })));
        assert_unfinished(Store::open(&dir).unwrap_err().into());
        assert_unfinished(Store::init(&dir).unwrap_err().into());
        assert_unfinished(Store::open_or_init(&dir).unwrap_err().into());
        assert_unfinished(Store::restore(&dir, place.at("new")).unwrap_err().into());
    }
    let error = store.backup(place.at("restored")).wait().unwrap_err();
    assert!(
        matches!(error, Error::Open(OpenError::Unfinished { .. })),
        "{error:?}"
    );
    store.backup(place.at("backup")).wait().unwrap();
    let restored = place.restored("backup", "restored");
    assert_eq!(feed_of(&restored), feed_of(&store));
}

#[test]
fn memory_store_does_not_support_backup() {
    let place = Place::new();
    let error = Store::memory().unwrap().backup(place.at("b")).wait();
    assert!(matches!(
        error,
        Err(Error::Unsupported { what: "a backup" })
    ));
    assert!(!place.at("b").exists());
}

#[test]
fn corrupt_backup_is_rejected_or_restored_whole() {
    let place = Place::new();
    let store = filled(&place, 30);
    let dir = place.at("backup");
    store.backup(&dir).wait().unwrap();
    let feed = feed_of(&store);
    for name in ["base.redb", "backup.identity"] {
        let path = dir.join(name);
        let whole = std::fs::read(&path).unwrap();
        let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut rejections = 0;
        for (round, at) in used.iter().step_by(used.len() / 100 + 1).enumerate() {
            let mut damaged = whole.clone();
            damaged[*at] ^= 0x10;
            std::fs::write(&path, damaged).unwrap();
            let target = place.at(&format!("{name}-{round}"));
            match Store::restore(&dir, &target) {
                Ok(_) => assert_eq!(feed_of(&Store::open(target).unwrap()), feed, "{at}"),
                Err(error) => {
                    assert!(
                        matches!(&error, OpenError::Unopened { source, .. }
                        if source.kind() == StorageErrorKind::Corrupted),
                        "{error:?}"
                    );
                    // After a rejected restore, `open_or_init` refuses the directory, if there is
                    // one.
                    assert!(!target.exists() || Store::open_or_init(&target).is_err());
                    rejections += 1;
                }
            }
        }
        assert!(rejections > 5, "{name}: {rejections}");
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(feed_of(&place.restored("backup", "after all")), feed);
}

#[test]
fn backup_reports_progress() {
    let place = Place::new();
    let store = filled(&place, 40);
    let (tell, told) = std::sync::mpsc::channel();
    let tell = move |copied, total| tell.send((copied, total)).unwrap();
    store
        .backup_with_progress(place.at("b"), tell)
        .wait()
        .unwrap();
    let told: Vec<(u64, u64)> = told.iter().collect();
    assert!(told.is_sorted_by(|before, after| before.0 < after.0));
    let &(copied, total) = told.last().unwrap();
    assert!(copied == total && total > 40 * 4);
}

#[test]
fn backup_contains_unclaimed_payment() {
    let place = Place::new();
    let store = place.store();
    let no = fixtures::order_no(1);
    let payment = fixtures::payment(1, 100);
    let _ = store.confirm(no, payment.clone()).wait().unwrap();
    let backup = store.backup(place.at("backup")).wait().unwrap();
    assert_eq!(backup.records, 1);
    let restored = place.restored("backup", "restored");
    assert_eq!(restored.counts().wait().unwrap().unclaimed, 1);
    let create = CommandKind::Create(Box::new(fixtures::new(100)));
    let tickets = restored.submit_all(vec![Command { no, kind: create }]);
    for ticket in tickets.unwrap() {
        let _ = ticket.wait().unwrap();
    }
    let order = restored.get(no).wait().unwrap().unwrap();
    assert!(order.payment.is_some());
}
