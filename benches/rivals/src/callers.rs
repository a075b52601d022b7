//! Callers: each runs complete units and waits for each reply.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::database::{Database, Rates};
use crate::fsync::Fsync;
use crate::latencies::{Latencies, Percentiles};
use crate::sample::Checked;
use crate::system::{Caller, Reply};
use crate::work::{Command, Create, Units};

/// Maximum duration of the measurement of the disk before each run.
const SLICE: Duration = Duration::from_secs(1);

/// A refused command follows this many units, so that 5 % of the commands are refused.
const UNITS_PER_REFUSAL: u64 = 10;

/// Figures of one run.
#[derive(Serialize)]
pub(crate) struct Called {
    part: &'static str,
    callers: usize,
    /// Number of commands that the system refused, as it must.
    refused: u64,
    #[serde(flatten)]
    rates: Rates,
    #[serde(flatten)]
    latencies: Percentiles,
    /// Synced appends per second, right before the run.
    fsync_rate: f64,
}

/// Runs all callers for `length`. The clock starts after every caller's first unit, and stops after
/// every caller's last one.
pub(crate) fn measure(
    database: &Database,
    fsync: &mut Fsync,
    (callers, is_refusing): (usize, bool),
    length: Duration,
) -> Checked<Called> {
    let fsync_rate = fsync.rate(length.min(SLICE))?.round();
    let (gate, stop) = (Barrier::new(callers + 1), AtomicBool::new(false));
    let work = || {
        let ready = Worker::ready(database, is_refusing);
        gate.wait();
        gate.wait();
        ready?.work(&stop)
    };
    let (clock, done) = thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(work)).collect();
        gate.wait();
        let clock = database.clock();
        gate.wait();
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        let done: Vec<_> = threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        (clock, done)
    });
    let (mut latencies, mut refused, mut lasts) = (Latencies::default(), 0, Vec::new());
    for did in done {
        let did = did.map_err(|_| "a caller panicked")??;
        latencies.append(did.latencies);
        refused += did.refused;
        database.acknowledge(did.units);
        lasts.push(did.last);
    }
    let rates = clock.stop(latencies.count())?;
    database.check(&lasts)?;
    Ok(Called {
        part: if is_refusing { "refused" } else { "callers" },
        callers,
        refused,
        rates,
        latencies: latencies.percentiles(),
        fsync_rate,
    })
}

/// Measurements of one caller.
struct Did {
    latencies: Latencies,
    /// Number of units, including the one before the clock started.
    units: u64,
    refused: u64,
    last: Create,
}

struct Worker<'d> {
    caller: Box<dyn Caller + 'd>,
    stream: Units,
    is_refusing: bool,
    did: Did,
}

impl<'d> Worker<'d> {
    /// Returns a connected worker after its first unit.
    fn ready(database: &'d Database, is_refusing: bool) -> Checked<Self> {
        let (mut caller, mut stream) = (database.rival.caller()?, database.stream()?);
        let (create, confirm) = stream.draw()?;
        let last = create.clone();
        for command in [Command::Create(create), Command::Confirm(confirm)] {
            caller.one(command)?.must_be(Reply::Done)?;
        }
        let did = Did {
            latencies: Latencies::default(),
            units: 1,
            refused: 0,
            last,
        };
        Ok(Self {
            caller,
            stream,
            is_refusing,
            did,
        })
    }

    fn work(mut self, stop: &AtomicBool) -> Checked<Did> {
        while !stop.load(Ordering::Relaxed) {
            let (create, confirm) = self.stream.draw()?;
            self.did.last = create.clone();
            self.ask(Command::Create(create), Reply::Done)?;
            self.ask(Command::Confirm(confirm), Reply::Done)?;
            self.did.units += 1;
            if self.is_refusing && self.did.units.is_multiple_of(UNITS_PER_REFUSAL) {
                let other = self.did.last.with_another_fee()?;
                self.ask(Command::Create(other), Reply::Refused)?;
                self.did.refused += 1;
            }
        }
        Ok(self.did)
    }

    fn ask(&mut self, command: Command, due: Reply) -> Checked<()> {
        let asked = Instant::now();
        self.caller.one(command)?.must_be(due)?;
        self.did.latencies.push(asked.elapsed());
        Ok(())
    }
}
