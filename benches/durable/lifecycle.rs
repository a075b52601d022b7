//! The workload: each unit creates an order and confirms its payment, so one caller sends two
//! durable commands and waits for each reply.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Confirmed, Created, OrderNo, Store};
use serde::Serialize;

use crate::expect::expect;
use crate::figures::{float, rate, to};
use crate::latencies::{Latencies, Percentiles};
use crate::sample::{Checked, Sample};
use crate::usage::{Cost, Usage};

/// Default number of users.
pub(crate) const USERS: u64 = 100_000;

/// The bench keeps one order number in 64 for later reads.
const KEPT: u64 = 64;

/// Measurements of one run.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) latencies: Latencies,
    /// Duration of the whole run.
    pub(crate) elapsed: Duration,
    groups: u64,
    usage: Usage,
}

/// Figures of one run, in durable commands per second until the last reply.
#[derive(Serialize)]
pub(crate) struct Figures {
    commands: u64,
    rate: f64,
    #[serde(flatten)]
    latencies: Percentiles,
    /// Mean number of commands in a group.
    group_mean: f64,
    /// Cost until the last reply.
    #[serde(flatten)]
    cost: Cost,
}

impl Seen {
    /// Returns durable commands per second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.latencies.count(), self.elapsed)
    }

    /// Returns the 99th percentile of the latencies, in microseconds.
    #[cfg(feature = "archive")]
    pub(crate) fn p99(&mut self) -> f64 {
        self.latencies.percentiles().p99_us
    }

    /// Returns the CPU time of a million commands, in seconds.
    #[cfg(feature = "archive")]
    pub(crate) fn cpu(&self) -> f64 {
        self.usage.cost(self.latencies.count()).cpu_s_per_million
    }

    pub(crate) fn figures(mut self) -> Figures {
        let commands = self.latencies.count();
        Figures {
            commands,
            rate: self.rate(),
            latencies: self.latencies.percentiles(),
            group_mean: to(10.0, float(commands) / float(self.groups.max(1))),
            cost: self.usage.cost(commands),
        }
    }

    /// Adds the measurements of another run of the same callers.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.append(other.latencies);
        self.elapsed += other.elapsed;
        self.groups += other.groups;
        self.usage += other.usage;
    }
}

/// A running clock. It also counts the groups of a store and the CPU time of the process.
pub(crate) struct Clock<'s> {
    store: &'s Store,
    began: Instant,
    groups: u64,
    usage: Checked<Usage>,
}

impl<'s> Clock<'s> {
    pub(crate) fn start(store: &'s Store) -> Self {
        Self {
            groups: store.stats().groups,
            usage: Usage::now(),
            store,
            began: Instant::now(),
        }
    }

    /// Stops the clock after the last reply. There is one latency for each command.
    pub(crate) fn stop(self, latencies: Latencies) -> Checked<Seen> {
        Ok(Seen {
            latencies,
            elapsed: self.began.elapsed(),
            groups: self.store.stats().groups - self.groups,
            usage: Usage::now()?.since(self.usage?),
        })
    }
}

/// End of a run: a signal, or a total number of units.
struct Goal {
    is_over: AtomicBool,
    left: AtomicU64,
}

impl Goal {
    const fn units(count: u64) -> Self {
        Self {
            is_over: AtomicBool::new(false),
            left: AtomicU64::new(count),
        }
    }

    fn goes_on(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        let left = &self.left;
        !self.is_over.load(Ordering::Relaxed)
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
    }
}

/// The callers. Each has a stream of orders that continues from one run to the next.
pub(crate) struct Callers {
    each: Vec<Caller>,
}

struct Caller {
    sample: Sample,
    done: u64,
    kept: Vec<OrderNo>,
}

impl Callers {
    pub(crate) fn new(count: usize, users: u64) -> Checked<Self> {
        let caller = |seed: u64| {
            Ok(Caller {
                sample: Sample::new(seed << 32, users)?,
                done: 0,
                kept: Vec::new(),
            })
        };
        let each: Checked<_> = (0_u64..).take(count).map(caller).collect();
        Ok(Self { each: each? })
    }

    /// Returns the numbers of some of the created orders, spread over the whole run.
    pub(crate) fn kept(&self) -> Vec<OrderNo> {
        let each = self.each.iter();
        each.flat_map(|caller| caller.kept.iter().copied())
            .collect()
    }

    /// Runs all callers for `length`. The clock starts after every caller's first unit, and stops
    /// after every caller's last one.
    pub(crate) fn run(&mut self, store: &Store, length: Duration) -> Checked<Seen> {
        let goal = Goal::units(u64::MAX);
        self.work(store, &goal, Caller::unit, || {
            thread::sleep(length);
            goal.is_over.store(true, Ordering::Relaxed);
        })
    }

    /// Runs all callers until they have done `units` units together.
    pub(crate) fn make(&mut self, store: &Store, units: u64) -> Checked<Seen> {
        let nothing = |_: &mut Caller, _: &Store| Ok([Duration::ZERO; 2]);
        self.work(store, &Goal::units(units), nothing, || ())
    }

    fn work(
        &mut self,
        store: &Store,
        goal: &Goal,
        first: fn(&mut Caller, &Store) -> Checked<[Duration; 2]>,
        meanwhile: impl FnOnce(),
    ) -> Checked<Seen> {
        let gate = Barrier::new(self.each.len() + 1);
        thread::scope(|scope| {
            let gate = &gate;
            let start = |caller: &mut Caller| {
                let ready = first(caller, store);
                gate.wait();
                gate.wait();
                ready?;
                caller.work(store, goal)
            };
            let spawn = |caller| scope.spawn(move || start(caller));
            let threads: Vec<_> = self.each.iter_mut().map(spawn).collect();
            gate.wait();
            let clock = Clock::start(store);
            gate.wait();
            meanwhile();
            let mut latencies = Latencies::default();
            for thread in threads {
                latencies.append(thread.join().map_err(|_| "a caller panicked")??);
            }
            clock.stop(latencies)
        })
    }
}

impl Caller {
    fn work(&mut self, store: &Store, goal: &Goal) -> Checked<Latencies> {
        let mut latencies = Latencies::default();
        while goal.goes_on() {
            for took in self.unit(store)? {
                latencies.push(took);
            }
        }
        Ok(latencies)
    }

    /// Creates and pays one order; returns the duration of both commands.
    fn unit(&mut self, store: &Store) -> Checked<[Duration; 2]> {
        let no = store.next_order_no().wait()?;
        let new = self.sample.order()?;
        let payment = self.sample.payment(new.total_fee())?;
        let asked = Instant::now();
        let answer = store.create(no, new).wait()?;
        let create = asked.elapsed();
        expect(&answer.outcome, &Created::Created)?;
        let asked = Instant::now();
        let answer = store.confirm(no, payment).wait()?;
        let confirm = asked.elapsed();
        expect(&answer.outcome, &Confirmed::Applied)?;
        if self.done.is_multiple_of(KEPT) {
            self.kept.push(no);
        }
        self.done += 1;
        Ok([create, confirm])
    }
}

/// Checks that the store holds this many orders, all paid, and closes it.
pub(crate) fn check_and_close(store: Store, orders: u64) -> Checked<()> {
    let counts = store.counts().wait()?;
    let paid = counts.of(orderstore::Status::Success);
    expect(&[counts.orders(), paid], &[orders, orders])?;
    Ok(store.shutdown().wait()?)
}
