//! Shipments that are merged into larger objects. The archive is in memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use orderstore::testing::{MemoryArchive, fixtures};
use orderstore::{
    Archive, ArchiveStatus, ArchiveStorage, OpenError, RestorePoint, Store, Timestamp,
};

use crate::archive::{Place, wait_until_complete};
use crate::hooked::{Call, Hook, Hooked};
use crate::standby::assert_follows;
use crate::stores::{assert_same, close, create, events};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Last LSN in the name of a merged object.
pub(crate) fn last_lsn(name: &str) -> u64 {
    name[28..48].parse().unwrap()
}

/// Time of the storage, some hours after its start.
fn hours(hours: i64) -> Timestamp {
    Timestamp::from_millis(hours * 60 * 60 * 1000).unwrap()
}

/// Ships one order at a time until `is_done`.
fn ship_until(store: &Store, created: &mut u64, is_done: impl Fn() -> bool) {
    while !is_done() {
        assert!(*created < 3000, "the merge does not get on");
        create(store, *created..*created + 1);
        *created += 1;
        wait_until_complete(store);
    }
}

/// Ships one order at a time until there are `count` merged objects.
fn ship_until_merged(place: &Place, store: &Store, created: &mut u64, count: usize) {
    ship_until(store, created, || place.names("merged/").len() >= count);
}

#[test]
fn merged_shipments_stay_for_a_while_and_every_moment_can_be_restored() {
    let place = Place::new();
    let archive = || place.archive().key([7; 32]).follow_grace(HOUR);
    let store = place.init_with(archive());
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 10);
    let shipments = place.names("wal/");
    place.storage.set_time(hours(2));
    ship_until_merged(&place, &store, &mut created, 12);
    let left = place.names("wal/");
    let merged = place.names("merged/");
    close(store);
    assert!(
        !left.contains(&shipments[0]) && left.len() < shipments.len(),
        "{left:?}"
    );
    // Those that were merged in the last hour are still there.
    let start = &merged[11][49..];
    assert!(left.iter().any(|name| name.ends_with(start)), "{left:?}");
    let builder = || place.plain();
    for seq in [1, created / 2, created] {
        let (dir, until) = (place.dir(&format!("until{seq}")), RestorePoint::Seq(seq));
        let restored = builder().restore_from(&archive(), &dir, until).unwrap();
        assert_eq!(restored.restored.before.seq, seq);
        let report = builder().open(dir).unwrap().verify().wait().unwrap();
        assert!(report.is_ok(), "{report:#?}");
    }
}

#[test]
fn thousand_shipments_are_restored_from_few_objects() {
    let place = Place::new();
    let archive = || Archive::new(place.storage.clone()).interval(Duration::from_millis(1));
    let store = Store::builder()
        .archive(archive())
        .init(place.dir("shop"))
        .unwrap();
    let mut created = 0;
    let last_merged = || {
        let merged = place.names("merged/");
        merged.last().map_or(0, |name| last_lsn(name))
    };
    // The first segment has only a few shipments.
    ship_until(&store, &mut created, || last_merged() >= 900);
    let expected = events(&store);
    close(store);
    // Some shipments came during the merge.
    let shipments = place.names("wal/").len() as u64;
    let calls = place.storage.calls();
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    let calls = place.storage.calls() - calls;
    // One list of this storage shows two objects, so that the lists alone need half as many calls.
    assert!(
        calls < shipments * 3 / 4,
        "{calls} calls, {shipments} shipments"
    );
    assert_same(&events(&restored), &expected);
}

#[test]
fn shipments_of_corrupt_merged_object_stay_and_are_merged_again() {
    let place = Place::new();
    let store = place.init_with(place.archive().follow_grace(HOUR));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 3);
    let names = place.names("merged/");
    for name in &names {
        place.storage.put(name, b"corrupt").unwrap();
    }
    place.storage.set_time(hours(2));
    // The first pass finds the corrupt objects, and a later one merges their shipments again.
    let is_corrupt = |name: &String| {
        let bytes = place.storage.get(name).unwrap();
        bytes.is_some_and(|bytes| bytes == b"corrupt")
    };
    ship_until(&store, &mut created, || {
        !names.iter().any(is_corrupt) && place.names("merged/").len() >= names.len()
    });
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn corrupt_merged_object_is_read_from_its_shipments() {
    let place = Place::new();
    let store = place.init_with(place.archive().follow_grace(Duration::MAX));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 5);
    let expected = events(&store);
    close(store);
    for name in place.names("merged/") {
        place.storage.put(&name, b"corrupt").unwrap();
    }
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn next_epoch_merges_shipments_of_the_one_before() {
    let place = Place::new();
    let many = || place.archive().follow_grace(Duration::ZERO);
    let mut created = 0;
    for _ in 0..4 {
        let store = place
            .builder()
            .archive(many())
            .open_or_init(place.dir("shop"))
            .unwrap();
        for _ in 0..10 {
            create(&store, created..created + 1);
            created += 1;
            wait_until_complete(&store);
        }
        close(store);
    }
    // An earlier epoch keeps its newest shipment, and those that are alone in their segment.
    let names = place.names("wal/");
    for epoch in 1..4 {
        let epoch = format!("{epoch:020}");
        let left = names.iter().filter(|name| name[4..24] == epoch).count();
        assert!((1..=3).contains(&left), "{names:?}");
    }
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_eq!(events(&restored).len() as u64, created);
}

#[test]
fn corrupt_merged_object_without_all_its_shipments_is_kept() {
    let place = Place::new();
    let store = place.init_with(place.archive().follow_grace(HOUR));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 3);
    let name = place.names("merged/").pop().unwrap();
    let first = format!("wal/{}/{}", &name[7..27], &name[49..]);
    place.storage.delete(&first).unwrap();
    let whole = place.storage.get(&name).unwrap().unwrap();
    place.storage.put(&name, b"corrupt").unwrap();
    place.storage.set_time(hours(2));
    let merged = place.names("merged/").len();
    ship_until_merged(&place, &store, &mut created, merged + 5);
    // A second copy of the archive may still have it.
    let found = place.storage.get(&name).unwrap().unwrap();
    assert_eq!(found, b"corrupt");
    place.storage.put(&name, &whole).unwrap();
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn corrupt_shipment_is_read_from_its_merged_object() {
    let place = Place::new();
    let store = place.init_with(place.archive().follow_grace(Duration::MAX));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 5);
    close(place.follow("standby"));
    ship_until_merged(&place, &store, &mut created, 10);
    let end = place.names("merged/").pop().unwrap()[28..48].to_owned();
    for name in place.names("wal/") {
        if name[25..] <= *end {
            place.storage.put(&name, b"corrupt").unwrap();
        }
    }
    assert_follows(&place.follow("standby"), &store);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

/// Storage that refuses to delete some objects.
#[derive(Debug)]
struct Keeps {
    objects: MemoryArchive,
    keeps: fn(&str) -> bool,
}

impl Hook for Keeps {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        match call {
            Call::Delete(name) if (self.keeps)(name) => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok(()),
        }
    }
}

/// Archive whose storage refuses to delete some objects.
fn keeping(place: &Place, keeps: fn(&str) -> bool) -> Archive {
    let objects = place.storage.clone();
    let archive = Archive::new(Hooked(Keeps { objects, keeps })).in_small_parts();
    archive.interval(Duration::from_millis(2))
}

#[test]
fn merge_goes_on_without_the_right_to_delete() {
    let place = Place::new();
    let store = place.init_with(keeping(&place, |_| true));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 10);
    assert!(!place.names("wal/").is_empty());
    let stats = store.stats().archive;
    assert!(stats.failures > 0, "{stats:?}");
    assert_eq!(stats.status, ArchiveStatus::Complete);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn shipments_are_deleted_beside_one_that_cannot_be() {
    const KEPT: &str = "wal/00000000000000000001/00000000000000000001";
    let place = Place::new();
    let store = place.init_with(keeping(&place, |name| name == KEPT));
    let mut created = 0;
    ship_until_merged(&place, &store, &mut created, 20);
    assert!(store.stats().archive.failures > 0);
    close(store);
    let left = place.names("wal/");
    assert_eq!(left[0], KEPT);
    // Shipments are deleted in order, so those of the same object stay. The others are gone.
    let merged = place.names("merged/");
    let (first, second) = (&merged[0][28..48], &merged[1][28..48]);
    let later = left.iter().find(|name| &name[25..] > first).unwrap();
    assert!(&later[25..] > second, "{left:?}");
}

/// Storage whose lists of shipments fail.
#[derive(Debug, Clone, Default)]
struct Unlisted {
    objects: MemoryArchive,
    fails: Arc<AtomicBool>,
}

impl Hook for Unlisted {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        match matches!(call, Call::List(after) if after.starts_with("wal/")) {
            true if self.fails.load(Ordering::SeqCst) => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn failing_list_of_shipments_holds_no_store() {
    let place = Place::new();
    let storage = Unlisted::default();
    let archive = || Archive::new(Hooked(storage.clone())).interval(Duration::from_millis(2));
    let store = place.init_with(archive());
    create(&store, 0..10);
    wait_until_complete(&store);
    close(store);
    storage.fails.store(true, Ordering::SeqCst);
    assert!(archive().report().is_err());
    // The next epoch needs the end of this one.
    let builder = || place.plain().archive(archive());
    let refused = builder().open(place.dir("shop"));
    assert!(matches!(refused, Err(OpenError::Archive(_))), "{refused:?}");
    storage.fails.store(false, Ordering::SeqCst);
    let store = builder().open(place.dir("shop")).unwrap();
    wait_until_complete(&store);
    assert_eq!(events(&store).len(), 10);
}

/// Storage that counts the lists from the first shipment on.
#[derive(Debug, Clone, Default)]
struct Counting {
    objects: MemoryArchive,
    lists: Arc<AtomicU64>,
}

impl Hook for Counting {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        if let Call::List(after) = call
            && after.starts_with("wal/")
            && after.ends_with(&format!("{:020}", 0))
        {
            self.lists.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[test]
fn merge_does_not_look_again_at_what_it_has_finished() {
    let place = Place::new();
    let storage = Counting::default();
    let archive = Archive::new(Hooked(storage.clone())).in_small_parts();
    let store = place.init_with(archive.interval(Duration::from_millis(2)));
    let mut orders = 0..;
    for _ in 0..100 {
        // A shipment of a whole group is too large for a merge.
        let group = orders.by_ref().take(40);
        let group = group.map(|n| fixtures::create(n, fixtures::new(100)));
        for ticket in store.submit_all(group.collect()).unwrap() {
            let _ = ticket.wait().unwrap();
        }
        wait_until_complete(&store);
    }
    close(store);
    let left = storage.objects.list("wal/").unwrap().len();
    assert!(left >= 60, "{left} shipments");
    let lists = storage.lists.load(Ordering::SeqCst);
    assert!(lists <= 5, "{lists} lists");
}
