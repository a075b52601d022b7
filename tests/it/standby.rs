//! Standbys that follow an archive in memory, and their promotion.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{io, thread};

use orderstore::testing::{ArchiveFault, MemoryArchive, SeededRng, fixtures};
use orderstore::{
    Archive, ArchiveStorage, Error, FeedCursor, Health, OldStore, OpenError, OrderQuery,
    PageRequest, RestorePoint, Retention, StorageErrorKind, Store,
};

use crate::archive::Place;
use crate::hooked::{Call, Hook, Hooked};
use crate::stores::{
    assert_same, close, copy_dir, create, events, promote_at_once, wait_until_archived,
};

/// Longest time for a standby to catch up.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl Place {
    pub(crate) fn follow(&self, name: &str) -> Store {
        self.builder().follow(self.dir(name)).unwrap()
    }

    fn promote(&self, name: &str) -> Store {
        let promoted = self
            .builder()
            .promote(self.dir(name), OldStore::Stopped)
            .unwrap();
        let store = self.builder().open(self.dir(name)).unwrap();
        assert_eq!(
            promoted.continued.place.seq,
            events(&store).len() as u64,
            "{promoted:?}"
        );
        store
    }

    /// Opens a store that soon makes a snapshot after each change.
    fn open_with_snapshots(&self, name: &str) -> Store {
        let often = self.archive().snapshot_interval(Duration::from_millis(1));
        let builder = self.plain().archive(often);
        builder.open(self.dir(name)).unwrap()
    }

    /// Deletes the snapshots but the newest one, and all frames before it.
    fn prune(&self) {
        let keep = Retention {
            daily: 0,
            weekly: 0,
        };
        let _ = self.archive().prune(keep).unwrap();
    }
}

/// Waits until a standby shows the same events as a store that is complete in the archive.
pub(crate) fn assert_follows(standby: &Store, store: &Store) {
    wait_until_archived(store);
    let expected = events(store);
    let began = Instant::now();
    while standby.stats().standby.unwrap().lsn < store.stats().archive.archived_lsn {
        assert!(
            began.elapsed() < WAIT_MAX,
            "{:?} {:?} {:?}",
            standby.stats().standby,
            store.stats().archive,
            standby.health()
        );
        thread::sleep(Duration::from_millis(1));
    }
    assert_same(&events(standby), &expected);
    let report = standby.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:#?}");
}

/// Waits until a snapshot holds every command so far.
fn wait_until_snapshot(store: &Store) {
    wait_until_archived(store);
    wait_for("no snapshot", || {
        let archive = store.stats().archive;
        archive.snapshot_lsn >= Some(archive.archived_lsn)
    });
}

fn wait_for(what: &str, is_done: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_done() {
        assert!(began.elapsed() < WAIT_MAX, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a store refuses commands because its archive was claimed.
fn wait_until_fenced(store: &Store) {
    wait_for("the old store is not fenced", || {
        matches!(store.health(), Health::Poisoned(_))
    });
}

#[test]
fn standby_serves_every_read_and_refuses_commands() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..50);
    wait_until_archived(&store);
    let standby = place.follow("standby");
    assert!(matches!(standby.health(), Health::Standby { cause: None }));
    assert_follows(&standby, &store);
    create(&store, 50..400);
    assert_follows(&standby, &store);
    let no = fixtures::order_no(7);
    assert_eq!(
        standby.get(no).wait().unwrap(),
        store.get(no).wait().unwrap()
    );
    assert_eq!(
        standby.history(no).wait().unwrap(),
        store.history(no).wait().unwrap()
    );
    assert_eq!(
        standby.counts().wait().unwrap(),
        store.counts().wait().unwrap()
    );
    let list = |store: &Store| {
        let page = store
            .list(OrderQuery::all().page(PageRequest::of(500)))
            .wait();
        page.unwrap().rows
    };
    assert_eq!(list(&standby), list(&store));
    let copy = Store::memory().unwrap();
    let copied = standby.copy_to(&copy).wait().unwrap();
    assert_eq!(copied.before, store.feed_end().wait().unwrap());
    let refused = standby.create(fixtures::order_no(1), fixtures::new(100));
    assert!(matches!(refused.wait(), Err(Error::ReadOnly)));
    let refused = standby.confirm(no, fixtures::payment(1, 100)).wait();
    assert!(matches!(refused, Err(Error::ReadOnly)));
    assert!(matches!(
        standby.next_order_no().wait(),
        Err(Error::ReadOnly)
    ));
    let lag = standby.stats().standby.unwrap().lag.unwrap();
    assert!(lag < WAIT_MAX);
}

#[test]
fn reader_of_the_feed_waits_on_a_standby() {
    let place = Place::new();
    let store = place.init();
    wait_until_archived(&store);
    let standby = place.follow("standby");
    let mut feed = standby.feed(FeedCursor::START);
    let reader = thread::spawn(move || feed.wait(WAIT_MAX).unwrap().unwrap());
    create(&store, 3..4);
    assert_eq!(reader.join().unwrap().event.no, fixtures::order_no(3));
}

#[test]
fn restarted_standby_goes_on_from_its_last_checkpoint() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..200);
    wait_until_archived(&store);
    for round in 1..6 {
        let standby = place.follow("standby");
        create(&store, round * 200..round * 200 + 200);
        if round % 2 == 0 {
            assert_follows(&standby, &store);
        }
        close(standby);
    }
    // Without its snapshots, the archive cannot build a standby. This one needs none.
    for object in place.storage.list("snapshot/").unwrap() {
        place.storage.delete(&object.name).unwrap();
    }
    assert!(matches!(
        place.builder().follow(place.dir("other")),
        Err(OpenError::Archive(_))
    ));
    assert_follows(&place.follow("standby"), &store);
}

#[test]
fn standby_is_neither_opened_nor_replaced_as_a_store() {
    let place = Place::new();
    let store = place.init();
    wait_until_archived(&store);
    close(place.follow("standby"));
    let dir = place.dir("standby");
    let refused = [
        place.builder().open(&dir),
        place.builder().init(&dir),
        place.builder().open_or_init(&dir),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(OpenError::IsStandby { .. })));
    }
    let refused = place.builder().follow(place.dir("shop"));
    assert!(matches!(refused, Err(OpenError::AlreadyThere { .. })));
    let refused = place
        .builder()
        .promote(place.dir("shop"), OldStore::Stopped);
    assert!(matches!(refused, Err(OpenError::AlreadyThere { .. })));
    let refused = place.plain().follow(&dir);
    assert!(matches!(refused, Err(OpenError::Invalid { .. })));
}

#[test]
fn standby_begins_again_after_its_frames_were_pruned() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..100);
    wait_until_archived(&store);
    close(place.follow("standby"));
    create(&store, 100..300);
    close(store);
    // The next open store makes a snapshot, because its interval is short.
    let store = place.open_with_snapshots("shop");
    create(&store, 300..400);
    wait_until_snapshot(&store);
    place.prune();
    assert_follows(&place.follow("standby"), &store);
}

#[test]
fn standby_goes_on_after_an_outage() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let standby = place.follow("standby");
    assert_follows(&standby, &store);
    let shown = events(&standby);
    place.storage.set_down(true);
    create(&store, 10..20);
    wait_for("no failure", || {
        matches!(standby.health(), Health::Standby { cause: Some(_) })
    });
    assert_same(&events(&standby), &shown);
    close(standby);
    // It also opens during the outage.
    let standby = place.follow("standby");
    assert_eq!(standby.stats().standby.unwrap().lag, None);
    assert_same(&events(&standby), &shown);
    place.storage.set_down(false);
    assert_follows(&standby, &store);
    wait_for("still failing", || {
        matches!(standby.health(), Health::Standby { cause: None })
    });
}

#[test]
fn promoted_standby_continues_the_store_and_fences_the_old_one() {
    let place = Place::new();
    let store = place.init();
    for n in 0..100 {
        place.clock.advance(Duration::from_secs(1));
        create(&store, n..n + 1);
    }
    let mut numbers = HashSet::new();
    for _ in 0..100 {
        assert!(numbers.insert(store.next_order_no().wait().unwrap()));
    }
    let standby = place.follow("standby");
    let third = place.follow("third");
    assert_follows(&standby, &store);
    assert_follows(&third, &store);
    let consumer = store.events(FeedCursor::START, 40).wait().unwrap();
    let consumer = consumer.last().unwrap().cursor;
    let before = events(&store);
    close(standby);
    let promoted = place.promote("standby");
    wait_until_fenced(&store);
    let refused = store.create(fixtures::order_no(5000), fixtures::new(100));
    assert!(refused.wait().is_err());
    drop(store);
    assert!(matches!(place.open(), Err(OpenError::Fenced(_))));
    assert_same(&events(&promoted), &before);
    create(&promoted, 100..200);
    for _ in 0..100 {
        assert!(numbers.insert(promoted.next_order_no().wait().unwrap()));
    }
    // A consumer of the old store and another standby go on by themselves.
    let rest = promoted.events(consumer, 1000).wait().unwrap();
    let rest: Vec<_> = rest.into_iter().map(|found| found.event).collect();
    assert_same(&rest, &events(&promoted)[40..]);
    assert_follows(&third, &promoted);
    let rest = third.events(consumer, 1000).wait().unwrap();
    assert_eq!(rest.len(), 160);
    close(promoted);
    // A restore crosses the promotion, too.
    let expected = events(&third);
    for (until, count) in [
        (RestorePoint::Newest, 200),
        (RestorePoint::Seq(150), 150),
        (RestorePoint::Seq(100), 100),
        (RestorePoint::Seq(70), 70),
        (RestorePoint::Time(expected[60].at), 61),
    ] {
        let restored = place.restore(&format!("restored{count}"), until).unwrap();
        assert_same(&events(&restored), &expected[..count]);
        let rest = restored.events(consumer, 1000).wait().unwrap();
        assert_eq!(rest.len(), count - 40);
        for _ in 0..100 {
            assert!(numbers.insert(restored.next_order_no().wait().unwrap()));
        }
    }
    // And a second promotion.
    close(third);
    let again = place.promote("third");
    for _ in 0..100 {
        assert!(numbers.insert(again.next_order_no().wait().unwrap()));
    }
    let rest = again.events(consumer, 1000).wait().unwrap();
    assert_eq!(rest.len(), 160);
    assert!(matches!(
        place.builder().open(place.dir("standby")),
        Err(OpenError::Fenced(_))
    ));
}

#[test]
fn frames_that_arrive_after_a_promotion_do_not_count() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..50);
    close(store);
    let standby = place.follow("standby");
    wait_for("not caught up", || {
        standby.stats().standby.unwrap().lag.is_some()
    });
    close(standby);
    // The old store writes into a copy of the archive, as if its shipments were late.
    let late = Place::new();
    copy_dir(&place.dir("shop"), &late.dir("shop"));
    for object in place.storage.list("").unwrap() {
        let body = place.storage.get(&object.name).unwrap().unwrap();
        late.storage.put(&object.name, &body).unwrap();
    }
    let old = late.open().unwrap();
    create(&old, 1000..1010);
    wait_until_archived(&old);
    close(old);
    let third = place.follow("third");
    let promoted = place.promote("standby");
    for object in late.storage.list("wal/").unwrap() {
        let body = late.storage.get(&object.name).unwrap().unwrap();
        let _ = place.storage.put_if_absent(&object.name, &body).unwrap();
    }
    // The promoted store merges the late frames with those that count.
    for n in 50..60 {
        create(&promoted, n..n + 1);
        wait_until_archived(&promoted);
    }
    assert_follows(&third, &promoted);
    assert_follows(&place.follow("fourth"), &promoted);
    let expected = events(&promoted);
    close(promoted);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

/// Storage that stops one write before its effect.
#[derive(Debug)]
struct Gate {
    objects: MemoryArchive,
    /// Prefix of the name that is written.
    prefix: &'static str,
    is_shut: Arc<AtomicBool>,
    reached: Mutex<mpsc::Sender<()>>,
    opened: Mutex<mpsc::Receiver<()>>,
}

/// Other side of a [`Gate`].
struct Keeper {
    is_shut: Arc<AtomicBool>,
    reached: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

impl Keeper {
    fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
    }

    /// Waits until a write has reached the shut gate.
    fn wait(&self) {
        self.reached.recv_timeout(WAIT_MAX).unwrap();
    }
}

fn gate(objects: &MemoryArchive, prefix: &'static str) -> (Archive, Keeper) {
    let (reached, has_reached) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let is_shut = Arc::new(AtomicBool::new(false));
    let gate = Gate {
        objects: objects.clone(),
        prefix,
        is_shut: Arc::clone(&is_shut),
        reached: Mutex::new(reached),
        opened: Mutex::new(opened),
    };
    let keeper = Keeper {
        is_shut,
        reached: has_reached,
        open,
    };
    let archive = Archive::new(Hooked(gate));
    (archive.interval(Duration::from_millis(2)), keeper)
}

impl Hook for Gate {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        if let Call::PutIfAbsent(name, _) = call
            && name.starts_with(self.prefix)
            && self.is_shut.swap(false, Ordering::SeqCst)
        {
            self.reached.lock().unwrap().send(()).unwrap();
            self.opened.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

/// Lets a shipment of the old store arrive between the claim and the start of a promotion. Returns
/// whether a standby shows the same as the promoted store in the end.
fn shipment_arrives_during_promotion(fault: Option<ArchiveFault>) -> bool {
    let place = Place::new();
    let (archive, shipment) = gate(&place.storage, "wal/");
    let builder = place.plain().archive(archive);
    let store = builder.init(place.dir("shop")).unwrap();
    create(&store, 0..20);
    wait_until_archived(&store);
    let archive = place.archive().inject_fault(fault);
    let builder = place.plain().archive(archive);
    let standby = builder.follow(place.dir("standby")).unwrap();
    assert_follows(&standby, &store);
    shipment.shut();
    create(&store, 900..901);
    shipment.wait();
    let (archive, start) = gate(&place.storage, "epoch/00000000000000000002/start");
    let builder = place.plain().archive(archive);
    let dir = place.dir("promoted");
    start.shut();
    let promotion = thread::spawn(move || builder.promote(dir, OldStore::Stopped));
    start.wait();
    let before = place.last_shipment();
    shipment.open.send(()).unwrap();
    wait_for("no late shipment", || place.last_shipment() > before);
    let shown = standby.stats().standby.unwrap().lsn;
    match fault {
        None => wait_for("the claim is not noticed", || {
            matches!(standby.health(), Health::Standby { cause: Some(_) })
        }),
        Some(_) => wait_for("the late shipment is not applied", || {
            standby.stats().standby.unwrap().lsn > shown
                || events(&standby)
                    .iter()
                    .any(|event| event.no == fixtures::order_no(900))
        }),
    }
    start.open.send(()).unwrap();
    let _ = promotion.join().unwrap().unwrap();
    wait_until_fenced(&store);
    let promoted = place.builder().open(place.dir("promoted")).unwrap();
    create(&promoted, 20..25);
    wait_until_archived(&promoted);
    let expected = events(&promoted);
    assert!(
        expected
            .iter()
            .all(|event| event.no != fixtures::order_no(900))
    );
    let began = Instant::now();
    let patience = if fault.is_some() {
        WAIT_MAX / 10
    } else {
        WAIT_MAX
    };
    while events(&standby) != expected {
        if began.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn standby_applies_no_frame_before_it_knows_that_it_counts() {
    assert!(shipment_arrives_during_promotion(None));
    let fault = ArchiveFault::TakeUnsettledFrames;
    assert!(!shipment_arrives_during_promotion(Some(fault)), "{fault:?}");
}

/// A promotion is overtaken by another one, and then a late shipment of the old store arrives.
#[test]
fn overtaken_promotion_applies_no_late_frame() {
    let place = Place::new();
    let (archive, shipment) = gate(&place.storage, "wal/");
    let builder = place.plain().archive(archive);
    let store = builder.init(place.dir("shop")).unwrap();
    create(&store, 0..20);
    wait_until_archived(&store);
    shipment.shut();
    create(&store, 900..901);
    shipment.wait();
    // The first promotion stops right after its claim.
    let (archive, voided) = gate(&place.storage, "epoch/00000000000000000001/start");
    let builder = place.plain().archive(archive);
    let dir = place.dir("first");
    voided.shut();
    let first = thread::spawn(move || builder.promote(dir, OldStore::Stopped));
    voided.wait();
    let promoted = place.promote("second");
    shipment.open.send(()).unwrap();
    wait_until_fenced(&store);
    voided.open.send(()).unwrap();
    let overtaken = first.join().unwrap();
    assert!(
        matches!(overtaken, Err(OpenError::Fenced(_))),
        "{overtaken:?}"
    );
    create(&promoted, 20..30);
    let follower = place.follow("first");
    assert_follows(&follower, &promoted);
}

/// Storage that one store can lose while the others reach it.
#[derive(Debug)]
struct Cut {
    objects: MemoryArchive,
    is_cut: Arc<AtomicBool>,
}

impl Hook for Cut {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, _call: Call<'_>) -> io::Result<()> {
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }
}

/// Archive of one store, and a switch that cuts it off.
fn cut_off(place: &Place) -> (Archive, Arc<AtomicBool>) {
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Cut {
        objects: place.storage.clone(),
        is_cut: Arc::clone(&is_cut),
    };
    let archive = Archive::new(Hooked(cut));
    (archive.interval(Duration::from_millis(2)), is_cut)
}

/// Opens a standby that a switch cuts off its archive.
fn follow_through_cut(place: &Place, name: &str) -> (Store, Arc<AtomicBool>) {
    let (archive, is_cut) = cut_off(place);
    let builder = place.plain().archive(archive);
    (builder.follow(place.dir(name)).unwrap(), is_cut)
}

#[test]
fn running_standby_goes_on_after_its_epoch_was_pruned() {
    let place = Place::new();
    let mut store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let (standby, is_cut) = follow_through_cut(&place, "standby");
    assert_follows(&standby, &store);
    is_cut.store(true, Ordering::SeqCst);
    for round in 1..4 {
        close(store);
        store = place.open_with_snapshots("shop");
        create(&store, round * 100..round * 100 + 50);
        wait_until_snapshot(&store);
    }
    place.prune();
    let starts = place.storage.list("epoch/").unwrap();
    assert!(
        starts
            .iter()
            .all(|object| object.name != "epoch/00000000000000000001/start")
    );
    // Reads go on while the standby is built again.
    assert_eq!(events(&standby).len(), 10);
    is_cut.store(false, Ordering::SeqCst);
    assert_follows(&standby, &store);
}

#[test]
fn consumer_that_is_ahead_of_a_standby_waits_for_it() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let (standby, is_cut) = follow_through_cut(&place, "standby");
    assert_follows(&standby, &store);
    is_cut.store(true, Ordering::SeqCst);
    create(&store, 10..20);
    wait_until_archived(&store);
    let page = store.events(FeedCursor::START, 15).wait().unwrap();
    let ahead = page.last().unwrap().cursor;
    assert_eq!(standby.events(ahead, 10).wait().unwrap(), []);
    is_cut.store(false, Ordering::SeqCst);
    assert_follows(&standby, &store);
    assert_eq!(
        standby.events(ahead, 10).wait().unwrap(),
        store.events(ahead, 10).wait().unwrap()
    );
}

#[test]
fn damaged_snapshot_keeps_a_standby_from_being_replaced() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let (standby, is_cut) = follow_through_cut(&place, "standby");
    assert_follows(&standby, &store);
    is_cut.store(true, Ordering::SeqCst);
    close(store);
    let store = place.open_with_snapshots("shop");
    create(&store, 100..150);
    wait_until_snapshot(&store);
    close(store);
    place.prune();
    let chunks = place.storage.list("snapshot/").unwrap();
    for chunk in chunks
        .iter()
        .filter(|chunk| !chunk.name.ends_with("manifest"))
    {
        place.storage.put(&chunk.name, b"damaged").unwrap();
    }
    is_cut.store(false, Ordering::SeqCst);
    wait_for("no failure", || match standby.health() {
        Health::Standby { cause: Some(cause) } => cause.kind() == StorageErrorKind::Corrupted,
        _ => false,
    });
    assert_eq!(events(&standby).len(), 10);
    close(standby);
    let standby = place.follow("standby");
    assert_eq!(events(&standby).len(), 10);
    // What is left can still be saved.
    let _ = standby.backup(place.dir("backup")).wait().unwrap();
}

#[test]
fn backup_of_standby_that_follows_a_promoted_one_can_be_restored() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_archived(&store);
    let standby = place.follow("standby");
    let promoted = place.promote("other");
    create(&promoted, 20..30);
    assert_follows(&standby, &promoted);
    let backup = standby.backup(place.dir("backup")).wait().unwrap();
    assert_eq!(
        backup.place,
        promoted.events(FeedCursor::START, 100).wait().unwrap()[29].cursor
    );
    let _ = Store::restore(place.dir("backup"), place.dir("restored")).unwrap();
    let restored = Store::open(place.dir("restored")).unwrap();
    assert_same(&events(&restored), &events(&promoted));
}

#[test]
fn corrupt_frames_after_a_promotion_do_not_set_a_standby_back() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_archived(&store);
    let (standby, is_cut) = follow_through_cut(&place, "standby");
    let promoted = place.promote("other");
    create(&promoted, 20..30);
    assert_follows(&standby, &promoted);
    is_cut.store(true, Ordering::SeqCst);
    create(&promoted, 30..40);
    wait_until_archived(&promoted);
    place
        .storage
        .put(&place.last_shipment(), b"corrupt")
        .unwrap();
    create(&promoted, 40..50);
    wait_until_archived(&promoted);
    is_cut.store(false, Ordering::SeqCst);
    wait_for("no failure", || match standby.health() {
        Health::Standby { cause: Some(cause) } => cause.kind() == StorageErrorKind::Corrupted,
        _ => false,
    });
    assert!(events(&standby).len() >= 30);
    // A later snapshot leads around the corrupt object.
    close(promoted);
    let promoted = place.open_with_snapshots("other");
    create(&promoted, 50..60);
    wait_until_snapshot(&promoted);
    assert_follows(&standby, &promoted);
}

#[test]
fn standby_that_was_away_reads_merged_objects() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_archived(&store);
    close(place.follow("standby"));
    for n in 20..80 {
        create(&store, n..n + 1);
        wait_until_archived(&store);
    }
    let merged = place.storage.list("merged/").unwrap();
    assert!(merged.len() > 5, "{merged:?}");
    let standby = place.follow("standby");
    assert_follows(&standby, &store);
    assert_eq!(standby.stats().standby.unwrap().failures, 0);
}

#[test]
fn corrupt_standby_is_kept() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_archived(&store);
    close(place.follow("standby"));
    let base = place.dir("standby").join("base.redb");
    std::fs::write(&base, b"corrupt").unwrap();
    let refused = place.builder().follow(place.dir("standby"));
    assert!(
        matches!(refused, Err(OpenError::Unopened { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(base).unwrap(), b"corrupt");
}

#[test]
fn fenced_store_answers_no_command_that_writes_nothing() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let _promoted = place.promote("standby");
    wait_until_fenced(&store);
    let again = store
        .create(fixtures::order_no(1), fixtures::new(100))
        .wait();
    assert!(matches!(&again, Err(Error::Poisoned(_))), "{again:?}");
    assert!(matches!(store.health(), Health::Poisoned(_)));
}

#[test]
fn standby_that_is_missing_is_built_and_promoted() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..50);
    wait_until_archived(&store);
    let expected = events(&store);
    let promoted = place.promote("new");
    assert_same(&events(&promoted), &expected);
    wait_until_fenced(&store);
}

#[test]
fn one_of_many_promotions_at_a_time_wins_each_epoch() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_archived(&store);
    let expected = events(&store);
    close(store);
    promote_at_once(&place.dir(""), &|| place.builder());
    let last = place.promote("last");
    assert_same(&events(&last), &expected);
}

/// Stores, standbys and promotions in random order, against the feed of the store that serves.
#[test]
fn standbys_show_the_store_that_serves_in_any_order_of_steps() {
    for seed in 0..6 {
        let mut rng = SeededRng::new(seed);
        let place = Place::new();
        let mut next = 0;
        let mut serving = "shop".to_owned();
        let mut store = Some(place.init());
        create(store.as_ref().unwrap(), 0..10);
        wait_until_archived(store.as_ref().unwrap());
        let mut standbys: Vec<(String, Option<Store>)> = Vec::new();
        for step in 0..25 {
            let running = store.get_or_insert_with(|| {
                let opened = place.builder().open(place.dir(&serving));
                opened.unwrap_or_else(|error| panic!("seed {seed} step {step}: {error:?}"))
            });
            match rng.below(7) {
                0 | 1 => {
                    let count = 1 + rng.below(60) as u64;
                    next += 1000;
                    create(running, next..next + count);
                }
                2 => close(store.take().unwrap()),
                3 if standbys.len() < 3 => {
                    let name = format!("standby{step}");
                    standbys.push((name.clone(), Some(place.follow(&name))));
                }
                4 if !standbys.is_empty() => {
                    let at = rng.below(standbys.len());
                    let (name, standby) = &mut standbys[at];
                    *standby = match standby.take() {
                        Some(standby) => {
                            close(standby);
                            None
                        }
                        None => Some(place.follow(name)),
                    };
                }
                5 if !standbys.is_empty() => {
                    wait_until_archived(running);
                    let expected = events(running);
                    let at = rng.below(standbys.len());
                    let (name, standby) = standbys.swap_remove(at);
                    drop(standby);
                    if rng.one_in(2) {
                        drop(store.take());
                    }
                    let promoted = place.promote(&name);
                    assert_same(&events(&promoted), &expected);
                    store = Some(promoted);
                    serving = name;
                }
                _ => {
                    for (_, standby) in &standbys {
                        if let Some(standby) = standby {
                            assert_follows(standby, running);
                        }
                    }
                }
            }
        }
    }
}

const LEASE: Duration = Duration::from_secs(2);

/// Store with a lease, and a switch that cuts it off its archive.
fn leased(place: &Place) -> (Store, Arc<AtomicBool>) {
    let (archive, is_cut) = cut_off(place);
    let builder = place.plain().archive(archive.lease(LEASE));
    let store = builder.init(place.dir("shop")).unwrap();
    create(&store, 0..10);
    wait_until_archived(&store);
    (store, is_cut)
}

#[test]
fn store_with_lease_refuses_commands_while_it_lacks_its_archive() {
    let place = Place::new();
    let (store, is_cut) = leased(&place);
    // An idle store keeps its lease.
    thread::sleep(LEASE * 2);
    create(&store, 10..11);
    is_cut.store(true, Ordering::SeqCst);
    let try_one = |n| {
        store
            .create(fixtures::order_no(n), fixtures::new(100))
            .wait()
    };
    let mut n = 11;
    let error = loop {
        match try_one(n) {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::NotApplied(_)), "{error:?}");
    assert!(error.is_retryable());
    assert!(matches!(store.health(), Health::Failing(_)));
    assert_eq!(events(&store).len() as u64, n);
    // Nor does it answer a command that would change nothing.
    let again = try_one(1);
    assert!(matches!(&again, Err(Error::NotApplied(_))), "{again:?}");
    is_cut.store(false, Ordering::SeqCst);
    wait_for("it does not serve again", || try_one(n).is_ok());
    wait_for("it is not healthy", || matches!(store.health(), Health::Ok));
}

#[test]
fn promotion_waits_for_the_lease_of_a_store_that_may_serve() {
    let place = Place::new();
    let (store, is_cut) = leased(&place);
    is_cut.store(true, Ordering::SeqCst);
    let (builder, dir) = (place.builder(), place.dir("standby"));
    let promotion = thread::spawn(move || {
        let promoted = builder.promote(dir, OldStore::MayServe);
        (promoted, Instant::now())
    });
    // The old store serves until its lease is over. It never hears of the promotion.
    let mut last = None;
    for n in 100.. {
        let order = store.create(fixtures::order_no(n), fixtures::new(100));
        match order.wait() {
            Ok(_) => last = Some(Instant::now()),
            Err(Error::NotApplied(_)) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    let (promoted, at) = promotion.join().unwrap();
    assert_eq!(promoted.unwrap().continued.records, 10);
    assert!(last.unwrap() < at);
    is_cut.store(false, Ordering::SeqCst);
    wait_until_fenced(&store);
}

#[test]
fn promotion_does_not_wait_for_a_store_without_lease() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_archived(&store);
    let refused = place
        .builder()
        .promote(place.dir("standby"), OldStore::MayServe);
    assert!(
        matches!(refused, Err(OpenError::Invalid { .. })),
        "{refused:?}"
    );
    // The old store was not disturbed.
    create(&store, 10..20);
    wait_until_archived(&store);
    let short = place.archive().lease(Duration::from_millis(7));
    let refused = place.plain().archive(short).open(place.dir("shop"));
    assert!(matches!(refused, Err(OpenError::Invalid { .. })));
}
