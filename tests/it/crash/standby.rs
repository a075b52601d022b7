//! Crashes and failing storages while a standby is built, follows and is promoted, on a simulated disk.
//!
//! A standby on a simulated disk has no thread. A promotion first does everything that the thread does:
//! it builds the B-tree, applies frames, runs checkpoints, and follows earlier promotions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use orderstore::testing::{Loss, MemoryArchive, SeededRng, SimulatedDisk, StorageFault};
use orderstore::{Archive, Builder, Event, OldStore, OpenError, Store};

use super::archive::{SIZES, archived_shop, create};
use super::ledger::feed_of;
use crate::hooked::{Call, Hook, Hooked};

fn standby_dir() -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join("standby")
}

fn builder(disk: &SimulatedDisk, archive: &Archive) -> Builder {
    Store::builder()
        .simulated(disk, SIZES)
        .archive(archive.clone())
}

/// Storage that keeps its objects as they are after each write, with the number of disk calls so far.
#[derive(Debug, Clone)]
struct Recorder {
    objects: MemoryArchive,
    disk: SimulatedDisk,
    states: Arc<Mutex<Vec<(u64, MemoryArchive)>>>,
}

impl Recorder {
    fn new(objects: MemoryArchive, disk: &SimulatedDisk) -> Self {
        let recorder = Self {
            objects,
            disk: disk.clone(),
            states: Arc::default(),
        };
        recorder.record();
        recorder
    }

    fn record(&self) {
        let call = self.disk.snapshot().call;
        self.states
            .lock()
            .unwrap()
            .push((call, self.objects.copy()));
    }

    /// Objects right before a disk call.
    fn objects_before(&self, call: u64) -> MemoryArchive {
        let states = self.states.lock().unwrap();
        let found = states.iter().rfind(|(at, _)| *at < call);
        found.unwrap_or(&states[0]).1.copy()
    }
}

impl Hook for Recorder {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn after(&self, call: Call<'_>) {
        if call.is_write() {
            self.record();
        }
    }
}

/// Opens the promoted store. Promotes the standby first, if it is none yet.
fn open_promoted(disk: &SimulatedDisk, archive: &Archive) -> Result<Store, OpenError> {
    match builder(disk, archive).open(standby_dir()) {
        Err(OpenError::IsStandby { .. } | OpenError::Missing { .. } | OpenError::Empty { .. }) => {}
        Err(OpenError::Unfinished { .. } | OpenError::Incomplete { .. }) => {}
        opened => return opened,
    }
    let _ = builder(disk, archive).promote(standby_dir(), OldStore::Stopped)?;
    builder(disk, archive).open(standby_dir())
}

/// Archive in which a standby was promoted already, and a feed of all its events.
fn promoted_shop() -> (MemoryArchive, Vec<Event>) {
    let (objects, _) = archived_shop();
    let disk = SimulatedDisk::new(11);
    let archive = Archive::new(objects.clone()).in_small_parts();
    let store = open_promoted(&disk, &archive).unwrap();
    for order in 5..8 {
        let command = create(order);
        let replies = store.submit_all(vec![command]).unwrap();
        for reply in replies {
            let _ = reply.wait().unwrap();
        }
    }
    disk.ship();
    let feed = feed_of(&store).unwrap();
    (objects, feed)
}

#[test]
fn promotion_that_loses_power_at_any_call_can_be_repeated() {
    let (objects, feed) = promoted_shop();
    let disk = SimulatedDisk::new(12);
    let recorder = Recorder::new(objects, &disk);
    disk.snapshot_one_in(1);
    drop(
        open_promoted(
            &disk,
            &Archive::new(Hooked(recorder.clone())).in_small_parts(),
        )
        .unwrap(),
    );
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 60, "{}", snapshots.len());
    let mut rng = SeededRng::new(13);
    let mut disks = 0;
    for snapshot in snapshots {
        for loss in Loss::ALL {
            let located = format!("{loss:?} at call {}", snapshot.call);
            let disk = snapshot.lose_power(loss, rng.next());
            let archive = Archive::new(recorder.objects_before(snapshot.call)).in_small_parts();
            let store = open_promoted(&disk, &archive);
            let store = store.unwrap_or_else(|why| panic!("{why:?}, {located}"));
            assert_eq!(feed_of(&store).unwrap(), feed, "{located}");
            let report = store.verify().wait().unwrap();
            assert!(report.is_ok(), "{report:#?}, {located}");
            disks += 1;
        }
    }
    println!("{disks} disks");
}

#[test]
fn promotion_with_failing_call_of_storage_can_be_repeated() {
    for fault in [StorageFault::Fails, StorageFault::AnswerLost] {
        let mut call = 0;
        loop {
            let (objects, feed) = promoted_shop();
            let archive = Archive::new(objects.clone()).in_small_parts();
            let disk = SimulatedDisk::new(14);
            let first = objects.calls();
            objects.fail_at(first + call, fault);
            let failed = open_promoted(&disk, &archive).map(drop);
            let is_over = objects.calls() <= first + call;
            if let Err(error) = failed {
                let store = open_promoted(&disk, &archive);
                let store = store.unwrap_or_else(|why| {
                    panic!("{why:?} after {error:?}, {fault:?} at call {call}")
                });
                assert_eq!(feed_of(&store).unwrap(), feed, "{fault:?} at call {call}");
            }
            if is_over {
                break;
            }
            call += 1;
        }
        assert!(call > 20, "{call}");
    }
}
