//! Power losses and failures of one of the two directories of a mirrored store.

use std::path::{Path, PathBuf};

use orderstore::testing::{
    DiskFault, FaultInjection, Loss, ManualClock, SeededRng, SimulatedDisk, Sizes, Snapshot,
    fixtures,
};
use orderstore::{Command, CommandKind, Health, MirrorStatus, OpenError};

use super::ledger::Ledger;
use super::power_loss::{snapshots_of, workloads};
use super::rig::{Dirs, Setting, Shop, dir, mirror_dir, open, sizes};
use super::{figure, run_and_report_seed};

const SMALL: Setting = Setting {
    sizes: Sizes {
        memtable: 1024,
        segment: 8192,
    },
    dirs: Dirs::Mirrored,
};

/// Removes a directory and everything in it durably.
fn remove_dir(disk: &SimulatedDisk, dir: &Path) {
    for (path, _) in disk.files() {
        if path.starts_with(dir) {
            disk.remove(&path);
        }
    }
    disk.remove(&dir.join("journal"));
    disk.remove(dir);
}

/// Accepts the remaining directory if the store demands that.
fn accept_if_needed(disk: &SimulatedDisk, setting: Setting) -> Result<(), String> {
    let builder = || setting.builder(disk);
    let Err(OpenError::MirrorMissing { dir: kept, .. }) = builder().open(dir()) else {
        return Ok(());
    };
    let accepted = builder().accept_one_side(kept);
    let accepted = accepted.map(drop);
    accepted.map_err(|error| format!("the remaining directory was not accepted: {error:?}"))
}

/// Opens the disk after the loss of a directory, and checks that it holds every acknowledged step.
fn check_without(
    lost: Option<PathBuf>,
    disk: SimulatedDisk,
    sent: &Ledger,
    marks: (usize, usize),
) -> Result<(), String> {
    if let Some(lost) = &lost {
        remove_dir(&disk, lost);
        accept_if_needed(&disk, SMALL)?;
    }
    let shop = Shop::recover(disk, SMALL, sent, marks)?;
    match shop.store.stats().mirror {
        MirrorStatus::Complete => shop.verify(),
        status => Err(format!("the mirror is {status:?}")),
    }
}

/// Simulates every kind of crash at every disk call of one workload, each with the loss of one
/// directory or of none. Returns the number of checked disks.
fn crash_at_every_call(
    place: usize,
    workload: &[Command],
    injected: Option<FaultInjection>,
) -> Result<usize, String> {
    let (ledger, snapshots) = snapshots_of(place, workload, SMALL, injected)?;
    let mut images = 0;
    let mut rng = SeededRng::new(place as u64);
    for snapshot in snapshots {
        let check = |image: SimulatedDisk, lost: Option<PathBuf>, how: &str| {
            image.inject_fault(injected);
            let checked = check_without(lost.clone(), image, &ledger, snapshot.marks);
            checked.map_err(|why| {
                format!(
                    "{why}\nafter {how} at call {}, without {lost:?}",
                    snapshot.call
                )
            })
        };
        for _ in 0..figure("MIRROR_IMAGES", 2) {
            let lost = match rng.below(3) {
                0 => None,
                1 => Some(dir()),
                _ => Some(mirror_dir()),
            };
            match rng.below(Loss::ALL.len() + 1) {
                0 => check(snapshot.kill(1), lost, "a kill")?,
                loss => {
                    let loss = Loss::ALL[loss - 1];
                    let image = snapshot.lose_power(loss, rng.next());
                    check(image, lost, &format!("{loss:?}"))?;
                }
            }
            images += 1;
        }
    }
    Ok(images)
}

/// Opens the main directory without the mirror after a kill. If that succeeds, runs one more command,
/// and checks that an open with both directories still finds it.
fn check_with_mirror_away(snapshot: &Snapshot, sent: &Ledger) -> Result<bool, String> {
    let disk = snapshot.kill(3);
    let alone = Setting {
        dirs: Dirs::One,
        ..SMALL
    };
    match alone.builder(&disk).open(dir()) {
        Ok(store) => drop(store),
        Err(_) => return Ok(false),
    }
    let mut shop = Shop::recover(disk.clone(), alone, sent, snapshot.marks)?;
    let create = CommandKind::Create(Box::new(fixtures::new(100)));
    let no = fixtures::order_no(3);
    shop.run(vec![Command { no, kind: create }])?;
    let Shop { store, ledger, .. } = shop;
    drop(store);
    let steps = ledger.steps.len();
    Shop::recover(disk, SMALL, &ledger, (steps + 1, steps))?.verify()?;
    Ok(true)
}

#[test]
fn command_of_one_directory_survives_return_of_other_after_any_kill() {
    let disk = SimulatedDisk::new(1);
    disk.snapshot_one_in(1);
    let shop = Shop::init(disk.clone(), SMALL).unwrap();
    let Shop { store, ledger, .. } = shop;
    drop(store);
    let mut opened = 0;
    for snapshot in disk.take_snapshots() {
        let checked = check_with_mirror_away(&snapshot, &ledger);
        let why = |why| format!("{why}\nafter a kill at call {}", snapshot.call);
        opened += usize::from(checked.map_err(why).unwrap());
    }
    assert!(opened > 0, "the main directory never opened alone");
}

#[test]
fn interrupted_acceptance_can_be_repeated() {
    let mut rng = SeededRng::new(1);
    let disk = SimulatedDisk::new(1);
    let mut shop = Shop::init(disk.clone(), SMALL).unwrap();
    for workload in workloads(2) {
        shop.run(workload).unwrap();
    }
    let Shop { store, ledger, .. } = shop;
    drop(store);
    remove_dir(&disk, &dir());
    disk.snapshot_one_in(1);
    let accept = |disk: &SimulatedDisk| SMALL.builder(disk).accept_one_side(mirror_dir());
    let _ = accept(&disk).unwrap();
    let steps = ledger.steps.len();
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 20);
    for snapshot in snapshots {
        for loss in Loss::ALL {
            let disk = snapshot.lose_power(loss, rng.next());
            match accept(&disk) {
                // The crash came after the last step.
                Ok(_) | Err(OpenError::NotMirrored { .. }) => {}
                Err(error) => panic!("{error:?}, {loss:?} at call {}", snapshot.call),
            }
            let shop = Shop::recover(disk, SMALL, &ledger, (steps + 1, steps));
            let checked = shop.and_then(|shop| shop.verify());
            checked.unwrap_or_else(|why| panic!("{why}, {loss:?} at call {}", snapshot.call));
        }
    }
}

/// Interrupts the acceptance of a directory at every call. Then opens both directories, which must
/// be refused as a conflict once the acceptance has begun. `is_repeated`: whether the acceptance is
/// repeated first. Returns the number of conflicts.
fn interrupt_acceptance(before: &Snapshot, accepted: &Path, is_repeated: bool) -> usize {
    let disk = before.kill(1);
    disk.snapshot_one_in(1);
    let accept = |disk: &SimulatedDisk| SMALL.builder(disk).accept_one_side(accepted);
    let _ = accept(&disk).unwrap();
    let mut conflicts = 0;
    for snapshot in disk.take_snapshots() {
        let disk = snapshot.kill(2);
        if is_repeated {
            let repeated = accept(&disk);
            let is_done = matches!(repeated, Ok(_) | Err(OpenError::NotMirrored { .. }));
            assert!(is_done, "{repeated:?} at call {}", snapshot.call);
        }
        match SMALL.builder(&disk).open(dir()) {
            Ok(_) if !is_repeated && conflicts == 0 => {}
            Err(OpenError::MirrorConflict { .. }) => conflicts += 1,
            other => panic!("{other:?} at call {}", snapshot.call),
        }
    }
    conflicts
}

#[test]
fn acceptance_of_stale_directory_never_replaces_newer_one() {
    let disk = SimulatedDisk::new(1);
    let mut shop = Shop::init(disk.clone(), SMALL).unwrap();
    for workload in workloads(1) {
        shop.run(workload).unwrap();
    }
    disk.fail_in(&mirror_dir(), disk.calls() + 1, DiskFault::Io, true);
    for n in 2..5 {
        let kind = CommandKind::Create(Box::new(fixtures::new(100)));
        let no = fixtures::order_no(n);
        shop.run(vec![Command { no, kind }]).unwrap();
    }
    let Shop { store, .. } = shop;
    let _ = store.shutdown().wait();
    drop(store);
    disk.heal();
    // The main directory is alone now. Somebody accepts the stale mirror without it.
    let before = disk.snapshot();
    for is_repeated in [false, true] {
        let conflicts = interrupt_acceptance(&before, &mirror_dir(), is_repeated);
        assert!(conflicts > 0, "repeated: {is_repeated}");
    }
}

#[test]
fn mirror_test_finds_reply_before_mirror_is_synced() {
    let injected = Some(FaultInjection::AnswerBeforeMirror);
    let found = workloads(1)
        .iter()
        .enumerate()
        .find_map(|(place, workload)| crash_at_every_call(place, workload, injected).err());
    let why = found.expect("the fault was not found");
    assert!(why.contains("I1:"), "{why}");
}

#[test]
fn mirror_test_finds_that_longer_side_wins() {
    let injected = Some(FaultInjection::LetLongerSideWin);
    let fails = |seed| {
        fail_one(
            seed,
            &mirror_dir(),
            Some((1, DiskFault::ALL[0], true)),
            injected,
        )
    };
    let why = (1..20).find_map(|seed| fails(seed).err());
    let why = why.expect("the fault was not found");
    assert!(why.contains("I1:"), "{why}");
}

#[test]
fn crash_and_loss_of_either_directory_lose_nothing() {
    let mut images = 0;
    for len in 0..=figure("MIRROR_COMMANDS", 1) {
        for (place, workload) in workloads(len).iter().enumerate() {
            images += run_and_report_seed("crash_and_loss_of_either", place as u64, || {
                crash_at_every_call(place, workload, None)
            });
        }
    }
    println!("checked {images} disks");
}

/// Runs random steps while one directory fails from a call on, for good or once. Checks that the
/// store serves every command, and what a later open finds. Returns the number of disk calls. `injected`
/// is a fault of the store that opens both directories later.
fn fail_one(
    seed: u64,
    failing: &Path,
    at: Option<(u64, DiskFault, bool)>,
    injected: Option<FaultInjection>,
) -> Result<u64, String> {
    let mut rng = SeededRng::new(seed);
    let setting = Setting {
        sizes: sizes(&mut rng),
        dirs: Dirs::Mirrored,
    };
    let disk = SimulatedDisk::new(seed);
    let mut shop = Shop::init(disk.clone(), setting).map_err(|error| format!("{error:?}"))?;
    let begun = disk.calls();
    if let Some((after, fault, for_good)) = at {
        disk.fail_in(failing, begun + after, fault, for_good);
    }
    for _ in 0..12 {
        shop.step(&mut rng)?;
    }
    let calls = disk.calls() - begun;
    let is_unmirrored = shop.store.stats().mirror != MirrorStatus::Complete;
    let health = shop.store.health();
    if is_unmirrored && !matches!(health, Health::Unmirrored { cause: Some(_) }) {
        return Err(format!("the health is {health:?}"));
    }
    shop.verify()?;
    let Shop { store, ledger, .. } = shop;
    // The failing directory may make the shutdown fail. That loses nothing.
    let _ = store.shutdown().wait();
    drop(store);
    disk.heal();
    let steps = ledger.steps.len();
    let marks = (steps + 1, steps);
    let survivor = disk.snapshot();
    // The failed directory returns as it is.
    let disk = survivor.kill(1);
    disk.inject_fault(injected);
    Shop::recover(disk, setting, &ledger, marks)?.verify()?;
    // The failed directory is lost.
    let disk = survivor.kill(2);
    remove_dir(&disk, failing);
    accept_if_needed(&disk, setting)?;
    Shop::recover(disk, setting, &ledger, marks)?.verify()?;
    // The working directory is lost. The other one opens only if somebody accepts what it holds.
    let disk = survivor.kill(3);
    let (working, kept) = if failing == dir() {
        (mirror_dir(), dir())
    } else {
        (dir(), mirror_dir())
    };
    remove_dir(&disk, &working);
    let opened = setting.builder(&disk).open(dir());
    match opened {
        Err(OpenError::MirrorMissing { .. }) => {}
        other => return Err(format!("the stale directory was opened: {other:?}")),
    }
    let accepted = setting.builder(&disk).accept_one_side(kept);
    let accepted = accepted.map_err(|error| format!("not accepted: {error:?}"))?;
    let store = open(&disk, &ManualClock::default(), setting, false);
    let store = store.map_err(|error| format!("the accepted store does not open: {error:?}"))?;
    ledger.held_by(&store, 0)?;
    let verified = store
        .verify()
        .wait()
        .map_err(|error| format!("{error:?}"))?;
    if !verified.is_ok() || accepted.place.incarnation == accepted.before.incarnation {
        return Err(format!(
            "the accepted store is wrong: {verified:?}, {accepted:?}"
        ));
    }
    Ok(calls)
}

#[test]
fn failing_directory_stops_no_command_and_loses_none() {
    let mut runs = 0;
    for seed in (1_u64..).take(figure("MIRROR_WORKLOADS", 3)) {
        for failing in [dir(), mirror_dir()] {
            let calls = fail_one(seed, &failing, None, None).unwrap();
            let mut rng = SeededRng::new(seed);
            let mut after = 1 + rng.below(7) as u64;
            while after < calls {
                for fault in DiskFault::ALL {
                    for for_good in [false, true] {
                        run_and_report_seed("failing_directory", seed, || {
                            fail_one(seed, &failing, Some((after, fault, for_good)), None)
                                .map(|_| 1)
                                .map_err(|why| {
                                    format!("{why}\n{fault:?} at {after}, for good: {for_good}")
                                })
                        });
                        runs += 1;
                    }
                }
                after += 1 + rng.below(23) as u64;
            }
        }
    }
    println!("{runs} runs");
}

/// Opens a store while one directory fails at a call. If the store opens, it gets a command. Then the
/// directory works again, and nothing may be missing. Returns the number of disk calls of the open.
fn open_with_fault(
    before: &Snapshot,
    setting: Setting,
    sent: &Ledger,
    failing: &Path,
    at: Option<(u64, DiskFault, bool)>,
) -> Result<u64, String> {
    let disk = before.kill(1);
    if let Some((after, fault, for_good)) = at {
        disk.fail_in(failing, disk.calls() + after, fault, for_good);
    }
    let begun = disk.calls();
    let steps = sent.steps.len();
    let mut marks = (steps + 1, steps);
    let mut ledger = sent.clone();
    // A directory that fails may keep the store from being opened.
    if let Ok(mut shop) = Shop::recover(disk.clone(), setting, sent, marks) {
        let create = CommandKind::Create(Box::new(fixtures::new(100)));
        let no = fixtures::order_no(5);
        let (_, replies) = shop.send(vec![Command { no, kind: create }]);
        let is_acknowledged = replies.iter().all(Result::is_ok);
        if at.is_none() && !is_acknowledged {
            return Err(format!("a command failed: {replies:?}"));
        }
        marks = (steps + 1 + usize::from(is_acknowledged), steps + 1);
        let Shop {
            store, ledger: own, ..
        } = shop;
        ledger = own;
        drop(store);
    } else if at.is_none() {
        return Err("the store does not open".to_owned());
    }
    let calls = disk.calls() - begun;
    disk.heal();
    Shop::recover(disk.snapshot().kill(2), setting, &ledger, marks)?.verify()?;
    Ok(calls)
}

/// Runs [`open_with_fault`] at calls that the seed selects.
fn open_with_faults(before: &Snapshot, setting: Setting, sent: &Ledger) -> Result<usize, String> {
    let mut rng = SeededRng::new(1);
    let mut runs = 0;
    for failing in [dir(), mirror_dir()] {
        let calls = open_with_fault(before, setting, sent, &failing, None)?;
        let mut after = 1;
        while after <= calls {
            for fault in DiskFault::ALL {
                let at = Some((after, fault, rng.one_in(2)));
                let run = open_with_fault(before, setting, sent, &failing, at);
                run.map_err(|why| format!("{why}\n{failing:?}, {at:?}"))?;
                runs += 1;
            }
            after += 1 + rng.below(figure("MIRROR_OPEN_STEP", 4)) as u64;
        }
    }
    Ok(runs)
}

#[test]
fn directory_that_fails_during_open_or_fill_loses_nothing() {
    let mut runs = 0;
    for dirs in [Dirs::Mirrored, Dirs::Required] {
        let setting = Setting { dirs, ..SMALL };
        let disk = SimulatedDisk::new(1);
        let mut shop = Shop::init(disk.clone(), setting).unwrap();
        for workload in workloads(1) {
            shop.run(workload).unwrap();
        }
        // As after a kill: the journal holds frames, and the B-trees may differ.
        let killed = disk.snapshot();
        let Shop { store, ledger, .. } = shop;
        drop(store);
        runs += open_with_faults(&killed, setting, &ledger).unwrap();
        // The mirror is lost, so the open fills a new one.
        remove_dir(&disk, &mirror_dir());
        accept_if_needed(&disk, setting).unwrap();
        runs += open_with_faults(&disk.snapshot(), setting, &ledger).unwrap();
    }
    println!("{runs} runs");
}
