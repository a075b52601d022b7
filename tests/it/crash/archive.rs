//! Crashes and failing storages of a store with an archive, on a simulated disk.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use orderstore::testing::{
    ArchiveFault, FaultInjection, Loss, MemoryArchive, SeededRng, SimulatedDisk, Sizes, Snapshot,
    StorageFault, fixtures,
};
use orderstore::{Archive, ArchiveStatus, Command, CommandKind, OpenError, RestorePoint, Store};

use super::ledger::{Ledger, feed_of};
use super::power_loss::workloads;
use super::rig::{Shop, dir};
use super::{figure, run_and_report_seed};
use crate::hooked::{Call, Hook, Hooked};

pub(super) const SIZES: Sizes = Sizes {
    memtable: 1024,
    segment: 8192,
};

fn restored_dir() -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join("restored")
}

/// Storage that records the disk and the objects after each write.
#[derive(Debug, Clone)]
struct Recorder {
    objects: MemoryArchive,
    disk: SimulatedDisk,
    moments: Arc<Mutex<Vec<Moment>>>,
    /// Number of steps that the archive holds according to the store.
    archived: Arc<AtomicUsize>,
}

/// Moment at which a test lets the machine crash.
#[derive(Debug)]
struct Moment {
    disk: Snapshot,
    objects: MemoryArchive,
    archived: usize,
}

impl Recorder {
    fn new(disk: &SimulatedDisk) -> Self {
        Self {
            objects: MemoryArchive::default(),
            disk: disk.clone(),
            moments: Arc::default(),
            archived: Arc::default(),
        }
    }

    fn record(&self) {
        self.moments.lock().unwrap().push(Moment {
            disk: self.disk.snapshot(),
            objects: self.objects.copy(),
            archived: self.archived.load(Ordering::SeqCst),
        });
    }
}

impl Hook for Recorder {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, call: Call<'_>) -> std::io::Result<()> {
        self.after(call);
        Ok(())
    }

    fn after(&self, call: Call<'_>) {
        if call.is_write() {
            self.record();
        }
    }
}

/// Opens the shop on a crashed disk with its archive, and checks that both go on.
fn check_local(disk: SimulatedDisk, moment: &Moment, sent: &Ledger) -> Result<(), String> {
    let archive = Archive::new(moment.objects.copy()).in_small_parts();
    let shop = Shop::recover_with(disk.clone(), SIZES, sent, moment.disk.marks, |builder| {
        builder.archive(archive.clone())
    })?;
    shop.verify()?;
    disk.ship();
    let stats = shop.store.stats().archive;
    if stats.status != ArchiveStatus::Complete || !stats.lag.is_zero() {
        return Err(format!("the archive does not go on: {stats:?}"));
    }
    let feed = feed_of(&shop.store)?;
    drop(shop);
    let store = restore(&disk, &archive)?;
    match feed_of(&store)? == feed {
        true => Ok(()),
        false => Err("the restored store differs from the store".to_owned()),
    }
}

fn restore(disk: &SimulatedDisk, archive: &Archive) -> Result<Store, String> {
    let builder = || Store::builder().simulated(disk, SIZES);
    let restored = builder().restore_from(archive, restored_dir(), RestorePoint::Newest);
    let restored = restored.map_err(|error| format!("the archive is not restored: {error:?}"))?;
    let store = builder().open(restored_dir());
    let store = store.map_err(|error| format!("the restored store does not open: {error:?}"))?;
    let end = feed_of(&store)?.len() as u64;
    match end == restored.restored.before.seq {
        true => Ok(store),
        false => Err(format!("{restored:?} but {end} events")),
    }
}

/// Restores the archive after the loss of the machine, and checks that it holds everything that the
/// store counted as archived, and nothing that was not sent.
fn check_archive(moment: &Moment, sent: &Ledger) -> Result<(), String> {
    let archive = Archive::new(moment.objects.copy()).in_small_parts();
    let snapshots = archive.report().map(|report| report.snapshots.len());
    if moment.archived == 0 && !snapshots.is_ok_and(|count| count > 0) {
        return Ok(());
    }
    let store = restore(&SimulatedDisk::new(1), &archive)?;
    let sent = sent.truncated(moment.disk.marks.1);
    let held = sent.held_by(&store, moment.archived.saturating_sub(1));
    held.map(drop)
        .map_err(|why| format!("after a restore: {why}"))
}

/// Runs a workload with an archive, and records every moment at which it may crash.
fn moments_of(
    place: usize,
    workload: &[Command],
    injected: Option<FaultInjection>,
) -> Result<(Ledger, Vec<Moment>), String> {
    let disk = SimulatedDisk::new(place as u64);
    disk.inject_fault(injected);
    let recorder = Recorder::new(&disk);
    let archive = Archive::new(Hooked(recorder.clone())).in_small_parts();
    let shop = Shop::init_with(disk.clone(), SIZES, |builder| builder.archive(archive));
    let mut shop = shop.map_err(|error| format!("{error:?}"))?;
    for (steps, command) in workload.iter().enumerate() {
        disk.ship();
        shop.run(vec![command.clone()])?;
        disk.ship();
        // One more than the number of steps, as in the marks of the disk.
        recorder.archived.store(steps + 2, Ordering::SeqCst);
        recorder.record();
    }
    let Shop { store, ledger, .. } = shop;
    drop(store);
    recorder.record();
    let moments = std::mem::take(&mut *recorder.moments.lock().unwrap());
    Ok((ledger, moments))
}

fn crash_at_every_write(place: usize, workload: &[Command]) -> Result<usize, String> {
    let (ledger, moments) = moments_of(place, workload, None)?;
    let mut rng = SeededRng::new(place as u64);
    for (at, moment) in moments.iter().enumerate() {
        let located = |why: String, how: &str| format!("{why}\nafter {how} at moment {at}");
        check_archive(moment, &ledger).map_err(|why| located(why, "the loss of the machine"))?;
        check_local(moment.disk.kill(1), moment, &ledger).map_err(|why| located(why, "a kill"))?;
        let loss = Loss::ALL[rng.below(Loss::ALL.len())];
        let disk = moment.disk.lose_power(loss, rng.next());
        let checked = check_local(disk, moment, &ledger);
        checked.map_err(|why| located(why, &format!("{loss:?}")))?;
    }
    Ok(moments.len() * 3)
}

#[test]
fn crash_at_every_write_to_archive_loses_nothing_that_it_counted() {
    let mut checked = 0;
    for len in 0..=figure("ARCHIVE_COMMANDS", 1) {
        for (place, workload) in workloads(len).iter().enumerate() {
            let images = crash_at_every_write(place, workload);
            let why = |why| format!("{why}\nworkload: {workload:?}");
            checked += images.map_err(why).unwrap_or_else(|why| panic!("{why}"));
        }
    }
    println!("{checked} disks and archives");
    assert!(checked > 100);
}

/// Lets one call of the storage fail while a store is created, used, closed and opened again.
fn run_with_failing_call(call: u64, fault: StorageFault) -> Result<bool, String> {
    let disk = SimulatedDisk::new(7);
    let objects = MemoryArchive::default();
    objects.fail_at(call, fault);
    let interval = std::time::Duration::from_nanos(1);
    let archive = Archive::new(objects.clone())
        .in_small_parts()
        .snapshot_interval(interval);
    let mut attempts = 0;
    let mut shop = loop {
        attempts += 1;
        let opened = Shop::init_with(disk.clone(), SIZES, |builder| {
            builder.archive(archive.clone())
        });
        match opened {
            Ok(shop) => break shop,
            Err(orderstore::Error::Open(error @ OpenError::Archive(_))) if attempts < 3 => {
                if !error.is_retryable() {
                    return Err(format!("not retryable: {error:?}"));
                }
            }
            Err(error) => return Err(format!("{error:?}")),
        }
    };
    for command in workloads(5).pop().unwrap_or_default() {
        shop.run(vec![command])?;
        disk.ship();
    }
    // The next shipment after a failed one succeeds.
    disk.ship();
    let mut health = shop.store.health();
    if !matches!(health, orderstore::Health::Ok) {
        disk.ship();
        health = shop.store.health();
    }
    let feed = feed_of(&shop.store)?;
    if !matches!(health, orderstore::Health::Ok) {
        return Err(format!("{health:?}"));
    }
    drop(shop);
    let opened = Store::builder()
        .simulated(&disk, SIZES)
        .archive(archive.clone())
        .open(dir());
    match opened {
        Ok(store) => drop(store),
        Err(OpenError::Archive(_)) => {}
        Err(error) => return Err(format!("{error:?}")),
    }
    let store = restore(&disk, &archive).or_else(|_| {
        // The call failed in the restore.
        restore(&disk, &archive)
    })?;
    if feed_of(&store)? != feed {
        return Err("the restored store differs".to_owned());
    }
    Ok(objects.calls() > call)
}

#[test]
fn failing_call_of_storage_delays_archive_and_loses_nothing() {
    let mut calls = 0;
    while [StorageFault::Fails, StorageFault::AnswerLost]
        .into_iter()
        .all(|fault| {
            let run = run_with_failing_call(calls, fault);
            run.unwrap_or_else(|why| panic!("{why}\n{fault:?} at call {calls}"))
        })
    {
        calls += 1;
    }
    println!("{calls} calls");
    assert!(calls > 40, "{calls}");
}

/// Storage that runs an action before one of its calls.
#[derive(Clone)]
struct Interrupted {
    objects: MemoryArchive,
    /// Number of calls until the action, and the action.
    action: Arc<Mutex<Option<(u64, Action)>>>,
}

type Action = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl Hook for Interrupted {
    fn objects(&self) -> &MemoryArchive {
        &self.objects
    }

    fn before(&self, _call: Call<'_>) -> std::io::Result<()> {
        let mut action = self.action.lock().unwrap();
        let due = match action.take() {
            Some((0, due)) => Some(due),
            Some((left, later)) => {
                *action = Some((left - 1, later));
                None
            }
            None => None,
        };
        drop(action);
        if let Some(due) = due {
            due();
        }
        Ok(())
    }
}

pub(super) fn create(order: u64) -> Command {
    let kind = CommandKind::Create(Box::new(fixtures::new(100)));
    let no = fixtures::order_no(order);
    Command { no, kind }
}

/// A store ships a command. Before one of the calls of this shipment, a copy of the store takes the
/// archive over, runs another command and ships it. Returns whether the shipment has more calls.
fn take_over_during_shipment(
    call: u64,
    has_old_lists: bool,
    fault: Option<ArchiveFault>,
) -> Result<bool, String> {
    let objects = MemoryArchive::default();
    objects.set_old_lists(has_old_lists);
    let archive =
        |objects: MemoryArchive| Archive::new(objects).in_small_parts().inject_fault(fault);
    let interrupted = Interrupted {
        objects: objects.clone(),
        action: Arc::default(),
    };
    let own = Archive::new(Hooked(interrupted.clone()))
        .in_small_parts()
        .inject_fault(fault);
    let disk = SimulatedDisk::new(1);
    let shop = Shop::init_with(disk.clone(), SIZES, |builder| builder.archive(own));
    let mut shop = shop.map_err(|error| format!("{error:?}"))?;
    disk.ship();
    for order in 0..2 {
        shop.run(vec![create(order)])?;
        disk.ship();
    }
    let copy = disk.snapshot().kill(2);
    shop.run(vec![create(2)])?;
    let taken = archive(objects.clone());
    let feed = Arc::new(Mutex::new(Vec::new()));
    let (own_feed, own_disk) = (Arc::clone(&feed), copy);
    let action = move || {
        let builder = Store::builder().simulated(&own_disk, SIZES).archive(taken);
        // The copy lacks frames if the first store has shipped them. It must not open then.
        if let Ok(store) = builder.open(dir()) {
            let _ = store
                .create(fixtures::order_no(3), fixtures::new(100))
                .wait()
                .unwrap();
            own_disk.ship();
            *own_feed.lock().unwrap() = feed_of(&store).unwrap();
        }
    };
    *interrupted.action.lock().unwrap() = Some((call, Box::new(action)));
    disk.ship();
    let stats = shop.store.stats().archive;
    let counts = stats.status == ArchiveStatus::Complete && stats.lag.is_zero();
    let late = interrupted.action.lock().unwrap().take();
    let has_more = late.is_none();
    if let Some((_, action)) = late {
        action();
    }
    let taken_over = feed.lock().unwrap().clone();
    let own_feed = feed_of(&shop.store)?;
    objects.set_old_lists(false);
    let restored = restore(&SimulatedDisk::new(2), &archive(objects))?;
    let restored = feed_of(&restored)?;
    if counts && restored != own_feed {
        return Err(format!(
            "the store counted {} events as archived",
            own_feed.len()
        ));
    }
    if !taken_over.is_empty() && restored != taken_over {
        return Err(format!(
            "{restored:?} was restored instead of {taken_over:?}"
        ));
    }
    if !taken_over.is_empty() && stats.status != ArchiveStatus::Fenced {
        disk.ship();
        let stats = shop.store.stats().archive;
        if stats.status != ArchiveStatus::Fenced {
            return Err(format!("the old store goes on: {stats:?}"));
        }
    }
    Ok(has_more)
}

/// Lets a copy take the archive over before every call of a shipment.
fn take_over_at_every_call(fault: Option<ArchiveFault>) -> Result<u64, String> {
    let mut runs = 0;
    for has_old_lists in [false, true] {
        let mut call = 0;
        let run = |call| take_over_during_shipment(call, has_old_lists, fault);
        while run(call).map_err(|why| format!("{why}\nbefore call {call}"))? {
            call += 1;
            runs += 1;
        }
    }
    Ok(runs)
}

#[test]
fn store_that_loses_archive_during_shipment_counts_nothing_that_is_lost() {
    let calls = take_over_at_every_call(None).unwrap_or_else(|why| panic!("{why}"));
    assert!(calls >= 4, "{calls}");
}

#[test]
fn archive_tests_find_each_injected_fault() {
    let races = |fault| take_over_at_every_call(Some(fault)).map(drop);
    let runs = |fault| (0..20).try_for_each(|seed| random_run(seed, Some(fault)));
    let faults: [(_, &dyn Fn(_) -> Result<(), String>); 5] = [
        (ArchiveFault::DropUnarchived, &runs),
        (ArchiveFault::TrustList, &races),
        (ArchiveFault::CheckEpochEarly, &races),
        (ArchiveFault::TakeLateFrames, &races),
        (ArchiveFault::ForgetHashKey, &runs),
    ];
    for (fault, find) in faults {
        let why = find(fault).expect_err(&format!("{fault:?} was not found"));
        println!("{fault:?}: {why:.200}");
    }
}

/// Runs random steps, crashes and losses of the machine from one seed.
fn random_run(seed: u64, fault: Option<ArchiveFault>) -> Result<(), String> {
    let mut rng = SeededRng::new(seed);
    let sizes = super::rig::sizes(&mut rng);
    let objects = MemoryArchive::default();
    // Keep the old epochs, so that the report counts the gaps.
    let archive = Archive::new(objects.clone())
        .in_small_parts()
        .keep(None)
        .inject_fault(fault);
    let disk = SimulatedDisk::new(seed);
    let with = |builder: orderstore::Builder| builder.archive(archive.clone());
    let mut shop = Shop::init_with(disk, sizes, with).map_err(|error| format!("{error:?}"))?;
    for _ in 0..4 {
        for _ in 0..rng.below(20) {
            if rng.one_in(6) {
                objects.set_down(rng.one_in(2));
            }
            shop.step(&mut rng)?;
        }
        objects.set_down(false);
        let loss = Loss::ALL[rng.below(Loss::ALL.len())];
        let image = match rng.one_in(2) {
            true => shop.disk.snapshot().kill(rng.next()),
            false => shop.disk.snapshot().lose_power(loss, rng.next()),
        };
        let steps = shop.ledger.steps.len();
        let Shop {
            store,
            ledger,
            disk,
            ..
        } = shop;
        // The crashed process writes nothing more.
        objects.set_down(true);
        drop((store, disk));
        objects.set_down(false);
        shop = Shop::recover_with(image, sizes, &ledger, (steps + 1, steps), with)?;
    }
    shop.disk.ship();
    let feed = feed_of(&shop.store)?;
    let report = archive.report().map_err(|error| format!("{error:?}"))?;
    if report.gaps > 0 {
        return Err(format!("the archive lacks frames: {report:?}"));
    }
    let store = restore(&SimulatedDisk::new(seed), &archive)?;
    match feed_of(&store)? == feed {
        true => Ok(()),
        false => Err("the restored store differs from the store".to_owned()),
    }
}

#[test]
fn random_crashes_and_outages_lose_nothing_that_is_shipped() {
    for seed in 0..figure("ARCHIVE_RUNS", 100) {
        run_and_report_seed("random_crashes_and_outages", seed, || {
            random_run(seed, None).map(|()| 1)
        });
    }
}

/// Number of segments in the journal of the shop.
fn segments(disk: &SimulatedDisk) -> usize {
    let files = disk.files().into_iter();
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    files.filter(|(path, _)| is_segment(path)).count()
}

#[test]
fn full_disk_drops_what_only_the_archive_needs() {
    let objects = MemoryArchive::default();
    let archive = Archive::new(objects.clone()).in_small_parts().keep(None);
    let disk = SimulatedDisk::new(3);
    let shop = Shop::init_with(disk.clone(), SIZES, |builder| {
        builder.archive(archive.clone())
    });
    let mut shop = shop.unwrap();
    disk.ship();
    objects.set_down(true);
    for order in 0..7 {
        shop.run(vec![create(order)]).unwrap();
        shop.store.checkpoint().wait().unwrap();
        disk.ship();
    }
    let waiting = segments(&disk);
    assert!(waiting >= 7, "{waiting}");
    disk.set_free(0);
    shop.run(vec![Command {
        no: fixtures::order_no(1),
        kind: CommandKind::Confirm(Box::new(fixtures::payment(1, 100))),
    }])
    .unwrap();
    shop.store.checkpoint().wait().unwrap_err();
    disk.ship();
    assert!(
        segments(&disk) < waiting - 4,
        "{} of {waiting}",
        segments(&disk)
    );
    disk.set_free(1 << 30);
    objects.set_down(false);
    // The first attempts may still report the full disk.
    let mut attempts = 0..20;
    while shop.store.checkpoint().wait().is_err() {
        assert!(attempts.next().is_some(), "{:?}", shop.store.health());
        disk.run_some_tasks();
    }
    disk.ship();
    disk.ship();
    let stats = shop.store.stats().archive;
    assert_eq!(stats.status, ArchiveStatus::Complete, "{stats:?}");
    let feed = feed_of(&shop.store).unwrap();
    assert_eq!(archive.report().unwrap().gaps, 1);
    let store = restore(&SimulatedDisk::new(4), &archive).unwrap();
    assert_eq!(feed_of(&store).unwrap(), feed);
}

/// The archive is down for an hour of shipments, one each second. The store drops what waits for longer
/// than its limit, and holds no frames in memory.
#[test]
fn hour_without_archive_stays_within_its_bounds() {
    let objects = MemoryArchive::default();
    let (limit, seconds) = (64 << 10, 60 * 60);
    let archive = Archive::new(objects.clone()).lag_max(limit).keep(None);
    let disk = SimulatedDisk::new(6);
    let shop = Shop::init_with(disk.clone(), SIZES, |builder| {
        builder.archive(archive.clone())
    });
    let shop = shop.unwrap();
    disk.ship();
    objects.set_down(true);
    let (mut memory, mut most) = (0, 0);
    for second in 0..seconds {
        let (no, new) = (fixtures::order_no(second), fixtures::new(100));
        let _ = shop.store.create(no, new).wait().unwrap();
        disk.ship();
        memory = memory.max(shop.store.stats().memtable_bytes);
        most = most.max(segments(&disk));
    }
    assert!(matches!(
        shop.store.health(),
        orderstore::Health::ArchiveBehind { .. }
    ));
    let failures = shop.store.stats().archive.failures;
    assert!(failures >= seconds, "{failures} failures");
    // The limit is eight segments. The segments that the B-tree lacks come on top.
    assert!(most <= 8 + 10, "{most} segments");
    assert!(
        memory <= 8 * SIZES.memtable as u64,
        "{memory} bytes in memtables"
    );
}

/// Archive of a shop with a snapshot and frames, and the feed of the shop.
pub(super) fn archived_shop() -> (MemoryArchive, Vec<orderstore::Event>) {
    let objects = MemoryArchive::default();
    let disk = SimulatedDisk::new(5);
    let archive = Archive::new(objects.clone()).in_small_parts();
    let shop = Shop::init_with(disk.clone(), SIZES, |builder| builder.archive(archive));
    let mut shop = shop.unwrap();
    disk.ship();
    for order in 0..5 {
        shop.run(vec![create(order)]).unwrap();
        disk.ship();
    }
    let feed = feed_of(&shop.store).unwrap();
    (objects, feed)
}

#[test]
fn interrupted_restore_can_be_repeated() {
    let (objects, feed) = archived_shop();
    let archive = Archive::new(objects).in_small_parts();
    let disk = SimulatedDisk::new(6);
    disk.snapshot_one_in(1);
    drop(restore(&disk, &archive).unwrap());
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 20, "{}", snapshots.len());
    let mut rng = SeededRng::new(7);
    let mut complete = 0;
    for snapshot in snapshots {
        for loss in Loss::ALL {
            let disk = snapshot.lose_power(loss, rng.next());
            let located = |why| format!("{why}, {loss:?} at call {}", snapshot.call);
            // A directory that opens is complete. Any other one is restored again.
            let opened = Store::builder()
                .simulated(&disk, SIZES)
                .open(restored_dir());
            let store = opened.or_else(|_| restore(&disk, &archive));
            let store = store.map_err(located).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(
                feed_of(&store).unwrap(),
                feed,
                "{loss:?} at call {}",
                snapshot.call
            );
            complete += 1;
        }
    }
    println!("{complete} disks");
}

#[test]
fn restore_with_failing_call_of_storage_can_be_repeated() {
    let (objects, feed) = archived_shop();
    let archive = Archive::new(objects.clone()).in_small_parts();
    let mut failed = 0;
    loop {
        let disk = SimulatedDisk::new(8);
        objects.fail_at(objects.calls() + failed, StorageFault::Fails);
        let Err(why) = restore(&disk, &archive) else {
            break;
        };
        assert!(why.contains("injected fault"), "{why}");
        let store = restore(&disk, &archive).unwrap();
        assert_eq!(feed_of(&store).unwrap(), feed);
        failed += 1;
    }
    assert!(failed > 10, "{failed}");
}
