//! One call to the disk fails, or all from one on; then the disk is well again, and the
//! store opened anew: in the same machine, and behind a power loss.
//!
//! - An error says what it means (I14): what was refused is not there, what is unknown is
//!   there or not, and behind an unknown one all is refused.
//! - What was ever to be seen is there for good (I13).

use orderstore::testing::{
    DiskFault, FaultInjection, Loss, SeededRng, SimulatedDisk, Sizes, Snapshot,
};
use orderstore::{Command, Error};

use super::ledger::Ledger;
use super::rig::{Heard, Shop, any_command, sizes};
use super::{figure, told};

/// What a run with a fault in it came to.
enum Run {
    /// The store could not be made.
    Unmade,
    Made(Box<Shop>),
}

const STEPS: usize = 10;

fn run(seed: u64, sizes: Sizes, disk: &SimulatedDisk) -> Result<Run, String> {
    let mut dice = SeededRng::new(seed);
    let Ok(mut shop) = Shop::init(disk.clone(), sizes) else {
        return Ok(Run::Unmade);
    };
    for step in 0..STEPS {
        disk.breathe();
        if step == STEPS / 2 {
            // It may fail, and says nothing of what was answered.
            drop(shop.store.flush().wait());
        }
        let count = 1 + dice.below(2);
        let commands = (0..count).map(|_| any_command(&mut dice)).collect();
        if hear(&mut shop, commands)? {
            break;
        }
    }
    Ok(Run::Made(Box::new(shop)))
}

/// Sends commands. Whether their outcome is not known.
fn hear(shop: &mut Shop, commands: Vec<Command>) -> Result<bool, String> {
    let before = shop.ledger.steps.len();
    let (expected, heard) = shop.send(commands);
    let failed: Vec<&Error> = heard
        .iter()
        .filter_map(|said| said.as_ref().err())
        .collect();
    if failed.is_empty() {
        let said: Vec<&Heard> = heard.iter().flatten().collect();
        if !said.iter().copied().eq(&expected) {
            return Err(format!("I4: {heard:?} for {expected:?}"));
        }
        shop.disk.mark(before + 2, before + 1);
        return Ok(false);
    }
    if failed.len() < heard.len() {
        return Err(format!("I3: of one group some failed: {heard:?}"));
    }
    if failed.iter().any(|error| error.is_outcome_unknown()) {
        return refuses_from_now_on(shop).map(|()| true);
    }
    shop.take_back();
    Ok(false)
}

/// I15: behind a write that failed midway no other is taken.
fn refuses_from_now_on(shop: &mut Shop) -> Result<(), String> {
    let (marks, steps) = (shop.ledger.steps.len(), shop.ledger.clone());
    let mut dice = SeededRng::new(7);
    for _ in 0..3 {
        let (_, heard) = shop.send(vec![any_command(&mut dice)]);
        shop.ledger = steps.clone();
        if !heard
            .iter()
            .all(|said| matches!(said, Err(Error::Poisoned(_))))
        {
            return Err(format!("I15: {heard:?} behind a write that failed"));
        }
    }
    shop.disk.mark(marks, marks);
    Ok(())
}

/// The store behind its fault: the disk is well again.
fn after(run: Run, disk: &SimulatedDisk, sizes: Sizes, dice: &mut SeededRng) -> Result<(), String> {
    disk.heal();
    let (ledger, seen, sent) = match run {
        Run::Unmade => (Ledger::default(), 0, 0),
        Run::Made(shop) => {
            // What is to be seen now must stay; and it is to be seen, whatever failed.
            let seen = seen(&shop).map_err(|why| format!("I14: reads end: {why}"))?;
            let acknowledged = disk.snapshot().marks.0;
            let sent = shop.ledger.steps.len();
            let Shop { store, ledger, .. } = *shop;
            let before = disk.snapshot();
            let marks = (acknowledged.max(seen), sent);
            lose(&before, &ledger, marks, sizes, dice).map_err(|why| {
                let is_seen = seen > acknowledged && why.contains("I1:");
                let was = if is_seen {
                    "I13: it was to be seen; "
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
    lose(&before, &ledger, marks, sizes, dice)?;
    // In the same machine: opened, answered from, and then the power fails.
    let again = Shop::recover(before.kill(dice.next()), sizes, &ledger, marks)?;
    let held = again.ledger.clone();
    let marks = (held.steps.len() + 1, held.steps.len());
    lose(&again.disk.snapshot(), &held, marks, sizes, dice)?;
    again.verify()?;
    drop(again);
    Ok(())
}

/// One more than the steps that are to be seen.
fn seen(shop: &Shop) -> Result<usize, String> {
    Ok(shop.ledger.held_by(&shop.store, 0)? + 1)
}

fn lose(
    before: &Snapshot,
    ledger: &Ledger,
    marks: (usize, usize),
    sizes: Sizes,
    dice: &mut SeededRng,
) -> Result<(), String> {
    for loss in [Loss::DropAll, Loss::TornSectors] {
        let image = before.lose_power(loss, dice.next());
        Shop::recover(image, sizes, ledger, marks)
            .and_then(|shop| shop.verify())
            .map_err(|why| format!("{why}\nbehind {loss:?}"))?;
    }
    Ok(())
}

/// Every call of a workload fails in every way. How many runs that were.
pub(crate) fn workload(seed: u64, sabotage: Option<FaultInjection>) -> Result<usize, String> {
    let mut dice = SeededRng::new(seed);
    let sizes = sizes(&mut dice);
    let whole = SimulatedDisk::new(seed);
    whole.build_in(sabotage);
    drop(run(seed, sizes, &whole)?);
    let mut runs = 0;
    for call in 1..=whole.calls() {
        for fault in DiskFault::ALL {
            for for_good in [false, true] {
                let disk = SimulatedDisk::new(seed);
                disk.build_in(sabotage);
                disk.fail(call, fault, for_good);
                run(seed, sizes, &disk)
                    .and_then(|run| after(run, &disk, sizes, &mut dice))
                    .map_err(|why| {
                        let how = if for_good { "for good" } else { "once" };
                        format!("{why}\n{fault:?} at call {call}, {how}")
                    })?;
                runs += 1;
            }
        }
    }
    Ok(runs)
}

#[test]
fn io_error_at_every_call_means_what_it_says() {
    let seeds = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 1..=figure("IO_ERROR_WORKLOADS", 20),
    };
    let runs: usize = seeds
        .map(|seed| told("io_error_at", seed, || workload(seed, None)))
        .sum();
    println!("{runs} runs");
}
