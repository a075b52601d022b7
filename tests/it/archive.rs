//! Stores with an archive, on the machine's own disk. The archive is in memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use orderstore::testing::{ManualClock, MemoryArchive, SeededRng, Sizes, fixtures};
use orderstore::{
    Archive, ArchiveStatus, ArchiveStorage, Builder, Command, CommandKind, Error, Event, Health,
    MirrorStatus, OpenError, RestorePoint, Retention, StorageErrorKind, Store, Timestamp,
    with_causes,
};
use tempfile::TempDir;

use crate::hooked::{Call, Hook, Hooked};
use crate::merge::last_lsn;
use crate::stores::{
    assert_same, close, copy_dir, create, events, only_winner, wait_until, wait_until_archived,
};

const INTERVAL: Duration = Duration::from_millis(2);

/// Directories for stores, and a storage for their archive.
pub(crate) struct Place {
    root: TempDir,
    pub(crate) storage: MemoryArchive,
    pub(crate) clock: ManualClock,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            root: TempDir::new().unwrap(),
            storage: MemoryArchive::default(),
            clock: ManualClock::default(),
        }
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::new(self.storage.clone())
            .in_small_parts()
            .interval(INTERVAL)
    }

    pub(crate) fn plain(&self) -> Builder {
        let sizes = Sizes {
            memtable: 16 << 10,
            segment: 16 << 10,
        };
        Store::builder()
            .in_small_parts(sizes)
            .clock(self.clock.reader())
    }

    pub(crate) fn builder(&self) -> Builder {
        self.plain().archive(self.archive())
    }

    pub(crate) fn init(&self) -> Store {
        self.builder().init(self.dir("shop")).unwrap()
    }

    pub(crate) fn init_with(&self, archive: Archive) -> Store {
        let builder = self.plain().archive(archive);
        builder.init(self.dir("shop")).unwrap()
    }

    pub(crate) fn open(&self) -> Result<Store, OpenError> {
        self.builder().open(self.dir("shop"))
    }

    pub(crate) fn restore(&self, name: &str, until: RestorePoint) -> Result<Store, OpenError> {
        let restored = self
            .plain()
            .restore_from(&self.archive(), self.dir(name), until)?;
        let store = self.plain().open(self.dir(name))?;
        let end = events(&store).len() as u64;
        assert_eq!(restored.restored.before.seq, end);
        let report = store.verify().wait().unwrap();
        assert!(report.is_ok(), "{report:#?}");
        Ok(store)
    }

    /// Error of a restore, with its causes.
    fn restore_error(&self) -> String {
        let dir = self.dir("refused");
        let restored = self
            .plain()
            .restore_from(&self.archive(), dir, RestorePoint::Newest);
        with_causes(&restored.unwrap_err())
    }

    /// Names of the objects that start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let listed = self.storage.list(prefix).unwrap();
        listed.into_iter().map(|object| object.name).collect()
    }

    /// Names of the shipments of the newest epoch that no merged object holds.
    fn unmerged(&self) -> Vec<String> {
        let mut shipments = self.names("wal/");
        let epoch = shipments.last().unwrap()[4..24].to_owned();
        let merged = self.names(&format!("merged/{epoch}/"));
        let end = merged.last().map_or("", |name| &name[28..48]).to_owned();
        shipments.retain(|name| name[4..24] == epoch && name[25..] > *end);
        shipments
    }

    /// Name of the newest shipment.
    pub(crate) fn last_shipment(&self) -> String {
        self.names("wal/").pop().unwrap()
    }

    /// Number of objects with frames.
    fn frames(&self) -> usize {
        self.names("wal/").len() + self.names("merged/").len()
    }
}

/// Waits until the archive holds every command so far, and checks the health of the store.
pub(crate) fn wait_until_complete(store: &Store) {
    wait_until_archived(store);
    let is_well = matches!(store.health(), Health::Ok | Health::Throttled);
    assert!(is_well, "{:?}", store.health());
}

/// Waits until the archive gets no more frames.
fn wait_until_quiet(store: &Store) {
    let mut last = None;
    loop {
        let archived = store.stats().archive.archived_lsn;
        if last == Some(archived) {
            return;
        }
        last = Some(archived);
        thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn restored_store_holds_everything_that_was_shipped() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..400);
    wait_until_complete(&store);
    assert!(store.stats().checkpoints >= 5);
    let shipped = events(&store);
    let stats = store.stats();
    drop(store);
    fs::remove_dir_all(place.dir("shop")).unwrap();
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &shipped);
    let report = place.archive().report().unwrap();
    assert_eq!((report.epoch, report.gaps), (1, 0));
    assert!(report.lsn >= stats.archive.archived_lsn);
    assert_eq!(report.snapshots.len(), 1);
    // The restored store goes on, and gets an archive of its own.
    close(restored);
    let fenced = place.builder().open(place.dir("restored")).unwrap_err();
    assert!(matches!(fenced, OpenError::Fenced(_)), "{fenced:?}");
    let own = Archive::new(MemoryArchive::default()).interval(INTERVAL);
    let restored = place
        .plain()
        .archive(own)
        .open(place.dir("restored"))
        .unwrap();
    create(&restored, 400..500);
    wait_until_complete(&restored);
}

#[test]
fn store_continues_archive_each_time_it_is_opened() {
    let place = Place::new();
    close(place.init());
    for opened in 0..6 {
        let store = place.open().unwrap();
        create(&store, opened * 50..(opened + 1) * 50);
        if opened % 2 == 0 {
            wait_until_complete(&store);
        }
        let expected = events(&store);
        close(store);
        let name = format!("restored{opened}");
        let restored = place.restore(&name, RestorePoint::Newest).unwrap();
        assert_same(&events(&restored), &expected);
    }
    let report = place.archive().report().unwrap();
    assert_eq!((report.epoch, report.gaps), (7, 0));
}

#[test]
fn restore_ends_with_last_whole_group_before_moment() {
    let place = Place::new();
    let archive = place
        .archive()
        .snapshot_interval(Duration::from_millis(20))
        .keep(None);
    let store = place.init_with(archive);
    let mut rng = SeededRng::new(7);
    for n in 0..60 {
        place
            .clock
            .advance(Duration::from_millis(rng.below(3) as u64 * 500));
        create(&store, n * 5..(n + 1) * 5);
        if n % 10 == 0 {
            wait_until_complete(&store);
        }
    }
    wait_until_complete(&store);
    let all = events(&store);
    close(store);
    let first = all[0].at.as_millis();
    let last = all[all.len() - 1].at.as_millis();
    let snapshots = place.archive().report().unwrap().snapshots;
    assert!(snapshots.len() > 2, "{snapshots:?}");
    let mut used = std::collections::BTreeSet::new();
    for n in 0..50 {
        let span = usize::try_from(last - first + 1000).unwrap();
        let moment = first + i64::try_from(rng.below(span)).unwrap();
        let moment = Timestamp::from_millis(moment).unwrap();
        let dir = place.dir(&format!("at{n}"));
        let restored =
            place
                .plain()
                .restore_from(&place.archive(), &dir, RestorePoint::Time(moment));
        let restored = restored.unwrap();
        used.insert(restored.snapshot_lsn);
        let store = place.plain().open(dir).unwrap();
        let expected: Vec<Event> = all
            .iter()
            .filter(|event| event.at <= moment)
            .cloned()
            .collect();
        assert_same(&events(&store), &expected);
    }
    assert!(
        used.len() > 1,
        "each restore used the same snapshot: {used:?}"
    );
    for seq in [0, 1, 77, 300] {
        let store = place
            .restore(&format!("seq{seq}"), RestorePoint::Seq(seq))
            .unwrap();
        assert_same(&events(&store), &all[..usize::try_from(seq).unwrap()]);
    }
    let early = RestorePoint::Time(Timestamp::from_millis(first - 1).unwrap());
    let store = place.restore("early", early).unwrap();
    assert!(events(&store).is_empty());
}

#[test]
fn copy_of_store_takes_archive_over_and_old_one_refuses_commands() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    close(store);
    copy_dir(&place.dir("shop"), &place.dir("copy"));
    let old = place.open().unwrap();
    create(&old, 20..30);
    wait_until_complete(&old);
    // The copy has the epoch of the time before, which is not the newest one.
    let refused = place.builder().open(place.dir("copy")).unwrap_err();
    assert!(matches!(refused, OpenError::Fenced(_)), "{refused:?}");
    // A copy of the open store has the newest epoch. It must hold the last mark, too.
    wait_until_quiet(&old);
    copy_dir(&place.dir("shop"), &place.dir("taken"));
    let new = place.builder().open(place.dir("taken")).unwrap();
    wait_until(&old, |old| {
        old.stats().archive.status == ArchiveStatus::Fenced || {
            let _ = old
                .create(fixtures::order_no(99), fixtures::new(100))
                .wait();
            false
        }
    });
    let refused = old
        .create(fixtures::order_no(50), fixtures::new(100))
        .wait();
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, Error::Poisoned(cause) if cause.kind() == StorageErrorKind::Fenced),
        "{refused:?}"
    );
    assert!(
        matches!(old.health(), Health::Poisoned(_)),
        "{:?}",
        old.health()
    );
    create(&new, 30..40);
    wait_until_complete(&new);
    let expected = events(&new);
    close(old);
    close(new);
    // Nothing that the old store wrote after the copy is restored.
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, OpenError::Fenced(_)), "{refused:?}");
}

#[test]
fn store_goes_on_while_archive_is_down_and_keeps_its_journal() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..50);
    wait_until_complete(&store);
    place.storage.set_down(true);
    create(&store, 50..300);
    wait_until(&store, |store| {
        matches!(store.health(), Health::ArchiveBehind { cause: Some(_) })
    });
    let stats = store.stats().archive;
    assert!(
        stats.lag_bytes > 0 && !stats.lag.is_zero() && stats.failures > 0,
        "{stats:?}"
    );
    assert!(store.stats().checkpoints > 2);
    // The journal also waits for the archive after the store was closed.
    close(store);
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, OpenError::Archive(_)), "{refused:?}");
    assert!(refused.is_retryable());
    let store = place
        .builder()
        .open_without_archive()
        .open(place.dir("shop"))
        .unwrap();
    create(&store, 300..320);
    place.storage.set_down(false);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    let report = place.archive().report().unwrap();
    assert_eq!((report.gaps, report.snapshots.len()), (0, 1));
}

#[test]
fn long_outage_leaves_gap_that_a_new_snapshot_ends() {
    let place = Place::new();
    let limit = 64 << 10;
    let builder = || {
        place
            .plain()
            .archive(place.archive().lag_max(limit).keep(None))
    };
    let store = builder().init(place.dir("shop")).unwrap();
    create(&store, 0..50);
    wait_until_complete(&store);
    let before = events(&store);
    place.storage.set_down(true);
    let mut next = 50;
    let journal = place.dir("shop").join("journal");
    let size = || -> u64 {
        let files = fs::read_dir(&journal).unwrap();
        files
            .filter_map(|file| file.unwrap().metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    let began = Instant::now();
    let mut largest = 0;
    while next < 2000 || began.elapsed() < Duration::from_millis(300) {
        create(&store, next..next + 50);
        next += 50;
        largest = largest.max(size());
    }
    // A pass drops what is over the limit, so a little more than the limit can wait for it.
    assert!(store.stats().archive.lag_bytes < 2 << 20);
    place.storage.set_down(false);
    wait_until_complete(&store);
    let after = events(&store);
    create(&store, next..next + 10);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let report = place.archive().report().unwrap();
    assert_eq!((report.gaps, report.snapshots.len()), (1, 2), "{report:?}");
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    // A moment in the gap is restored as of its beginning.
    let early = RestorePoint::Seq(report.snapshots[1].seq - 1);
    let restored = place
        .plain()
        .restore_from(&place.archive(), place.dir("gap"), early)
        .unwrap();
    assert!(restored.has_later);
    assert!(restored.restored.before.seq >= before.len() as u64);
    assert!(restored.restored.before.seq < after.len() as u64);
}

#[test]
fn missing_or_corrupt_object_is_named_and_nothing_is_restored() {
    let place = Place::new();
    let mut store = place.init();
    let mut created = 0;
    // A lost last shipment of an archive goes unnoticed. The test needs one before it.
    let unmerged = loop {
        for _ in 0..20 {
            create(&store, created..created + 5);
            created += 5;
            wait_until_complete(&store);
        }
        close(store);
        let unmerged = place.unmerged();
        if unmerged.len() > 1 {
            break unmerged;
        }
        store = place.open().unwrap();
    };
    let merged = place.names("merged/");
    assert!(merged.len() > 2, "{merged:?}");
    let mut names = vec![unmerged[0].clone(), merged[1].clone()];
    names.extend(place.names("snapshot/"));
    names.extend([
        "store".to_owned(),
        "epoch/00000000000000000001/start".to_owned(),
    ]);
    for name in names {
        let bytes = place.storage.get(&name).unwrap().unwrap();
        let is_manifest = name.ends_with("manifest") || name == "store";
        // Without a merged object, the frames could also be in shipments.
        let missing = match name.strip_prefix("merged/") {
            Some(rest) => format!("wal/{}/{}", &rest[..20], &rest[42..]),
            None => name.clone(),
        };
        place.storage.delete(&name).unwrap();
        let error = place.restore_error();
        assert!(
            is_manifest || name.starts_with("epoch") || error.contains(&missing),
            "{name}: {error}"
        );
        place.storage.put(&name, &bytes[..bytes.len() - 5]).unwrap();
        let error = place.restore_error();
        assert!(error.contains(&name), "{name}: {error}");
        place.storage.put(&name, &bytes).unwrap();
    }
    place.restore("restored", RestorePoint::Newest).unwrap();
}

#[test]
fn archive_of_another_store_is_refused() {
    let place = Place::new();
    close(place.init());
    let error = place.builder().init(place.dir("other")).unwrap_err();
    assert!(with_causes(&error).contains("another store"), "{error:?}");
    // The new store exists, without the archive.
    let refused = place.builder().open(place.dir("other")).unwrap_err();
    assert!(matches!(refused, OpenError::Archive(_)), "{refused:?}");
    assert!(!refused.is_retryable());
    place.plain().open(place.dir("other")).unwrap();
}

#[test]
fn storage_without_conditional_write_is_refused() {
    let place = Place::new();
    place.storage.ignore_conditions(true);
    let error = place.builder().init(place.dir("shop")).unwrap_err();
    assert!(
        with_causes(&error).contains("no conditional write"),
        "{error:?}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn store_with_archive_is_not_opened_without_it_by_mistake() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..100);
    wait_until_complete(&store);
    close(store);
    let refused = place.plain().open(place.dir("shop")).unwrap_err();
    assert!(
        matches!(refused, OpenError::ArchiveMissing { .. }),
        "{refused:?}"
    );
    let store = place
        .plain()
        .open_without_archive()
        .open(place.dir("shop"))
        .unwrap();
    create(&store, 100..500);
    assert_eq!(store.stats().archive.status, ArchiveStatus::Off);
    close(store);
    // The journal has kept these commands for the archive.
    let store = place.open().unwrap();
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    assert_eq!(place.archive().report().unwrap().gaps, 0);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn pruned_archive_keeps_what_its_snapshots_need() {
    let place = Place::new();
    let archive = place
        .archive()
        .snapshot_interval(Duration::from_millis(10))
        .keep(None);
    let store = place.init_with(archive);
    let mut next = 0;
    wait_until_complete(&store);
    while place.archive().report().unwrap().snapshots.len() < 6 {
        create(&store, next..next + 50);
        next += 50;
        thread::sleep(Duration::from_millis(20));
    }
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let before = place.frames();
    let pruned = place
        .archive()
        .prune(Retention {
            daily: 1,
            weekly: 0,
        })
        .unwrap();
    assert!(pruned.snapshots >= 5 && pruned.bytes > 0, "{pruned:?}");
    assert_eq!(place.archive().report().unwrap().snapshots.len(), 1);
    assert!(place.frames() < before);
    let snapshot = place.archive().report().unwrap().snapshots[0].lsn;
    let merged = place.names("merged/");
    assert!(
        merged.iter().all(|name| last_lsn(name) > snapshot),
        "{merged:?}"
    );
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    // The store goes on with the pruned archive.
    let store = place.open().unwrap();
    create(&store, next..next + 20);
    wait_until_complete(&store);
    assert_eq!(place.archive().report().unwrap().gaps, 0);
}

/// Name and bytes of an object.
type Write = (String, Vec<u8>);

/// Storage that lets one write fail, and executes it later: before the next write of an object with
/// the same beginning of its name.
#[derive(Debug, Clone)]
struct Late {
    objects: MemoryArchive,
    prefix: &'static str,
    held: Arc<Mutex<Option<Write>>>,
    is_used: Arc<AtomicBool>,
}

impl Late {
    fn new(prefix: &'static str) -> Self {
        Self {
            objects: MemoryArchive::default(),
            prefix,
            held: Arc::default(),
            is_used: Arc::default(),
        }
    }
}

impl Hook for Late {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        let Call::PutIfAbsent(name, bytes) = call else {
            return Ok(());
        };
        let is_first = name.starts_with("wal/") || !name.contains("00001/");
        if name.starts_with(self.prefix) && is_first {
            if !self.is_used.swap(true, Ordering::SeqCst) {
                *self.held.lock().unwrap() = Some((name.to_owned(), bytes.to_vec()));
                return Err(io::ErrorKind::TimedOut.into());
            }
            if let Some((name, bytes)) = self.held.lock().unwrap().take() {
                assert!(self.objects.put_if_absent(&name, &bytes)?);
            }
        }
        Ok(())
    }
}

#[test]
fn late_claim_of_store_does_not_fence_it() {
    let place = Place::new();
    let late = Late::new("epoch/");
    let archive = || {
        Archive::new(Hooked(late.clone()))
            .in_small_parts()
            .interval(INTERVAL)
    };
    let open = || {
        place
            .plain()
            .archive(archive())
            .open_or_init(place.dir("shop"))
    };
    let store = open().unwrap();
    create(&store, 0..10);
    wait_until_complete(&store);
    close(store);
    let failed = open().unwrap_err();
    assert!(matches!(failed, OpenError::Archive(_)), "{failed:?}");
    // The claim of the failed attempt arrives before the claim of this one.
    let failed = open().unwrap_err();
    assert!(failed.is_retryable(), "{failed:?}");
    let store = open().unwrap();
    create(&store, 10..20);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = place
        .plain()
        .restore_from(&archive(), place.dir("new"), RestorePoint::Newest);
    assert_eq!(restored.unwrap().restored.before.seq, expected.len() as u64);
}

#[test]
fn late_shipment_loses_no_frames_of_the_next_one() {
    let place = Place::new();
    let late = Late::new("wal/");
    let archive = || {
        Archive::new(Hooked(late.clone()))
            .in_small_parts()
            .interval(INTERVAL)
    };
    let store = place
        .plain()
        .archive(archive())
        .init(place.dir("shop"))
        .unwrap();
    for n in 0..200 {
        create(&store, n..n + 1);
    }
    wait_until_complete(&store);
    assert!(late.is_used.load(Ordering::SeqCst) && late.held.lock().unwrap().is_none());
    let expected = events(&store);
    close(store);
    let restored = place
        .plain()
        .restore_from(&archive(), place.dir("new"), RestorePoint::Newest);
    assert_eq!(restored.unwrap().restored.before.seq, expected.len() as u64);
}

#[test]
fn old_copy_of_directory_does_not_fence_store_that_serves() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..10);
    wait_until_complete(&store);
    copy_dir(&place.dir("shop"), &place.dir("copy"));
    create(&store, 10..20);
    wait_until_complete(&store);
    let refused = place.builder().open(place.dir("copy")).unwrap_err();
    assert!(matches!(refused, OpenError::Fenced(_)), "{refused:?}");
    create(&store, 20..30);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn store_moves_to_a_new_archive() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..200);
    wait_until_complete(&store);
    close(store);
    let other = Place {
        root: TempDir::new().unwrap(),
        storage: MemoryArchive::default(),
        clock: place.clock.clone(),
    };
    // A share that is not mounted looks like an empty archive.
    let refused = other.builder().open(place.dir("shop")).unwrap_err();
    assert!(with_causes(&refused).contains("mounted"), "{refused:?}");
    fs::remove_file(place.dir("shop").join("archive")).unwrap();
    let store = other.builder().open(place.dir("shop")).unwrap();
    create(&store, 200..300);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = other.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    // The old archive has another owner now.
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, OpenError::Fenced(_)), "{refused:?}");
}

#[test]
fn corrupt_snapshot_is_replaced_by_the_one_before() {
    let place = Place::new();
    let archive = || {
        let archive = place.archive().snapshot_interval(Duration::from_millis(5));
        place.plain().archive(archive.keep(None))
    };
    let store = archive().init(place.dir("shop")).unwrap();
    let mut next = 0;
    while place
        .archive()
        .report()
        .is_ok_and(|report| report.snapshots.len() < 3)
    {
        create(&store, next..next + 30);
        next += 30;
        thread::sleep(Duration::from_millis(10));
    }
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let newest = *place.archive().report().unwrap().snapshots.last().unwrap();
    let prefix = format!("snapshot/{:020}/{:020}/", newest.epoch, newest.lsn);
    for object in place.storage.list(&prefix).unwrap() {
        let bytes = place.storage.get(&object.name).unwrap().unwrap();
        let mut corrupt = bytes.clone();
        corrupt[40] ^= 1;
        place.storage.put(&object.name, &corrupt).unwrap();
        let report = place.archive().report().unwrap();
        let is_manifest = object.name.ends_with("manifest");
        assert_eq!(report.unreadable_snapshots, u64::from(is_manifest));
        let dir = place.dir(&object.name.replace('/', "-"));
        let restored = place
            .plain()
            .restore_from(&place.archive(), dir, RestorePoint::Newest);
        let restored = restored.unwrap();
        assert_eq!(restored.corrupt_snapshots, 1);
        assert_eq!(restored.restored.before.seq, expected.len() as u64);
        assert!(restored.snapshot_lsn < newest.lsn);
        if is_manifest {
            // The store goes on with an archive whose newest snapshot is corrupt.
            close(archive().open(place.dir("shop")).unwrap());
        }
        place.storage.put(&object.name, &bytes).unwrap();
    }
}

#[test]
fn corrupt_segment_that_was_not_shipped_is_replaced_by_snapshot() {
    let place = Place::new();
    // Keep the old epochs, so that the report counts the gap.
    let archive = place.archive().keep(None);
    let store = place.init_with(archive);
    create(&store, 0..30);
    wait_until_complete(&store);
    place.storage.set_down(true);
    create(&store, 30..400);
    let archived = store.stats().archive.archived_lsn;
    let entries = fs::read_dir(place.dir("shop").join("journal")).unwrap();
    let mut segments: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    // The second segment is closed, in the B-tree, and not in the archive.
    let mut bytes = fs::read(&segments[1]).unwrap();
    bytes[4096 + 64] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    place.storage.set_down(false);
    wait_until_complete(&store);
    assert!(store.stats().archive.archived_lsn > archived + 300);
    let expected = events(&store);
    close(store);
    assert_eq!(place.archive().report().unwrap().gaps, 1);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn directory_of_mirror_goes_on_with_archive() {
    let place = Place::new();
    let mirrored = |main: &str, mirror: &str| {
        let builder = place.builder().mirror(place.dir(mirror));
        builder.open_or_init(place.dir(main))
    };
    let store = mirrored("shop", "mirror").unwrap();
    wait_until(&store, |store| {
        store.stats().mirror == MirrorStatus::Complete
    });
    create(&store, 0..200);
    wait_until_complete(&store);
    close(store);
    // The other directory alone, accepted by an operator.
    fs::remove_dir_all(place.dir("shop")).unwrap();
    let accepted = place.plain().accept_one_side(place.dir("mirror")).unwrap();
    assert_eq!(accepted.records, 200);
    let store = mirrored("mirror", "new").unwrap();
    create(&store, 200..300);
    wait_until(&store, |store| {
        store.stats().mirror == MirrorStatus::Complete
    });
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
    // The filled directory knows the epoch, too.
    let store = mirrored("new", "mirror").unwrap();
    wait_until_complete(&store);
}

#[test]
fn only_one_of_many_copies_claims_archive() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..5);
    wait_until_complete(&store);
    close(store);
    let winner = only_winner(&place.dir("shop"), &|| place.builder());
    create(&winner, 5..10);
    wait_until_complete(&winner);
}

#[test]
fn idle_store_notices_that_a_copy_has_taken_archive_over() {
    let place = Place::new();
    let old = place.init();
    create(&old, 0..10);
    wait_until_complete(&old);
    wait_until_quiet(&old);
    copy_dir(&place.dir("shop"), &place.dir("taken"));
    let _new = place.builder().open(place.dir("taken")).unwrap();
    wait_until(&old, |old| matches!(old.health(), Health::Poisoned(_)));
    let refused = old
        .create(fixtures::order_no(50), fixtures::new(100))
        .wait();
    assert!(matches!(refused, Err(Error::Poisoned(_))), "{refused:?}");
}

#[test]
fn frame_longer_than_a_read_of_the_journal_is_shipped() {
    let place = Place::new();
    let store = place.init();
    wait_until_complete(&store);
    for group in 0..3 {
        let commands = (0..1000).map(|n| Command {
            no: fixtures::order_no(group * 1000 + n),
            kind: CommandKind::Create(Box::new(fixtures::new(100))),
        });
        for ticket in store.submit_all(commands.collect()).unwrap() {
            let _ = ticket.wait().unwrap();
        }
    }
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let objects = place.storage.list("wal/").unwrap();
    assert!(objects.iter().any(|object| object.bytes > 128 << 10));
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

#[test]
fn store_that_runs_no_checkpoint_makes_snapshots() {
    let place = Place::new();
    let archive = place.archive().snapshot_interval(Duration::from_millis(10));
    let builder = Store::builder().archive(archive.keep(None));
    let store = builder.init(place.dir("shop")).unwrap();
    let mut seqs = vec![];
    for n in 0..4 {
        create(&store, n * 10..(n + 1) * 10);
        let count = events(&store).len() as u64;
        // The newest snapshot holds everything, without a full memtable.
        wait_until(&store, |_| {
            let report = place.archive().report().unwrap();
            let newest = report.snapshots.last();
            newest.is_some_and(|newest| newest.seq == count)
        });
        seqs.push(count);
    }
    close(store);
    let snapshots = place.archive().report().unwrap().snapshots;
    assert!(snapshots.is_sorted_by_key(|snapshot| (snapshot.lsn, snapshot.seq)));
    assert!(
        seqs.iter()
            .all(|seq| snapshots.iter().any(|found| found.seq == *seq))
    );
}

/// Storage that refuses snapshots while a flag is set.
#[derive(Debug, Clone, Default)]
struct NoSnapshots {
    objects: MemoryArchive,
    refuses: Arc<AtomicBool>,
}

impl Hook for NoSnapshots {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        match matches!(call, Call::Put) && self.refuses.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

#[test]
fn failed_snapshot_does_not_keep_shutdown_from_shipping() {
    let place = Place::new();
    let storage = NoSnapshots::default();
    let archive = || Archive::new(Hooked(storage.clone())).interval(Duration::from_millis(300));
    let interval = Duration::from_nanos(1);
    let store = place.init_with(archive().snapshot_interval(interval));
    create(&store, 0..10);
    wait_until_archived(&store);
    storage.refuses.store(true, Ordering::SeqCst);
    create(&store, 10..20);
    wait_until(&store, |store| store.stats().archive.failures > 0);
    assert!(matches!(
        store.health(),
        Health::ArchiveBehind { cause: Some(_) }
    ));
    create(&store, 20..30);
    let expected = events(&store).len() as u64;
    close(store);
    let restored = place
        .plain()
        .restore_from(&archive(), place.dir("new"), RestorePoint::Newest);
    assert_eq!(restored.unwrap().restored.before.seq, expected);
}

#[test]
fn full_archive_delays_shipments_and_loses_nothing() {
    let place = Place::new();
    let store = place.init();
    create(&store, 0..20);
    wait_until_complete(&store);
    place.storage.set_max_bytes(1);
    create(&store, 20..100);
    wait_until(&store, |store| store.stats().archive.failures > 2);
    let Health::ArchiveBehind { cause: Some(cause) } = store.health() else {
        panic!("{:?}", store.health());
    };
    assert_eq!(cause.kind(), StorageErrorKind::DiskFull);
    place.storage.set_max_bytes(0);
    wait_until_complete(&store);
    let expected = events(&store);
    close(store);
    let restored = place.restore("restored", RestorePoint::Newest).unwrap();
    assert_same(&events(&restored), &expected);
}

/// Storage whose writes wait while a test holds its gate.
#[derive(Debug, Clone, Default)]
struct Gated {
    objects: MemoryArchive,
    gate: Arc<Mutex<()>>,
    waiting: Arc<AtomicBool>,
}

impl Hook for Gated {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> io::Result<()> {
        if matches!(call, Call::Put | Call::PutIfAbsent(..)) {
            self.waiting.store(true, Ordering::SeqCst);
            drop(self.gate.lock().unwrap());
            self.waiting.store(false, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[test]
fn storage_that_does_not_answer_holds_no_command() {
    let place = Place::new();
    let storage = Gated::default();
    let archive = || Archive::new(Hooked(storage.clone())).interval(INTERVAL);
    let store = place.init_with(archive());
    wait_until_archived(&store);
    let gate = storage.gate.lock().unwrap();
    create(&store, 0..1);
    wait_until(&store, |_| storage.waiting.load(Ordering::SeqCst));
    let archived = store.stats().archive.archived_lsn;
    // Commands, checkpoints, reads and figures go on during the call.
    create(&store, 1..400);
    assert!(store.stats().checkpoints > 3);
    assert_eq!(store.stats().archive.archived_lsn, archived);
    assert!(storage.waiting.load(Ordering::SeqCst));
    drop(gate);
    wait_until_archived(&store);
    let expected = events(&store).len() as u64;
    close(store);
    let restored = place
        .plain()
        .restore_from(&archive(), place.dir("new"), RestorePoint::Newest);
    assert_eq!(restored.unwrap().restored.before.seq, expected);
}
