//! Execution of groups: by the committer thread, or by a caller if no other command is waiting.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::background::JobQueue;
use super::group::{Answer, Done, GroupMemory, Runner, before_the_write, in_the_write};
use super::group_delay::GroupDelay;
use super::oneshot::Waiter;
use super::queue::{Request, Work};
use super::wake_chain::Asleep;
use super::{Callback, Pipeline, panicked, spans};
use crate::engine::EngineError;
use crate::error::{Error, StorageError, StorageErrorKind, with_causes};
use crate::log::event;
use crate::number::u64_of;
use crate::order::Command;
use crate::order_no::{BLOCK, COUNTERS};
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;
use crate::sync::thread::{self, JoinHandle, ThreadId};
use crate::types::OrderNo;

/// Threads of a pipeline: the committer and the background threads. The committer joins the
/// background threads when it ends.
#[derive(Debug)]
pub(crate) struct Threads {
    committer: JoinHandle<()>,
    background: Vec<ThreadId>,
}

/// Number of reader threads for an engine whose reads wait for other machines.
const READERS: usize = 4;

impl Threads {
    /// Starts the threads of a pipeline.
    pub(crate) fn start(pipeline: &Arc<Pipeline>) -> Result<Self, std::io::Error> {
        let started = Self::start_all(pipeline);
        if started.is_err() {
            // End the threads that were already started: they would otherwise wait for jobs
            // forever.
            pipeline.close_job_queues();
        }
        started
    }

    fn start_all(pipeline: &Arc<Pipeline>) -> Result<Self, std::io::Error> {
        let start = |name, queue: fn(&Pipeline) -> &JobQueue| {
            let own = Arc::clone(pipeline);
            named(name).spawn(move || own.run_jobs(queue(&own)))
        };
        let mut background = vec![start("side", |pipeline| &pipeline.long)?];
        let readers = if pipeline.limits.never_waits_for_network {
            0
        } else {
            READERS
        };
        for _ in 0..readers {
            background.push(start("reader", |pipeline| &pipeline.reads)?);
        }
        let own = Arc::clone(pipeline);
        Ok(Self {
            background: background
                .iter()
                .map(|thread| thread.thread().id())
                .collect(),
            committer: named("committer").spawn(move || own.run_committer(background))?,
        })
    }

    /// Waits until the pipeline has ended. Returns at once if the caller is a thread of the
    /// pipeline.
    pub(crate) fn join(self) {
        // The last clone of the store may be dropped by a waker that runs on one of these threads.
        // This thread must then not wait: it cannot join itself, and the committer waits for the
        // background threads. The pipeline then ends later, and no caller waits for its end.
        let here = thread::current().id();
        if here != self.committer.thread().id() && !self.background.contains(&here) {
            // Ignore the result: the committer thread catches every panic of its groups.
            drop(self.committer.join());
        }
    }
}

pub(super) fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(format!("orderstore-{name}"))
}

impl Pipeline {
    /// Runs a group of one command on the caller's thread. Returns the command if it must go
    /// through the queue instead.
    ///
    /// The command goes through the queue if the last group had more than one command, if commands
    /// are waiting, or if another group runs. One write of the committer then serves many callers.
    /// The command also goes through the queue if the engine must not run on a caller's thread.
    pub(super) fn lead(&self, command: Command) -> Result<Answer, Command> {
        let alone = self.tally.last_group.load(Ordering::Relaxed) <= 1;
        if !alone || !self.limits.on_callers_thread {
            return Err(command);
        }
        // This check must come before the locks. A fork copies a lock that another thread holds.
        // That thread does not exist in the child, so the copy is never released.
        if let Err(error) = self.check_process() {
            return Ok(Err(error));
        }
        let Some(mut committing) = self.commit.try_lock() else {
            return Err(command);
        };
        // The committer takes commands only under the commit lock, and this thread holds the lock.
        // Every earlier command that no group has run is therefore still in the queue. If the queue
        // is empty, this command overtakes no other.
        if !self.queue.is_idle() {
            return Err(command);
        }
        let done = self.run_group(std::slice::from_ref(&command), &mut committing);
        drop(committing);
        if done.poison.is_some() {
            self.refuse_waiting();
        }
        self.wake_readers();
        let answer = done.answers.into_iter().next();
        Ok(answer.unwrap_or_else(|| Err(missing_answer())))
    }

    /// Runs the committer thread: group commit of the waiting commands until the pipeline closes.
    pub(super) fn run_committer(&self, background: Vec<JoinHandle<()>>) {
        let mut delay = GroupDelay::default();
        loop {
            self.queue.wait_for_work();
            // Take the lock before the commands. While a caller runs a group of one on its own
            // thread, the committer waits here, and later commands collect in the queue for the
            // next write. Also, `lead` relies on finding in the queue every earlier command that no
            // group has run. `take` may wait for more commands while it holds the lock; new callers
            // then join that group.
            let committing = self.commit.lock();
            // An engine may be foreign code. A panic must not end this thread.
            let write_time = catch_unwind(AssertUnwindSafe(|| self.engine().write_time()));
            let write_time = write_time.unwrap_or_default();
            let limit = GroupDelay::limit(self.limits.batch, write_time);
            let expected = delay.expected(limit, write_time);
            match self.queue.take(limit, expected, delay.max_wait()) {
                Some(Work::Group(requests)) => self.commit(committing, requests, &mut delay),
                Some(Work::ReserveBlock) => self.reserve_block(committing),
                Some(Work::Close) => break,
                None => {}
            }
        }
        self.end(background);
    }

    /// Runs a group of commands and delivers the answers to its callers.
    fn commit(
        &self,
        mut committing: MutexGuard<'_, GroupMemory>,
        requests: Vec<Request>,
        delay: &mut GroupDelay,
    ) {
        let parts = |request: Request| (request.command, request.slot);
        let (commands, slots): (Vec<_>, Vec<_>) = requests.into_iter().map(parts).unzip();
        let began = Instant::now();
        let done = self.run_group(&commands, &mut committing);
        let took = began.elapsed();
        drop(committing);
        if done.poison.is_some() {
            self.refuse_waiting();
        }
        delay.ran(slots.len(), self.queue.len(), took);
        let (mut asleep, mut tasks) = (VecDeque::new(), Vec::new());
        for (slot, answer) in slots.into_iter().zip(done.answers) {
            match slot.answer(answer) {
                Some(Waiter::Thread(thread)) => asleep.push_back(Asleep { slot, thread }),
                Some(task) => tasks.push(task),
                None => {}
            }
        }
        // Wake the threads only after every answer is stored, because the wake chain skips a thread
        // without an answer. Wake the tasks last, because a waker is foreign code and may be slow.
        self.queue.wake_chain().begin(asleep);
        tasks.into_iter().for_each(Waiter::wake);
        self.wake_readers();
    }

    /// Runs a group of commands. `memory` is behind the commit lock, so the caller holds the lock.
    fn run_group(&self, commands: &[Command], memory: &mut GroupMemory) -> Done {
        if let Some(cause) = self.queue.poison() {
            return refused(commands.len(), &Error::Poisoned(cause));
        }
        let done = self.run_unless_panicked(commands, memory);
        self.count(&done.answers);
        // Poison the store under the commit lock. After the lock is released, another thread could
        // write the next group, although the outcome of this write is unknown.
        if let Some(cause) = &done.poison {
            self.queue.poison_with(cause.clone());
        }
        done
    }

    /// Runs a group and catches its panics. If a panic ended the committer thread, no later caller
    /// would get an answer.
    ///
    /// The clock and the tracing subscriber are foreign code and may panic:
    ///
    /// - A panic before the group: nothing was written.
    /// - A panic within the group: the outcome is unknown, and the store is poisoned.
    /// - A panic after the group: the answers of the group stay valid.
    fn run_unless_panicked(&self, commands: &[Command], memory: &mut GroupMemory) -> Done {
        let (mut is_begun, mut done) = (false, None);
        let run = || {
            let runner = Runner {
                engine: self.engine(),
                policy: &self.policy,
                now: self.now(),
            };
            spans::group(commands.len(), || {
                is_begun = true;
                done = Some(runner.run(commands, memory));
            });
        };
        let ran = catch_unwind(AssertUnwindSafe(run));
        match done {
            Some(done) => done,
            None if ran.is_err() && !is_begun => {
                refused(commands.len(), &Error::NotApplied(panicked()))
            }
            None => Done {
                poison: Some(panicked()),
                ..refused(commands.len(), &Error::OutcomeUnknown(panicked()))
            },
        }
    }

    /// Adds an answered group to the counters of [`Stats`](super::Stats).
    fn count(&self, answers: &[Answer]) {
        let size = answers.len();
        self.tally.last_group.store(size, Ordering::Relaxed);
        self.tally.groups.fetch_add(1, Ordering::Relaxed);
        self.tally
            .commands
            .fetch_add(u64_of(size), Ordering::Relaxed);
        let answered = answers.iter().filter_map(|answer| answer.as_ref().ok());
        let full = answered.filter(|answered| answered.outcome.is_record_full());
        let full = u64_of(full.count());
        self.tally.record_full.fetch_add(full, Ordering::Relaxed);
    }

    /// Answers all waiting commands with [`Error::Poisoned`] if the store is poisoned. These
    /// commands are certainly not applied.
    ///
    /// The caller must not hold the commit lock. A waker is foreign code and may drop the last
    /// clone of the store. The drop waits for the committer, and the committer needs the lock.
    fn refuse_waiting(&self) {
        if let Some((cause, waiting)) = self.queue.drain_poisoned() {
            for request in waiting {
                request.slot.complete(Err(Error::Poisoned(cause.clone())));
            }
        }
    }

    /// Reserves the next block of order numbers, and answers the callers that wait for it.
    fn reserve_block(&self, committing: MutexGuard<'_, GroupMemory>) {
        let reserved = match self.queue.refusal() {
            Some(refusal) => Err(refusal),
            // Nothing to do: several callers may request the same block, and an earlier request has
            // already reserved it.
            None if self.generator.has_enough() => Ok(()),
            None => self.reserve(),
        };
        drop(committing);
        self.refuse_waiting();
        // Answer all callers in `numberless`. A caller joins this list before it requests a block.
        // If a caller joins later, the committer therefore calls this function again.
        let waiting = std::mem::take(&mut *self.numberless.lock());
        match reserved {
            Ok(()) => {
                for callback in waiting {
                    self.answer_number(callback);
                }
            }
            Err(error) => {
                self.generator.reservation_failed();
                for callback in waiting {
                    callback(Err(error.clone()));
                }
            }
        }
    }

    /// Reserves a block and gives it to the generator. An unknown outcome poisons the store.
    fn reserve(&self) -> Result<(), Error> {
        let reserved = catch_unwind(AssertUnwindSafe(|| self.engine.reserve(BLOCK)));
        match reserved.unwrap_or_else(|_| Err(EngineError::Unknown(panicked()))) {
            Ok(block) if block.is_empty() || block.end > COUNTERS => {
                let why = "the engine reserved no counter or a counter of 10^16 or more";
                Err(Error::NotApplied(StorageError::new(
                    StorageErrorKind::Internal,
                    why,
                )))
            }
            Ok(block) => {
                self.generator.add_block(block);
                Ok(())
            }
            Err(EngineError::Unknown(cause) | EngineError::Fatal(cause)) => {
                self.queue.poison_with(cause.clone());
                // Report "not applied", because the caller gets no number. If the engine did
                // reserve the block, its numbers stay unused.
                Err(before_the_write(EngineError::Retry(cause)))
            }
            Err(error) => Err(in_the_write(error)),
        }
    }

    /// Gives an order number to a caller that waited for a block. If other callers have used up the
    /// block, the caller waits for the next one.
    fn answer_number(&self, callback: Callback<OrderNo>) {
        match catch_unwind(AssertUnwindSafe(|| self.draw_number())) {
            Ok(Some(no)) => callback(Ok(no)),
            Ok(None) => {
                self.numberless.lock().push(callback);
                self.queue.want_block();
            }
            Err(_) => callback(Err(Error::NotApplied(panicked()))),
        }
    }

    /// Closes the queues of the background threads. The threads finish the waiting jobs first.
    fn close_job_queues(&self) {
        self.long.close();
        self.reads.close();
    }

    /// Ends the pipeline after its last group: finishes the background jobs, closes the engine and
    /// answers the callers of `shutdown`.
    fn end(&self, background: Vec<JoinHandle<()>>) {
        // End the background jobs before the engine closes, because they use the engine.
        self.close_job_queues();
        for thread in background {
            drop(thread.join());
        }
        // Answer the callers that wait for an order number, because no more blocks are reserved. A
        // caller that joins the list later finds the queue closed and answers itself: see
        // `Pipeline::number`.
        self.refuse_numbers();
        // Wait for the lock, because a caller may still run a group on its own thread.
        let committing = self.commit.lock();
        let closed = catch_unwind(AssertUnwindSafe(|| self.engine.close()));
        drop(committing);
        let closed = closed.unwrap_or_else(|_| Err(EngineError::Fatal(panicked())));
        let over = closed.map_err(unclosed);
        match &over {
            Ok(()) => event!(info, "shut down store"),
            Err(error) => event!(error, "failed to close store", cause = with_causes(error)),
        }
        // One lock covers storing the result and taking the list of waiting callers. A call of
        // `shutdown` is either in this list, or finds the result. The callbacks are foreign code
        // and run without the lock.
        let mut ending = self.ending.lock();
        ending.over = Some(over.clone());
        let waiting = std::mem::take(&mut ending.waiting);
        drop(ending);
        for callback in waiting {
            callback(over.clone());
        }
    }
}

/// Returns the result of a group in which every command fails with the same error.
fn refused(commands: usize, why: &Error) -> Done {
    Done {
        answers: (0..commands).map(|_| Err(why.clone())).collect(),
        poison: None,
    }
}

fn unclosed(error: EngineError) -> Error {
    error.into_error(Error::Unclosed)
}

/// Error for a group that returned no answer for its command: a bug of this crate.
fn missing_answer() -> Error {
    let why = "the group returned no answer for its command";
    Error::OutcomeUnknown(StorageError::new(StorageErrorKind::Internal, why))
}
