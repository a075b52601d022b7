//! Pipelined: a few threads that submit commands without waiting, each with a fixed number in
//! flight. Only this store supports it; in other systems a thread waits for each reply.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use orderstore::Store;
use serde::{Deserialize, Serialize};

use super::{check, float, source_of_numbers, to};
use crate::rival::{Rival, System, Waiting};
use crate::sample::Checked;
use crate::work::{Command, Confirm, USERS, Units};

/// Number of threads.
pub(crate) const THREADS: usize = 4;

/// Number of commands in flight for each thread.
pub(crate) const TICKETS: usize = 512;

/// Figures of one run, in durable commands per second until the last reply.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Pipelined {
    pub(crate) pipelined: String,
    pub(crate) commands: u64,
    pub(crate) rate: f64,
}

pub(super) fn measure(system: &System, dir: &Path, length: Duration) -> Checked<Pipelined> {
    let rival = (system.open)(dir)?;
    let began = Instant::now();
    let units = run(&*rival, length)?;
    let elapsed = began.elapsed();
    check::rows(&*rival, units)?;
    rival.close()?;
    let commands = units.saturating_mul(2);
    Ok(Pipelined {
        pipelined: format!("{THREADS}x{TICKETS}"),
        commands,
        rate: to(1.0, float(commands) / elapsed.as_secs_f64()),
    })
}

/// Returns the number of completed units.
fn run(rival: &dyn Rival, length: Duration) -> Checked<u64> {
    let numbers = source_of_numbers(rival)?;
    thread::scope(|scope| {
        let numbers = &numbers;
        let work = |worker| scope.spawn(move || work(rival, numbers, worker, length));
        let threads: Vec<_> = (0_u64..).take(THREADS).map(work).collect();
        let mut units = 0;
        for thread in threads {
            units += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(units)
    })
}

fn work(rival: &dyn Rival, numbers: &Store, worker: u64, length: Duration) -> Checked<u64> {
    let mut caller = rival.caller()?;
    let mut stream = Units::new(numbers, worker, USERS)?;
    let mut under_way: VecDeque<UnderWay> = VecDeque::with_capacity(TICKETS);
    let (mut units, began) = (0_u64, Instant::now());
    loop {
        if began.elapsed() < length && under_way.len() < TICKETS {
            let (create, confirm) = stream.draw()?;
            let answer = caller.hand_over(&Command::Create(create))?;
            let then = Some(confirm);
            under_way.push_back(UnderWay { answer, then });
            units += 1;
            continue;
        }
        let Some(oldest) = under_way.pop_front() else {
            return Ok(units);
        };
        (oldest.answer)()?;
        if let Some(confirm) = oldest.then {
            let answer = caller.hand_over(&Command::Confirm(confirm))?;
            under_way.push_back(UnderWay { answer, then: None });
        }
    }
}

/// A submitted command, and the payment that follows its reply. As in practice, an order is
/// confirmed only after the reply to its creation.
struct UnderWay {
    answer: Waiting,
    then: Option<Confirm>,
}
