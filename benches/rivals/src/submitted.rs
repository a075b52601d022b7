//! Commands that are submitted without waiting, for systems that support it: this store, and the
//! grouped systems.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use pollster::block_on;
use serde::Serialize;
use tokio::runtime::Builder;

use crate::database::{Clock, Database, Rates};
use crate::latencies::{Latencies, Percentiles};
use crate::sample::Checked;
use crate::system::{Reply, Submit, Waiting};
use crate::work::{Command, Confirm, Units};

/// Number of threads that keep [`TICKETS`] commands in flight each.
const PIPES: usize = 4;
const TICKETS: usize = 512;

/// Number of tasks that each await a reply before their next command, and of the threads that run
/// the tasks.
const TASKS: usize = 64;
const TASK_THREADS: usize = 2;

/// Number of orders that wait for their payment during evenly spaced arrivals.
const PENDING: usize = 1_024;

/// Figures of one run.
#[derive(Serialize)]
pub(crate) struct Submitted {
    part: &'static str,
    /// Due commands per second, if they are evenly spaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    arrivals: Option<u32>,
    /// Commands that a full queue refused.
    overloaded: u64,
    #[serde(flatten)]
    rates: Rates,
    #[serde(flatten)]
    latencies: Percentiles,
}

/// Measurements of one thread or task.
#[derive(Default)]
struct Did {
    units: u64,
    latencies: Latencies,
}

fn submit(submit: &Submit, command: Command) -> Checked<Waiting> {
    submit(command)?.ok_or_else(|| "the queue is full".into())
}

/// Threads that submit commands without waiting, each with a fixed number in flight.
pub(crate) fn pipelined(
    database: &Database,
    submit: &Submit,
    length: Duration,
) -> Checked<Submitted> {
    let clock = database.clock();
    let done: Vec<_> = thread::scope(|scope| {
        let work = || pipe(submit, database.stream()?, length);
        let threads: Vec<_> = (0..PIPES).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| "a thread panicked")?
        };
        threads.into_iter().map(join).collect::<Checked<_>>()
    })?;
    gather(database, clock, "pipelined", done)
}

/// Tasks that await each reply, on a few threads.
pub(crate) fn tasks(database: &Database, submit: &Submit, length: Duration) -> Checked<Submitted> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(TASK_THREADS)
        .build()?;
    let clock = database.clock();
    let until = Instant::now() + length;
    let mut tasks = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        tasks.push(runtime.spawn(task(Arc::clone(submit), database.stream()?, until)));
    }
    let done: Checked<Vec<_>> = runtime.block_on(async {
        let mut done = Vec::with_capacity(TASKS);
        for task in tasks {
            done.push(task.await??);
        }
        Ok(done)
    });
    gather(database, clock, "tasks", done?)
}

fn gather(
    database: &Database,
    clock: Clock<'_>,
    part: &'static str,
    done: Vec<Did>,
) -> Checked<Submitted> {
    let mut latencies = Latencies::default();
    for did in done {
        database.acknowledge(did.units);
        latencies.append(did.latencies);
    }
    Ok(Submitted {
        part,
        arrivals: None,
        overloaded: 0,
        rates: clock.stop(latencies.count())?,
        latencies: latencies.percentiles(),
    })
}

async fn task(submit_to: Submit, mut stream: Units, until: Instant) -> Checked<Did> {
    let mut did = Did::default();
    while Instant::now() < until {
        let (create, confirm) = stream.draw()?;
        for command in [Command::Create(create), Command::Confirm(confirm)] {
            let asked = Instant::now();
            submit(&submit_to, command)?.await?.must_be(Reply::Done)?;
            did.latencies.push(asked.elapsed());
        }
        did.units += 1;
    }
    Ok(did)
}

/// A submitted command, and the payment that follows its reply. As in practice, an order is
/// confirmed only after the reply to its creation.
struct UnderWay {
    asked: Instant,
    reply: Waiting,
    then: Option<Confirm>,
}

fn pipe(submit_to: &Submit, mut stream: Units, length: Duration) -> Checked<Did> {
    let mut under_way: VecDeque<UnderWay> = VecDeque::with_capacity(TICKETS);
    let (mut did, began) = (Did::default(), Instant::now());
    loop {
        let (command, then) = if began.elapsed() < length && under_way.len() < TICKETS {
            let (create, confirm) = stream.draw()?;
            (Command::Create(create), Some(confirm))
        } else {
            let Some(oldest) = under_way.pop_front() else {
                return Ok(did);
            };
            block_on(oldest.reply)?.must_be(Reply::Done)?;
            did.latencies.push(oldest.asked.elapsed());
            let Some(confirm) = oldest.then else {
                did.units += 1;
                continue;
            };
            (Command::Confirm(confirm), None)
        };
        let asked = Instant::now();
        let reply = submit(submit_to, command)?;
        under_way.push_back(UnderWay { asked, reply, then });
    }
}

/// Commands that are due at equal intervals. A command's latency counts from the time at which it is
/// due. If the system pauses, the latencies of all commands that become due meanwhile include the
/// rest of the pause.
pub(crate) fn arrivals(
    database: &Database,
    submit: &Submit,
    rate: u32,
    length: Duration,
) -> Checked<Submitted> {
    let mut source = Source {
        submit: Arc::clone(submit),
        stream: database.stream()?,
        pending: VecDeque::new(),
        created: 0,
        overloaded: 0,
    };
    while source.pending.len() < PENDING {
        let created = source.create()?.ok_or("the queue is full")?;
        block_on(created)?.must_be(Reply::Done)?;
    }
    let clock = database.clock();
    let mut latencies = thread::scope(|scope| {
        let (sender, receiver) = channel();
        let recording = scope.spawn(|| record(receiver));
        let arrived = source.arrive(rate, length, &sender);
        drop(sender);
        let latencies = recording.join().map_err(|_| "a thread panicked")?;
        arrived.and(latencies)
    })?;
    let rates = clock.stop(latencies.count())?;
    while let Some(confirmed) = source.confirm()? {
        block_on(confirmed)?.must_be(Reply::Done)?;
    }
    database.acknowledge(source.created);
    Ok(Submitted {
        part: "arrivals",
        arrivals: Some(rate),
        overloaded: source.overloaded,
        rates,
        latencies: latencies.percentiles(),
    })
}

/// Source of commands: alternately a new order and the payment of an older one.
struct Source {
    submit: Submit,
    stream: Units,
    pending: VecDeque<Confirm>,
    created: u64,
    overloaded: u64,
}

impl Source {
    /// Submits commands when they are due.
    fn arrive(
        &mut self,
        rate: u32,
        length: Duration,
        to: &Sender<(Instant, Waiting)>,
    ) -> Checked<()> {
        let began = Instant::now();
        let spacing = Duration::from_secs(1) / rate;
        let mut due = began;
        for place in 0_u64.. {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if began.elapsed() >= length {
                break;
            }
            let submitted = if place.is_multiple_of(2) {
                self.create()?
            } else {
                self.confirm()?
            };
            match submitted {
                Some(reply) => {
                    to.send((due, reply))
                        .map_err(|_| "the recorder has ended")?;
                }
                None => self.overloaded += 1,
            }
            due += spacing;
        }
        Ok(())
    }

    fn create(&mut self) -> Checked<Option<Waiting>> {
        let (create, confirm) = self.stream.draw()?;
        let submitted = (self.submit)(Command::Create(create))?;
        if submitted.is_some() {
            self.created += 1;
            self.pending.push_back(confirm);
        }
        Ok(submitted)
    }

    fn confirm(&mut self) -> Checked<Option<Waiting>> {
        let Some(confirm) = self.pending.pop_front() else {
            return Ok(None);
        };
        let submitted = (self.submit)(Command::Confirm(confirm.clone()))?;
        if submitted.is_none() {
            self.pending.push_front(confirm);
        }
        Ok(submitted)
    }
}

/// Waits for the replies in the order of their commands.
fn record(arrived: Receiver<(Instant, Waiting)>) -> Checked<Latencies> {
    let mut latencies = Latencies::default();
    for (due, reply) in arrived {
        block_on(reply)?.must_be(Reply::Done)?;
        latencies.push(due.elapsed());
    }
    Ok(latencies)
}
