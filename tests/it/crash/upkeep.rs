//! The power fails, or a call does, in the middle of a backup, a restore or a repair.
//!
//! - What was not finished is never taken for something that was: it is refused by name, and
//!   the same call makes it anew.
//! - Whatever it is made of is as it was.
//! - What was answered is whole, and stays.

use std::path::PathBuf;

use orderstore::testing::{
    DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
};
use orderstore::{Builder, Error, StorageErrorKind, Store};

use super::ledger::Ledger;
use super::rig::{Shop, dir, sizes};
use super::{figure, seeded, told};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Backup,
    Restore,
    Repair,
}

fn at(name: &str) -> PathBuf {
    PathBuf::from(SimulatedDisk::ROOT).join(name)
}

fn builder(disk: &SimulatedDisk, sizes: Sizes) -> Builder {
    Store::builder().simulated(disk, sizes)
}

/// A disk on which a job may begin, and what must be on it.
struct Stage {
    job: Job,
    sizes: Sizes,
    snapshot: Snapshot,
    ledger: Ledger,
}

impl Stage {
    fn set(job: Job, seed: u64, sabotage: Option<FaultInjection>) -> Result<Self, String> {
        let mut dice = SeededRng::new(seed);
        let sizes = sizes(&mut dice);
        let disk = SimulatedDisk::new(seed);
        disk.build_in(sabotage);
        let mut shop = Shop::init(disk, sizes).map_err(|e| format!("init: {e:?}"))?;
        for _ in 0..4 + dice.below(20) {
            shop.step(&mut dice)?;
        }
        if job == Job::Restore {
            shop.store
                .backup(at("backup"))
                .wait()
                .map_err(|e| format!("backup: {e:?}"))?;
        }
        let Shop {
            disk,
            store,
            ledger,
            ..
        } = shop;
        drop(store);
        let snapshot = disk.snapshot();
        Ok(Self {
            job,
            sizes,
            snapshot,
            ledger,
        })
    }

    fn marks(&self) -> (usize, usize) {
        let steps = self.ledger.steps.len();
        (steps + 1, steps)
    }

    /// The stage again, with a fault or without.
    fn again(&self, seed: u64, sabotage: Option<FaultInjection>) -> SimulatedDisk {
        let disk = self.snapshot.kill(seed);
        disk.build_in(sabotage);
        disk
    }

    /// Does the job. `began` is told when it begins.
    fn run(&self, disk: &SimulatedDisk, began: impl FnOnce()) -> Result<Result<(), Error>, String> {
        if self.job != Job::Backup {
            began();
            return Ok(self.call(disk));
        }
        let shop = Shop::recover(disk.clone(), self.sizes, &self.ledger, self.marks())?;
        began();
        Ok(shop.store.backup(at("backup")).wait().map(drop))
    }

    fn call(&self, disk: &SimulatedDisk) -> Result<(), Error> {
        let builder = builder(disk, self.sizes);
        match self.job {
            Job::Backup | Job::Restore => builder.restore(at("backup"), at("new")).map(drop),
            Job::Repair => builder.repair(dir(), at("new")).map(drop),
        }
    }

    /// Looks at what a crash or a fault left. Where the job was answered, all of it is there.
    /// Whether it was finished.
    fn check(&self, disk: &SimulatedDisk, is_answered: bool) -> Result<bool, String> {
        match self.job {
            Job::Backup => self.check_backup(disk, is_answered),
            Job::Restore | Job::Repair => self.check_store(disk, is_answered),
        }
    }

    fn check_backup(&self, disk: &SimulatedDisk, is_answered: bool) -> Result<bool, String> {
        let shop = Shop::recover(disk.clone(), self.sizes, &self.ledger, self.marks())?;
        let restored = self.call(disk);
        let is_finished = restored.is_ok();
        if let Err(error) = restored {
            self.is_allowed(&error, is_answered)?;
            let again = shop.store.backup(at("backup")).wait();
            again.map_err(|e| format!("the backup is not made again: {e:?}"))?;
            self.call(disk)
                .map_err(|e| format!("it is no backup: {e:?}"))?;
        }
        drop(shop);
        self.is_whole(disk)?;
        Ok(is_finished)
    }

    fn check_store(&self, disk: &SimulatedDisk, is_answered: bool) -> Result<bool, String> {
        let opened = builder(disk, self.sizes).open(at("new"));
        let is_finished = opened.is_ok();
        match opened {
            Ok(store) => drop(store),
            Err(error) => {
                self.is_allowed(&error, is_answered)?;
                let again = self.call(disk);
                again.map_err(|e| format!("it is not made again: {e:?}"))?;
            }
        }
        if self.job == Job::Restore {
            let other = builder(disk, self.sizes).restore(at("backup"), at("other"));
            let _ = other.map_err(|e| format!("the backup was harmed: {e:?}"))?;
        }
        self.is_whole(disk)?;
        // What it was made of.
        Shop::recover(disk.clone(), self.sizes, &self.ledger, self.marks())?.verify()?;
        Ok(is_finished)
    }

    /// What may be where nothing was finished.
    fn is_allowed(&self, error: &Error, is_answered: bool) -> Result<(), String> {
        if is_answered {
            return Err(format!("I1: it was answered and is gone: {error:?}"));
        }
        match error {
            Error::Missing { .. }
            | Error::Empty { .. }
            | Error::Unfinished { .. }
            | Error::Incomplete { .. } => Ok(()),
            Error::NotABackup { .. } if self.job == Job::Backup => Ok(()),
            error => Err(format!(
                "something unfinished is taken for a backup or a store: {error:?}"
            )),
        }
    }

    /// The store in `new` holds all that was sent, and goes on.
    fn is_whole(&self, disk: &SimulatedDisk) -> Result<(), String> {
        let opened = builder(disk, self.sizes).open_verified(at("new"));
        let store = opened.map_err(|error| format!("new: {error:?}"))?;
        let held = self.ledger.held_by(&store, 0)?;
        let last = self.ledger.truncated(held);
        if last.model().feed() != self.ledger.model().feed() {
            return Err(format!(
                "I1: only {held} steps of {}",
                self.ledger.steps.len()
            ));
        }
        let no = store.next_order_no().wait().map_err(|e| format!("{e:?}"))?;
        if self.ledger.numbers().contains(&no.as_str()[16..]) {
            return Err(format!("{no} was handed out before"));
        }
        Ok(())
    }
}

/// How many disks were looked at: on so many the job was finished, on so many it was not.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    finished: usize,
    unfinished: usize,
}

/// The power fails somewhere in a job, or behind it.
pub(crate) fn power_loss(
    job: Job,
    seed: u64,
    sabotage: Option<FaultInjection>,
) -> Result<Seen, String> {
    let stage = Stage::set(job, seed, sabotage)?;
    let mut dice = SeededRng::new(seed);
    let disk = stage.again(seed, sabotage);
    let answer = stage.run(&disk, || disk.sample(1 + dice.below(8)))?;
    answer.map_err(|error| format!("{job:?}: {error:?}"))?;
    let answered_at = disk.calls();
    disk.sample(0);
    let mut snapshots = disk.take_snapshots();
    snapshots.push(disk.snapshot());
    let mut seen = Seen::default();
    for snapshot in snapshots {
        // The last call may be the end of the store, behind the answer.
        let is_answered = snapshot.call >= answered_at;
        let loss = Loss::ALL[dice.below(Loss::ALL.len())];
        let image = match dice.below(7) {
            0 => snapshot.kill(dice.next()),
            _ => snapshot.lose_power(loss, dice.next()),
        };
        let is_finished = stage
            .check(&image, is_answered)
            .map_err(|why| format!("{why}\n{job:?}, {loss:?} at call {}", snapshot.call))?;
        seen.finished += usize::from(is_finished);
        seen.unfinished += usize::from(!is_finished);
    }
    Ok(seen)
}

/// Every call of a job fails in every way. How many runs that were.
fn io_error(job: Job, seed: u64) -> Result<usize, String> {
    let stage = Stage::set(job, seed, None)?;
    let whole = stage.again(seed, None);
    let mut first = 0;
    let answer = stage.run(&whole, || first = whole.calls())?;
    answer.map_err(|error| format!("{job:?}: {error:?}"))?;
    let (mut dice, mut runs) = (SeededRng::new(seed), 0);
    for call in first + 1..=whole.calls() {
        let fault = DiskFault::ALL[dice.below(DiskFault::ALL.len())];
        for for_good in [false, true] {
            let disk = stage.again(seed, None);
            let answer = stage.run(&disk, || disk.fail(call, fault, for_good))?;
            disk.heal();
            let left = disk.snapshot();
            let image = match dice.below(3) {
                0 => left.kill(dice.next()),
                1 => left.lose_power(Loss::DropAll, dice.next()),
                _ => left.lose_power(Loss::TornSectors, dice.next()),
            };
            stage.check(&image, answer.is_ok()).map_err(|why| {
                format!(
                    "{why}\n{job:?}, {fault:?} at call {call}, for good: {for_good}; {answer:?}"
                )
            })?;
            runs += 1;
        }
    }
    Ok(runs)
}

fn power_losses(what: &str, job: Job) {
    let mut all = Seen::default();
    seeded(what, figure("UPKEEP_RUNS", 12), |seed| {
        let seen = power_loss(job, seed, None)?;
        all.finished += seen.finished;
        all.unfinished += seen.unfinished;
        Ok(1)
    });
    println!("{all:?}");
    // It would be blind if the power always failed too early, or too late.
    assert!(all.finished > 0 && all.unfinished > 0, "{all:?}");
}

fn io_errors(what: &str, job: Job) {
    let runs = figure("UPKEEP_RUNS", 12_u64).div_ceil(6);
    let seeds = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 1..=runs,
    };
    let runs: usize = seeds
        .map(|seed| told(what, seed, || io_error(job, seed)))
        .sum();
    println!("{runs} runs");
}

#[test]
fn power_loss_leaves_a_whole_backup_or_none_and_the_store_as_it_was() {
    power_losses("power_loss_leaves_a_whole_backup", Job::Backup);
}

#[test]
fn power_loss_leaves_a_restored_store_or_none_and_the_backup_as_it_was() {
    power_losses("power_loss_leaves_a_restored", Job::Restore);
}

#[test]
fn power_loss_leaves_a_repaired_store_or_none_and_the_old_one_as_it_was() {
    power_losses("power_loss_leaves_a_repaired", Job::Repair);
}

#[test]
fn io_error_at_every_call_of_a_backup_leaves_a_whole_one_or_none() {
    io_errors("io_error_at_every_call_of_a_backup", Job::Backup);
}

#[test]
fn io_error_at_every_call_of_a_restore_leaves_a_whole_store_or_none() {
    io_errors("io_error_at_every_call_of_a_restore", Job::Restore);
}

#[test]
fn io_error_at_every_call_of_a_repair_leaves_a_whole_store_or_none() {
    io_errors("io_error_at_every_call_of_a_repair", Job::Repair);
}

#[test]
fn a_backup_for_which_there_is_no_room_is_not_begun() {
    let stage = Stage::set(Job::Backup, 5, None).unwrap();
    let disk = stage.again(5, None);
    let shop = Shop::recover(disk.clone(), stage.sizes, &stage.ledger, stage.marks()).unwrap();
    let base = dir().join("base.redb");
    let files = disk.files();
    let (_, len) = files.iter().find(|(path, _)| *path == base).unwrap();
    disk.set_free((8 << 20) + *len as u64 - 1);
    let error = shop.store.backup(at("backup")).wait().unwrap_err();
    assert!(
        matches!(&error, Error::NotBackedUp { source, .. }
        if source.kind() == StorageErrorKind::DiskFull),
        "{error:?}"
    );
    assert!(error.is_retryable());
    disk.set_free(u64::MAX);
    shop.store.backup(at("backup")).wait().unwrap();
}
