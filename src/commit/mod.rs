//! Commit pipeline: the path of a command through queue, group, engine and reply, and the threads
//! that run it.
//!
//! - Group commit: the committer thread takes the waiting commands, up to the maximum size of a
//!   group. It decides them in order and makes them durable with one write.
//! - If no command is waiting and the last group had only one, a caller runs a group of its own on
//!   its own thread. The commit lock makes sure that only one group runs at a time.
//! - A background thread runs long reads and operations. Commands do not wait for it.
//! - When the last clone of the store is dropped, the pipeline answers the accepted calls and
//!   closes the engine. Calls and tickets that still exist keep only the pipeline in memory; calls
//!   that are made later get [`Error::ShutDown`].

mod background;
mod call;
mod committer;
mod group;
mod group_delay;
mod health;
mod oneshot;
mod queue;
mod spans;
mod wake_chain;
mod watch;
mod working_set;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use call::{Call, CallFuture, Rejected};
pub(crate) use call::{CommandOutcome, command};
pub(crate) use committer::Threads;
pub use health::Health;
pub use oneshot::Ticket;
pub(crate) use queue::Bounds;

use crate::clock::Clock;
use crate::engine::{
    ArchiveStats, ArchiveStatus, Engine, Limits, MirrorStatus, StandbyStats, unreadable,
};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Command, Order, Outcome, Record, Reply};
use crate::order_no::Generator;
use crate::process::Process;
use crate::rules::Policy;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::types::{OrderNo, Timestamp};
use background::JobQueue;
use group::{GroupMemory, in_the_write};
use oneshot::{CommandSlot, Oneshot};
use queue::Queue;
use watch::Watch;

/// Shared state of an open store: everything that a call needs, except the threads.
pub(crate) struct Pipeline {
    engine: Box<dyn Engine>,
    limits: Limits,
    policy: Policy,
    clock: Clock,
    generator: Generator,
    queue: Queue,
    /// Queue of the jobs of any length, which run on a background thread.
    long: JobQueue,
    /// Queue of the reads of bounded size, used if the engine waits for other machines.
    reads: JobQueue,
    /// Commit lock. The thread that holds it runs a group, reserves a block of order numbers, or
    /// closes the engine. It guards the memory that each group reuses.
    commit: Mutex<GroupMemory>,
    /// Callers that wait for a block of order numbers.
    numberless: Mutex<Vec<Callback<OrderNo>>>,
    ending: Mutex<Ending>,
    tally: Counters,
    watch: Watch,
    process: Process,
}

/// State of the shutdown of the pipeline.
#[derive(Default)]
struct Ending {
    /// Result of closing the engine; `None` before that.
    over: Option<Result<(), Error>>,
    /// Callers of `shutdown` that wait for the result.
    waiting: Vec<Callback<()>>,
}

/// Callback that delivers a reply to a caller after a later event: the reservation of a block of
/// order numbers, or the end of the shutdown.
type Callback<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// Counters of the pipeline.
#[derive(Debug, Default)]
struct Counters {
    commands: AtomicU64,
    groups: AtomicU64,
    record_full: AtomicU64,
    /// Number of commands in the last group.
    last_group: AtomicUsize,
}

/// Counters of the store since it was opened, and its current sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Number of commands that a group ran and answered, with an outcome or an error.
    pub commands: u64,
    /// Number of groups of these commands. A group usually costs one write.
    pub groups: u64,
    /// Number of commands that are waiting in the queue now.
    pub queued: usize,
    /// Number of commands, such as payments and refund reports, that were refused because their
    /// record was full. A person should look at each.
    pub record_full: u64,
    /// Number of order numbers that carry the time of an earlier number, because the clock was set
    /// back.
    pub clock_set_back: u64,
    /// Bytes in the journal segments on disk, without preallocated space. The store has to read
    /// them when it is opened next.
    pub journal_bytes: u64,
    /// Bytes in the memtables: waiting for a checkpoint, or being written by one.
    pub memtable_bytes: u64,
    /// Time that a group waits for the disk, as a moving average. `None` if the engine does not measure
    /// it.
    pub write_time: Option<Duration>,
    /// Number of finished checkpoints.
    pub checkpoints: u64,
    /// Duration of the last checkpoint.
    pub last_checkpoint: Duration,
    /// Number of groups that were throttled because a checkpoint fell behind.
    pub throttled: u64,
    /// Number of corrupt pages that reads found. The data under them is unreadable.
    pub damaged_pages: u64,
    /// Number of times that the store opened a file again because a read or a checkpoint failed.
    pub reopened: u64,
    /// State of the mirror: see [`Builder::mirror`](crate::Builder::mirror).
    pub mirror: MirrorStatus,
    /// Figures of the archive: see [`Builder::archive`](crate::Builder::archive).
    pub archive: ArchiveStats,
    /// Figures of a standby; `None` if the store is none.
    pub standby: Option<StandbyStats>,
}

impl Stats {
    /// Returns the mean number of commands per group, or 0 if there was no group.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean is rounded anyway")]
    pub fn mean_group(&self) -> f64 {
        if self.groups == 0 {
            return 0.0;
        }
        self.commands as f64 / self.groups as f64
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Creates a pipeline without threads. `node` is the node part of its order numbers.
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
            queue: Queue::new(bounds, limits.is_read_only),
            long: JobQueue::default(),
            reads: JobQueue::default(),
            commit: Mutex::default(),
            numberless: Mutex::default(),
            ending: Mutex::default(),
            tally: Counters::default(),
            watch: Watch::default(),
            process: Process::current(),
        })
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the replies that the commands would get, in order. Writes nothing.
    #[cfg(feature = "transfer")]
    pub(crate) fn dry_run(&self, commands: &[Command]) -> Result<Vec<Reply<Outcome>>, Error> {
        let runner = group::Runner {
            engine: self.engine(),
            policy: &self.policy,
            now: self.now(),
        };
        runner.dry_run(commands).map_err(unreadable)
    }

    /// Runs a read on the caller's thread. If a shutdown closes the engine during the read, the
    /// caller gets [`Error::ShutDown`] instead of the engine's error.
    fn read_here<T>(&self, read: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        self.check_open()?;
        read(self).or_else(|error| self.check_open().and(Err(error)))
    }

    fn get(&self, no: &OrderNo) -> Result<Option<Arc<Order>>, Error> {
        let record = self.engine.get(no).map_err(unreadable)?;
        Ok(record.and_then(Record::into_order))
    }

    /// Fails with [`Error::ShutDown`] once a shutdown has begun.
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

    /// Queues all commands or none. Returns one ticket for each command.
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

    /// Queues a job for a background thread. Returns the job with the reason if it is not accepted.
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

    /// Draws a number from the reserved block. Returns `None` if the block is used up.
    ///
    /// A caller that gets `None` must join `numberless` before it requests a block. In the opposite
    /// order, the block could arrive in between, and the caller would get no answer.
    fn draw_number(&self) -> Option<OrderNo> {
        let drawn = self.generator.draw(|| self.clock.about_now());
        if drawn.wants_block && drawn.no.is_some() {
            self.queue.want_block();
        }
        drawn.no
    }

    /// Returns a ticket for an order number, from the reserved block or from the next one.
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
        // A shutdown may already have answered all waiting callers before this caller joined them.
        // This thread must then answer the caller itself.
        if self.check_open().is_err() {
            self.refuse_numbers();
        }
        Ticket::of(slot)
    }

    /// Answers all callers that wait for a block with [`Error::ShutDown`].
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
            write_time: self.engine.write_time(),
            checkpoints: engine.checkpoints,
            last_checkpoint: engine.last_checkpoint,
            throttled: engine.throttled,
            damaged_pages: engine.damaged_pages,
            reopened: engine.reopened,
            mirror: engine.mirror,
            archive: engine.archive,
            standby: engine.standby,
        }
    }

    pub(crate) fn health(&self) -> Health {
        match self.queue.refusal() {
            None => self.engine_health(),
            Some(Error::Poisoned(cause)) => Health::Poisoned(cause),
            Some(Error::ReadOnly) => Health::Standby {
                cause: self.engine.standby_failure(),
            },
            Some(_) => Health::ShutDown,
        }
    }

    fn engine_health(&self) -> Health {
        let stats = self.engine.stats();
        if stats.archive.status == ArchiveStatus::Fenced
            && let Some(cause) = self.engine.archive_failure()
        {
            return Health::Poisoned(cause);
        }
        if stats.is_disk_full {
            return Health::DiskFull;
        }
        let damaged = Health::Damaged {
            pages: stats.damaged_pages,
        };
        match self.engine.retrying_failure() {
            // Report `Damaged` and not `Failing`: a checkpoint that failed at a corrupt page fails
            // there again, so a retry cannot succeed.
            Some(cause) if stats.damaged_pages > 0 && cause.is_corrupt() => damaged,
            Some(cause) => Health::Failing(cause),
            None if stats.damaged_pages > 0 => damaged,
            None if matches!(stats.mirror, MirrorStatus::Filling | MirrorStatus::Missing) => {
                let cause = self.engine.mirror_failure();
                Health::Unmirrored { cause }
            }
            None if stats.archive.status == ArchiveStatus::Behind => {
                let cause = self.engine.archive_failure();
                Health::ArchiveBehind { cause }
            }
            None if stats.is_throttled => Health::Throttled,
            None => Health::Ok,
        }
    }

    /// Fails in a process that was forked from the one that opened the store.
    ///
    /// A forked child has no copy of the store's threads, so its calls would get no answer. Its
    /// writes would mix with the parent's writes in the same files, and it would issue the same
    /// order numbers.
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        if self.process.is_current() {
            return Ok(());
        }
        Err(Error::Forked)
    }

    /// Runs a checkpoint: writes the memtable to the B-tree.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.engine.checkpoint().map_err(in_the_write)
    }

    /// Starts a shutdown, if none has begun. Calls `callback` with the result when the engine is
    /// closed.
    fn shut_down(&self, callback: Callback<()>) {
        if let Err(error) = self.check_process() {
            return callback(Err(error));
        }
        // One lock covers the check and the push. If the shutdown could end in between, the
        // callback would never run. The callback is foreign code, so it runs without the lock.
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
                self.watch.wake(&Err(Error::ShutDown));
            }
        }
    }
}

/// Error for a caught panic of the engine, of foreign code, or of this crate.
fn panicked() -> StorageError {
    StorageError::new(StorageErrorKind::Internal, "a panic was caught")
}
