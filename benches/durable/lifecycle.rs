//! The workload: each unit creates an order and confirms its payment, two durable commands
//! by one caller that waits for each answer.

use std::fmt::Debug;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Confirmed, Created, OrderNo, Store};

use crate::figures::{float, rate, to};
use crate::latencies::Latencies;
use crate::sample::{Checked, Sample};

/// The users whose orders are made where nothing else is said.
pub(crate) const USERS: u64 = 100_000;

/// One of so many order numbers is kept, to be read later.
const KEPT: u64 = 64;

/// What the callers saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) latencies: Latencies,
    /// How long all of it took.
    pub(crate) elapsed: Duration,
    groups: u64,
}

impl Seen {
    /// Durable commands per second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.latencies.count(), self.elapsed)
    }

    /// How many commands shared a write, on average.
    pub(crate) fn group_mean(&self) -> f64 {
        to(
            10.0,
            float(self.latencies.count()) / float(self.groups.max(1)),
        )
    }

    /// Takes another stretch in.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.append(other.latencies);
        self.elapsed += other.elapsed;
        self.groups += other.groups;
    }
}

/// When callers stop: when they are told to, or when so many units are done together.
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

/// The callers, each with a stream of orders of its own that goes on from one stretch to
/// the next.
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

    /// The numbers of some of the orders that were made, all over the time of the making.
    pub(crate) fn kept(&self) -> Vec<OrderNo> {
        let each = self.each.iter();
        each.flat_map(|caller| caller.kept.iter().copied())
            .collect()
    }

    /// Has all callers work for so long. Everyone's first unit is done before the clock
    /// starts, and it stops when everyone's last one is.
    pub(crate) fn run(&mut self, store: &Store, length: Duration) -> Checked<Seen> {
        let goal = Goal::units(u64::MAX);
        self.work(store, &goal, Caller::unit, || {
            thread::sleep(length);
            goal.is_over.store(true, Ordering::Relaxed);
        })
    }

    /// Has all callers do so many units together.
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
            let (began, groups) = (Instant::now(), store.stats().groups);
            gate.wait();
            meanwhile();
            let mut latencies = Latencies::default();
            for thread in threads {
                latencies.append(thread.join().map_err(|_| "a caller panicked")??);
            }
            Ok(Seen {
                latencies,
                elapsed: began.elapsed(),
                groups: store.stats().groups - groups,
            })
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

    /// One order's life, and how long its two commands took.
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

/// A wrong answer ends the run: a store that is broken into speed has no figures.
pub(crate) fn expect<O: PartialEq + Debug>(found: &O, right: &O) -> Checked<()> {
    if found == right {
        return Ok(());
    }
    Err(format!("{found:?} where {right:?} was due").into())
}

/// Whether the store holds so many orders, all of them paid, and closes it.
pub(crate) fn check_and_close(store: Store, orders: u64) -> Checked<()> {
    let counts = store.counts().wait()?;
    let paid = counts.of(orderstore::Status::Success);
    expect(&[counts.orders(), paid], &[orders, orders])?;
    Ok(store.shutdown().wait()?)
}
