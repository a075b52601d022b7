//! The way of a command: queue, group, engine, answer; and the threads that carry it.
//!
//! - One committer thread takes all commands that wait, has them decided in order and made
//!   durable with one write. A caller that finds nobody waiting runs a group of its own on
//!   its own thread instead. The commit lock makes it one at a time.
//! - A second thread does what is long, so that neither callers nor the committer wait
//!   for it.
//! - Calls and tickets hold the flow, never the store: when the last clone of the store is
//!   gone, the flow drains, closes the engine, and answers "shut down" from then on.

mod background;
mod call;
mod committer;
mod group;
mod group_delay;
mod oneshot;
mod queue;
mod spans;
mod wake_chain;
mod working_set;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use call::{Call, CallFuture, Rejected};
pub(crate) use call::{CommandOutcome, command};
pub(crate) use committer::Threads;
pub use oneshot::Ticket;
pub(crate) use queue::Bounds;

use super::sync;
use crate::clock::Clock;
use crate::engine::{Engine, Limits, unreadable};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Command, Order, Outcome, Record, Reply};
use crate::order_no::Generator;
use crate::process::Process;
use crate::rules::Policy;
use crate::types::{OrderNo, Timestamp};
use background::JobQueue;
use group::in_the_write;
use oneshot::{CommandSlot, Oneshot};
use queue::Queue;
use sync::Mutex;
use sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Everything that a call needs to be answered.
pub(crate) struct Pipeline {
    engine: Box<dyn Engine>,
    limits: Limits,
    policy: Policy,
    clock: Clock,
    generator: Generator,
    queue: Queue,
    long: JobQueue,
    reads: JobQueue,
    /// Whoever holds it runs a group.
    commit: Mutex<()>,
    /// Callers that wait for a block of numbers.
    numberless: Mutex<Vec<Callback<OrderNo>>>,
    ending: Mutex<Ending>,
    tally: Counters,
    process: Process,
}

/// How the flow ends.
#[derive(Default)]
struct Ending {
    over: Option<Result<(), Error>>,
    waiting: Vec<Callback<()>>,
}

/// Takes the reply to a call that waits for something other than its own job.
type Callback<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// What the flow counts.
#[derive(Debug, Default)]
struct Counters {
    commands: AtomicU64,
    groups: AtomicU64,
    record_full: AtomicU64,
    last_group: AtomicUsize,
}

/// What the store has done since it was opened, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Commands that were answered through a group.
    pub commands: u64,
    /// Groups that they formed: as a rule each cost one write.
    pub groups: u64,
    /// Commands that wait now.
    pub queued: usize,
    /// Facts that were refused because their record is full: each wants a look.
    pub record_full: u64,
    /// Order numbers that bear an older time because the clock had jumped back.
    pub clock_set_back: u64,
    /// What the journal takes on the disk, in bytes: what an opening would have to read.
    pub journal_bytes: u64,
    /// What waits in memory to be flushed, in bytes.
    pub memtable_bytes: u64,
    /// Flushes that were done.
    pub flushes: u64,
    /// How long the last flush took.
    pub last_flush: Duration,
    /// Groups that were slowed down because a flush fell behind.
    pub slowed: u64,
    /// Damaged pages that were met: what is beneath them is unreadable.
    pub damaged_pages: u64,
    /// How often a file was opened anew because a read or a flush failed.
    pub reopened: u64,
}

impl Stats {
    /// How many commands shared a write, on average.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean is rounded anyway")]
    pub fn mean_group(&self) -> f64 {
        if self.groups == 0 {
            return 0.0;
        }
        self.commands as f64 / self.groups as f64
    }
}

/// Whether the store takes commands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Health {
    /// It does.
    Ok,
    /// It does, more slowly for now: the disk does not keep up.
    Slowed,
    /// The disk has no room: commands are refused, certainly not applied, until it has.
    DiskFull,
    /// It does as long as it can, and something that it needs fails: the next segment of the
    /// journal cannot be made, a flush failed, or the directory is not where it was. Commands
    /// may be refused, certainly not applied. The store tries again by itself.
    Failing(StorageError),
    /// It does, but for what is beneath damaged pages: `verify` lists them, and `repair` makes a
    /// sound store. Until then a flush may fail, and commands are refused once memory is full.
    Damaged {
        /// How many damaged pages were met.
        pages: u64,
    },
    /// An earlier write failed midway: reads go on, writes need the store to be opened
    /// again.
    Poisoned(StorageError),
    /// It was shut down.
    ShutDown,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("engine", &self.engine)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    pub(crate) fn new(
        engine: Box<dyn Engine>,
        policy: Policy,
        clock: Clock,
        node: u16,
        bounds: Bounds,
    ) -> Arc<Self> {
        let key = engine.identity().number_key;
        let limits = engine.limits();
        Arc::new(Self {
            engine,
            limits,
            policy,
            clock,
            generator: Generator::new(node, key),
            queue: Queue::new(bounds),
            long: JobQueue::default(),
            reads: JobQueue::default(),
            commit: Mutex::new(()),
            numberless: Mutex::default(),
            ending: Mutex::default(),
            tally: Counters::default(),
            process: Process::current(),
        })
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the commands would be answered, one after another. Nothing is written.
    #[cfg(feature = "transfer")]
    pub(crate) fn dry_run(&self, commands: &[Command]) -> Result<Vec<Reply<Outcome>>, Error> {
        let runner = group::Runner {
            engine: self.engine(),
            policy: &self.policy,
            now: self.now(),
        };
        runner.dry_run(commands).map_err(unreadable)
    }

    /// A read on the caller's own thread. The end may overtake it, and the engine then
    /// refuses it: it was not taken.
    fn read_here<T>(&self, read: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        self.check_open()?;
        read(self).or_else(|error| self.check_open().and(Err(error)))
    }

    fn get(&self, no: &OrderNo) -> Result<Option<Arc<Order>>, Error> {
        let record = self.engine.get(no).map_err(unreadable)?;
        Ok(record.and_then(Record::into_order))
    }

    /// Fails once the store was shut down.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.queue.is_closing() {
            return Err(Error::ShutDown);
        }
        Ok(())
    }

    fn enqueue(&self, command: Command) -> Result<CommandSlot, (Error, Command)> {
        match self.check_process() {
            Ok(()) => self.queue.push(command),
            Err(error) => Err((error, command)),
        }
    }

    pub(crate) fn enqueue_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Ticket<Reply<Outcome>>>, Rejected<Vec<Command>>> {
        let pushed = match self.check_process() {
            Ok(()) => self.queue.push_all(commands),
            Err(error) => Err((error, commands)),
        };
        match pushed {
            Ok(slots) => Ok(slots.into_iter().map(Ticket::of).collect()),
            Err((reason, call)) => Err(Rejected { reason, call }),
        }
    }

    /// Queues a job; a job that is not accepted comes back.
    fn post<T, J>(&self, queue: &JobQueue, job: J) -> Result<Ticket<T>, (Error, J)>
    where
        T: Send + 'static,
        J: FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    {
        if let Err(error) = self.check_process().and_then(|()| self.check_open()) {
            return Err((error, job));
        }
        let slot = Oneshot::new();
        let own = Arc::clone(&slot);
        let complete = |job: J| -> background::Job {
            Box::new(move |pipeline| {
                let reply = catch_unwind(AssertUnwindSafe(|| job(pipeline)));
                own.complete(reply.unwrap_or_else(|_| Err(Error::Unreadable(panicked()))));
            })
        };
        queue.post(job, complete).map(|()| Ticket::of(slot))
    }

    /// Draws a number from the reserved block. A caller that gets none must join
    /// `numberless` before it asks for a block. Otherwise the block could arrive in between, and
    /// the caller would wait for a reply that was given already.
    fn draw_number(&self) -> Option<OrderNo> {
        let drawn = self.generator.draw(|| self.clock.about_now());
        if drawn.wants_block && drawn.no.is_some() {
            self.queue.want_block();
        }
        drawn.no
    }

    /// A number from the reserved block, or from the next block if it is used up.
    fn number<T: Send + 'static>(&self, reply: fn(OrderNo) -> T) -> Ticket<T> {
        if let Err(error) = self.check_process() {
            return Ticket::done(Err(error));
        }
        if let Some(no) = self.draw_number() {
            return Ticket::done(self.check_open().map(|()| reply(no)));
        }
        let slot = Oneshot::new();
        let own = Arc::clone(&slot);
        let callback: Callback<OrderNo> = Box::new(move |no| own.complete(no.map(reply)));
        self.numberless.lock().push(callback);
        self.queue.want_block();
        if self.check_open().is_err() {
            self.refuse_numbers();
        }
        Ticket::of(slot)
    }

    /// Answers all callers that wait for a block, after the last block was reserved.
    fn refuse_numbers(&self) {
        let waiting = std::mem::take(&mut *self.numberless.lock());
        for callback in waiting {
            callback(Err(Error::ShutDown));
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let engine = self.engine.stats();
        Stats {
            commands: read(&self.tally.commands),
            groups: read(&self.tally.groups),
            queued: self.queue.len(),
            record_full: read(&self.tally.record_full),
            clock_set_back: self.generator.clock_set_back(),
            journal_bytes: engine.journal_bytes,
            memtable_bytes: engine.memtable_bytes,
            flushes: engine.flushes,
            last_flush: engine.last_flush,
            slowed: engine.slowed,
            damaged_pages: engine.damaged_pages,
            reopened: engine.reopened,
        }
    }

    pub(crate) fn health(&self) -> Health {
        match self.queue.refusal() {
            None => self.engine_health(),
            Some(Error::Poisoned(cause)) => Health::Poisoned(cause),
            Some(_) => Health::ShutDown,
        }
    }

    fn engine_health(&self) -> Health {
        let stats = self.engine.stats();
        if stats.is_out_of_room {
            return Health::DiskFull;
        }
        let damaged = Health::Damaged {
            pages: stats.damaged_pages,
        };
        match self.engine.trouble() {
            // A flush that meets the damage does not mend by itself.
            Some(cause)
                if stats.damaged_pages > 0 && cause.kind() == StorageErrorKind::Corrupted =>
            {
                damaged
            }
            Some(cause) => Health::Failing(cause),
            None if stats.damaged_pages > 0 => damaged,
            None if stats.is_slowed => Health::Slowed,
            None => Health::Ok,
        }
    }

    /// Fails in a process that was forked from the one that opened the store. Neither its
    /// threads nor its locks on files are there.
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        if self.process.is_current() {
            return Ok(());
        }
        Err(Error::Forked)
    }

    /// Writes what waits in memory to where it stays.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.engine.flush().map_err(in_the_write)
    }

    /// Begins the end, once: what waits is worked off, then the engine is closed.
    fn shut_down(&self, callback: Callback<()>) {
        if let Err(error) = self.check_process() {
            return callback(Err(error));
        }
        let mut ending = self.ending.lock();
        match ending.over.clone() {
            Some(over) => {
                drop(ending);
                callback(over);
            }
            None => {
                ending.waiting.push(callback);
                drop(ending);
                self.queue.close();
            }
        }
    }
}

/// A bug beneath us, told and not panicked over.
fn panicked() -> StorageError {
    StorageError::new(StorageErrorKind::Internal, "a panic was caught")
}
