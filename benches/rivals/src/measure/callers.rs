//! Callers: each runs complete units and waits for each reply.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::Store;
use serde::{Deserialize, Serialize};

use super::{check, float, source_of_numbers, to};
use crate::fsync::Fsync;
use crate::rival::{Rival, System};
use crate::sample::Checked;
use crate::work::{Command, Create, USERS, Units};

/// Maximum duration of the disk's measurement before each run.
const SLICE: Duration = Duration::from_secs(1);

/// Figures of one run. Rates are per second, of durable commands and of synced appends.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Called {
    pub(crate) callers: usize,
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_mean: Option<f64>,
    pub(crate) fsync_rate: f64,
}

pub(super) fn measure(
    system: &System,
    dir: &Path,
    callers: usize,
    length: Duration,
) -> Checked<Called> {
    let fsync_rate = Fsync::prepare(dir)?.rate(length.min(SLICE))?;
    let rival = (system.open)(dir)?;
    let seen = run(&*rival, callers, length)?;
    check::rows(&*rival, seen.units)?;
    rival.close()?;
    let commands = seen.latencies.len();
    let percentile = |of_1000: usize| {
        let place = commands.saturating_mul(of_1000) / 1000;
        let found = seen.latencies.get(place).copied().unwrap_or_default();
        to(10.0, found.as_secs_f64() * 1e6)
    };
    let commands = float(u64::try_from(commands)?);
    Ok(Called {
        callers,
        rate: to(1.0, commands / seen.elapsed.as_secs_f64()),
        p50_us: percentile(500),
        p99_us: percentile(990),
        p999_us: percentile(999),
        group_mean: seen.groups.map(|groups| to(10.0, commands / float(groups))),
        fsync_rate: to(1.0, fsync_rate),
    })
}

/// Measurements of the callers.
struct Seen {
    /// Latency of each timed command, sorted.
    latencies: Vec<Duration>,
    elapsed: Duration,
    groups: Option<u64>,
    /// Number of all units, also those before the clock started.
    units: u64,
}

/// Runs all callers for `length`. The clock starts after every caller's first unit, and stops after
/// every caller's last one.
fn run(rival: &dyn Rival, callers: usize, length: Duration) -> Checked<Seen> {
    let numbers = source_of_numbers(rival)?;
    let gate = Barrier::new(callers + 1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (gate, stop, numbers) = (&gate, &stop, &numbers);
        let work = |worker| scope.spawn(move || work(rival, numbers, worker, gate, stop));
        let threads: Vec<_> = (0_u64..).take(callers).map(work).collect();
        gate.wait();
        let (began, groups) = (Instant::now(), rival.groups());
        gate.wait();
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        let (mut latencies, mut units, mut ended) = (Vec::new(), 0, began);
        for thread in threads {
            let did = thread.join().map_err(|_| "a caller panicked")??;
            latencies.extend(did.latencies);
            units += did.units;
            ended = ended.max(did.ended);
        }
        let elapsed = ended.duration_since(began);
        latencies.sort_unstable();
        let groups = rival.groups().zip(groups);
        Ok(Seen {
            latencies,
            elapsed,
            groups: groups.map(|(after, before)| after.saturating_sub(before)),
            units,
        })
    })
}

/// Measurements of one caller.
struct Did {
    latencies: Vec<Duration>,
    ended: Instant,
    units: u64,
}

/// Runs one caller, which waits at the gate twice: before and after the clock starts.
fn work(
    rival: &dyn Rival,
    numbers: &Store,
    worker: u64,
    gate: &Barrier,
    stop: &AtomicBool,
) -> Checked<Did> {
    let ready = Worker::ready(rival, numbers, worker);
    gate.wait();
    gate.wait();
    let mut worker = ready?;
    let mut did = Did {
        latencies: Vec::new(),
        ended: Instant::now(),
        units: 1,
    };
    while !stop.load(Ordering::Relaxed) {
        did.latencies.extend(worker.unit()?);
        did.units += 1;
    }
    did.ended = Instant::now();
    if let Some(last) = &worker.last {
        check::order(&mut *worker.caller, last)?;
    }
    Ok(did)
}

struct Worker<'r> {
    caller: Box<dyn crate::rival::Caller + 'r>,
    units: Units,
    last: Option<Create>,
}

impl<'r> Worker<'r> {
    /// Returns a connected worker after its first unit.
    fn ready(rival: &'r dyn Rival, numbers: &Store, worker: u64) -> Checked<Self> {
        let mut worker = Self {
            caller: rival.caller()?,
            units: Units::new(numbers, worker, USERS)?,
            last: None,
        };
        worker.unit()?;
        Ok(worker)
    }

    /// Creates and pays one order; returns the duration of both commands.
    fn unit(&mut self) -> Checked<[Duration; 2]> {
        let (create, confirm) = self.units.draw()?;
        let [create, confirm] = [Command::Create(create), Command::Confirm(confirm)];
        let asked = Instant::now();
        self.caller.apply(std::slice::from_ref(&create))?;
        let created = asked.elapsed();
        let asked = Instant::now();
        self.caller.apply(std::slice::from_ref(&confirm))?;
        let confirmed = asked.elapsed();
        if let Command::Create(create) = create {
            self.last = Some(create);
        }
        Ok([created, confirmed])
    }
}
