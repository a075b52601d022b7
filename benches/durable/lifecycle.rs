//! The workload: each unit creates an order and confirms its payment, two durable commands
//! by one caller that waits for each answer.

use std::fmt::Debug;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Confirmed, Created, Store};

use crate::sample::{Checked, Sample};

const USERS: u64 = 100_000;

/// What the callers saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// How long each command took, sorted.
    latencies: Vec<Duration>,
    /// How long all of it took.
    elapsed: Duration,
    groups: u64,
}

impl Seen {
    /// Durable commands per second.
    pub(crate) fn rate(&self) -> f64 {
        self.commands() / self.elapsed.as_secs_f64()
    }

    /// How many commands shared a write, on average.
    #[expect(clippy::cast_precision_loss, reason = "a mean is rounded anyway")]
    pub(crate) fn group_mean(&self) -> f64 {
        self.commands() / self.groups as f64
    }

    /// The latency that so many of a thousand commands did not pass, in microseconds.
    pub(crate) fn percentile(&self, of_1000: usize) -> f64 {
        let place = self.latencies.len().saturating_mul(of_1000) / 1000;
        let found = self.latencies.get(place).copied();
        found.unwrap_or_default().as_secs_f64() * 1e6
    }

    /// Takes another stretch in.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.elapsed += other.elapsed;
        self.groups += other.groups;
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
    fn commands(&self) -> f64 {
        self.latencies.len() as f64
    }
}

/// The callers, each with a stream of orders of its own that goes on from one stretch to
/// the next.
pub(crate) struct Callers {
    samples: Vec<Sample>,
}

impl Callers {
    pub(crate) fn new(count: usize) -> Checked<Self> {
        let seeds = (0_u64..).map(|caller| caller << 32).take(count);
        let samples: Checked<_> = seeds.map(|seed| Sample::new(seed, USERS)).collect();
        Ok(Self { samples: samples? })
    }

    /// Has all callers work for so long. Everyone's first unit is done before the clock
    /// starts, and it stops when everyone's last one is.
    pub(crate) fn run(&mut self, store: &Store, length: Duration) -> Checked<Seen> {
        let gate = Barrier::new(self.samples.len() + 1);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (gate, stop) = (&gate, &stop);
            let caller = |sample| scope.spawn(move || work(store, sample, gate, stop));
            let threads: Vec<_> = self.samples.iter_mut().map(caller).collect();
            gate.wait();
            let (began, groups) = (Instant::now(), store.stats().groups);
            gate.wait();
            thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            let mut latencies = Vec::new();
            for thread in threads {
                latencies.extend(thread.join().map_err(|_| "a caller panicked")??);
            }
            let elapsed = began.elapsed();
            let groups = store.stats().groups - groups;
            latencies.sort_unstable();
            Ok(Seen {
                latencies,
                elapsed,
                groups,
            })
        })
    }
}

/// One caller: waits at the gate twice, before the clock starts and after.
fn work(
    store: &Store,
    sample: &mut Sample,
    gate: &Barrier,
    stop: &AtomicBool,
) -> Checked<Vec<Duration>> {
    let first = unit(store, sample);
    gate.wait();
    gate.wait();
    first?;
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        latencies.extend(unit(store, sample)?);
    }
    Ok(latencies)
}

/// One order's life, and how long its two commands took.
fn unit(store: &Store, sample: &mut Sample) -> Checked<[Duration; 2]> {
    let no = store.next_order_no().wait()?;
    let new = sample.order()?;
    let payment = sample.payment(new.total_fee())?;
    let asked = Instant::now();
    let answer = store.create(no, new).wait()?;
    let create = asked.elapsed();
    expect(&answer.outcome, &Created::Created)?;
    let asked = Instant::now();
    let answer = store.confirm(no, payment).wait()?;
    let confirm = asked.elapsed();
    expect(&answer.outcome, &Confirmed::Applied)?;
    Ok([create, confirm])
}

/// A wrong answer ends the run: a store that is broken into speed has no figures.
fn expect<O: PartialEq + Debug>(found: &O, right: &O) -> Checked<()> {
    if found == right {
        return Ok(());
    }
    Err(format!("{found:?} where {right:?} was due").into())
}
