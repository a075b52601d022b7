//! Pipelined: a few threads that hand commands over without waiting, each with so many
//! under way. Only for those who can: elsewhere a thread waits for each answer.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use orderstore::Store;
use serde::Serialize;

use super::{check, float, source_of_numbers, to};
use crate::rival::{Rival, System, Waiting};
use crate::sample::Checked;
use crate::work::{Command, Confirm, USERS, Units};

/// How many threads hand commands over.
pub(crate) const THREADS: usize = 4;

/// How many commands each of them has under way.
pub(crate) const TICKETS: usize = 512;

/// One run's figures, in durable commands per second until the last answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pipelined {
    pub(crate) pipelined: String,
    pub(crate) commands: u64,
    pub(crate) rate: f64,
}

/// `None` where nothing can be handed over without waiting.
pub(super) fn measure(system: &System, dir: &Path, length: Duration) -> Checked<Option<Pipelined>> {
    let rival = (system.open)(dir)?;
    let began = Instant::now();
    let Some(units) = run(&*rival, length)? else {
        return Ok(None);
    };
    let elapsed = began.elapsed();
    check::rows(&*rival, units)?;
    rival.close()?;
    let commands = units.saturating_mul(2);
    Ok(Some(Pipelined {
        pipelined: format!("{THREADS}x{TICKETS}"),
        commands,
        rate: to(1.0, float(commands) / elapsed.as_secs_f64()),
    }))
}

/// How many units were done.
fn run(rival: &dyn Rival, length: Duration) -> Checked<Option<u64>> {
    let numbers = source_of_numbers(rival)?;
    thread::scope(|scope| {
        let numbers = &numbers;
        let work = |worker| scope.spawn(move || work(rival, numbers, worker, length));
        let threads: Vec<_> = (0_u64..).take(THREADS).map(work).collect();
        let mut units = None;
        for thread in threads {
            if let Some(did) = thread.join().map_err(|_| "a thread panicked")?? {
                units = Some(units.unwrap_or(0) + did);
            }
        }
        Ok(units)
    })
}

fn work(rival: &dyn Rival, numbers: &Store, worker: u64, length: Duration) -> Checked<Option<u64>> {
    let mut caller = rival.caller()?;
    let mut stream = Units::new(numbers, worker, USERS)?;
    let mut under_way: VecDeque<UnderWay> = VecDeque::with_capacity(TICKETS);
    let (mut units, began) = (0_u64, Instant::now());
    loop {
        if began.elapsed() < length && under_way.len() < TICKETS {
            let (create, confirm) = stream.draw()?;
            let Some(answer) = caller.hand_over(&Command::Create(create))? else {
                return Ok(None);
            };
            let then = Some(confirm);
            under_way.push_back(UnderWay { answer, then });
            units += 1;
            continue;
        }
        let Some(oldest) = under_way.pop_front() else {
            return Ok(Some(units));
        };
        (oldest.answer)()?;
        if let Some(confirm) = oldest.then {
            let answer = caller.hand_over(&Command::Confirm(confirm))?;
            let answer = answer.ok_or("it waits all of a sudden")?;
            under_way.push_back(UnderWay { answer, then: None });
        }
    }
}

/// A command that was handed over, and the payment that follows its answer: as in life, an
/// order is confirmed once its creation was answered.
struct UnderWay {
    answer: Waiting,
    then: Option<Confirm>,
}
