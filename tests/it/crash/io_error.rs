//! Disk calls that fail: a single call, or a call and all after it. Then the disk works again, and
//! the store is reopened, with and without a power loss.
//!
//! - Errors are correct (I14). A refused command is not in the store. A command with an unknown
//!   outcome may be in the store, and the store refuses every command after it.
//! - Everything that a reader ever saw stays (I13).

use orderstore::testing::{DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Snapshot};
use orderstore::{Command, Error};

use super::ledger::Ledger;
use super::rig::{Dirs, Heard, Setting, Shop, any_command, sizes};
use super::{figure, run_and_report_seed};

/// Result of a run with a fault.
enum Run {
    /// The fault prevented the creation of the store.
    Unmade,
    Made(Box<Shop>),
}

const STEPS: usize = 10;

fn run(seed: u64, setting: Setting, disk: &SimulatedDisk) -> Result<Run, String> {
    let mut rng = SeededRng::new(seed);
    let Ok(mut shop) = Shop::init(disk.clone(), setting) else {
        return Ok(Run::Unmade);
    };
    for step in 0..STEPS {
        disk.run_some_tasks();
        if step == STEPS / 2 {
            // Ignore a failed checkpoint, because it does not affect acknowledged commands.
            drop(shop.store.checkpoint().wait());
        }
        let count = 1 + rng.below(2);
        let commands = (0..count).map(|_| any_command(&mut rng)).collect();
        if send_and_check(&mut shop, commands)? {
            break;
        }
    }
    Ok(Run::Made(Box::new(shop)))
}

/// Sends commands to the store, checks the replies, and returns whether the outcome is unknown.
fn send_and_check(shop: &mut Shop, commands: Vec<Command>) -> Result<bool, String> {
    let before = shop.ledger.steps.len();
    let (expected, replies) = shop.send(commands);
    let failed: Vec<&Error> = replies
        .iter()
        .filter_map(|reply| reply.as_ref().err())
        .collect();
    if failed.is_empty() {
        let actual: Vec<&Heard> = replies.iter().flatten().collect();
        if !actual.iter().copied().eq(&expected) {
            return Err(format!("I4: {replies:?} instead of {expected:?}"));
        }
        shop.disk.mark(before + 2, before + 1);
        return Ok(false);
    }
    if failed.len() < replies.len() {
        return Err(format!("I3: only a part of one group failed: {replies:?}"));
    }
    if failed.iter().any(|error| error.is_outcome_unknown()) {
        return refuses_from_now_on(shop).map(|()| true);
    }
    shop.take_back();
    Ok(false)
}

/// Checks I15: after a write with an unknown outcome, the store refuses every further command.
fn refuses_from_now_on(shop: &mut Shop) -> Result<(), String> {
    let (marks, steps) = (shop.ledger.steps.len(), shop.ledger.clone());
    let mut rng = SeededRng::new(7);
    for _ in 0..3 {
        let (_, replies) = shop.send(vec![any_command(&mut rng)]);
        shop.ledger = steps.clone();
        if !replies
            .iter()
            .all(|reply| matches!(reply, Err(Error::Poisoned(_))))
        {
            return Err(format!("I15: {replies:?} after a write that failed"));
        }
    }
    shop.disk.mark(marks, marks);
    Ok(())
}

/// Reopens the store after its fault, on a disk that works again.
fn after(
    run: Run,
    disk: &SimulatedDisk,
    setting: Setting,
    rng: &mut SeededRng,
) -> Result<(), String> {
    disk.heal();
    let (ledger, seen, sent) = match run {
        Run::Unmade => (Ledger::default(), 0, 0),
        Run::Made(shop) => {
            // Remember what readers see now: it must stay, and reads must work after every kind of
            // failure.
            let seen = seen(&shop).map_err(|why| format!("I14: a read failed: {why}"))?;
            let acknowledged = disk.snapshot().marks.0;
            let sent = shop.ledger.steps.len();
            let Shop { store, ledger, .. } = *shop;
            let before = disk.snapshot();
            let marks = (acknowledged.max(seen), sent);
            check_power_loss(&before, &ledger, marks, setting, rng).map_err(|why| {
                let is_seen = seen > acknowledged && why.contains("I1:");
                let was = if is_seen {
                    "I13: a reader had seen it; "
                } else {
                    ""
                };
                format!("{was}{why}")
            })?;
            drop(store);
            (ledger, acknowledged.max(seen), sent)
        }
    };
    let before = disk.snapshot();
    let marks = (seen, sent);
    check_power_loss(&before, &ledger, marks, setting, rng)?;
    // Reopen the store on the same machine and read it. A power loss after that must lose nothing.
    let again = Shop::recover(before.kill(rng.next()), setting, &ledger, marks)?;
    let held = again.ledger.clone();
    let marks = (held.steps.len() + 1, held.steps.len());
    check_power_loss(&again.disk.snapshot(), &held, marks, setting, rng)?;
    again.verify()?;
    drop(again);
    Ok(())
}

/// Returns a mark for the simulated disk: the number of steps that a reader can see, plus 1.
fn seen(shop: &Shop) -> Result<usize, String> {
    Ok(shop.ledger.held_by(&shop.store, 0)? + 1)
}

/// Checks that the store recovers after two kinds of power loss.
fn check_power_loss(
    before: &Snapshot,
    ledger: &Ledger,
    marks: (usize, usize),
    setting: Setting,
    rng: &mut SeededRng,
) -> Result<(), String> {
    for loss in [Loss::DropAll, Loss::TornSectors] {
        let image = before.lose_power(loss, rng.next());
        Shop::recover(image, setting, ledger, marks)
            .and_then(|shop| shop.verify())
            .map_err(|why| format!("{why}\nafter {loss:?}"))?;
    }
    Ok(())
}

/// Runs a workload once for each disk call and each kind of fault. Returns the number of runs.
pub(crate) fn workload(seed: u64, injected: Option<FaultInjection>) -> Result<usize, String> {
    workload_in(Dirs::One, seed, injected, 1)
}

/// Runs a workload once for each kind of fault, at one in about `step` disk calls. With a step of 2
/// or more, the seed selects the calls.
fn workload_in(
    dirs: Dirs,
    seed: u64,
    injected: Option<FaultInjection>,
    step: usize,
) -> Result<usize, String> {
    let mut rng = SeededRng::new(seed);
    let sizes = sizes(&mut rng);
    let setting = Setting { sizes, dirs };
    let whole = SimulatedDisk::new(seed);
    whole.inject_fault(injected);
    drop(run(seed, setting, &whole)?);
    let (mut runs, mut call) = (0, 1);
    while call <= whole.calls() {
        for fault in DiskFault::ALL {
            for for_good in [false, true] {
                let disk = SimulatedDisk::new(seed);
                disk.inject_fault(injected);
                disk.fail(call, fault, for_good);
                run(seed, setting, &disk)
                    .and_then(|run| after(run, &disk, setting, &mut rng))
                    .map_err(|why| {
                        let how = if for_good { "for good" } else { "once" };
                        format!("{why}\n{fault:?} at call {call}, {how}")
                    })?;
                runs += 1;
            }
        }
        call += match step {
            1 => 1,
            step => 1 + rng.below(2 * step - 1) as u64,
        };
    }
    Ok(runs)
}

#[test]
fn io_error_at_every_call_is_reported_correctly() {
    let seeds = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 1..=figure("IO_ERROR_WORKLOADS", 20),
    };
    let runs: usize = seeds
        .map(|seed| run_and_report_seed("io_error_at", seed, || workload(seed, None)))
        .sum();
    println!("{runs} runs");
}

#[test]
fn io_error_in_mirrored_store_is_reported_correctly() {
    let step = figure("MIRROR_IO_ERROR_STEP", 24);
    let runs: usize = [Dirs::Mirrored, Dirs::Required]
        .into_iter()
        .map(|dirs| {
            run_and_report_seed("io_error_in_mirrored", 1, || {
                workload_in(dirs, 1, None, step).map_err(|why| format!("{why}, {dirs:?}"))
            })
        })
        .sum();
    println!("{runs} runs");
}
