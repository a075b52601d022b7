//! Who runs a group: the committer thread, or a caller that is alone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::background::JobQueue;
use super::group::{Answer, Done, Runner, before_the_write, in_the_write};
use super::group_delay::GroupDelay;
use super::oneshot::Waiter;
use super::queue::{Request, Work};
use super::sync::MutexGuard;
use super::sync::atomic::Ordering;
use super::sync::thread::{self, JoinHandle, ThreadId};
use super::wake_chain::Asleep;
use super::{Callback, Pipeline, panicked, spans};
use crate::engine::EngineError;
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::log::{cause, event};
use crate::order::Command;
use crate::order_no::{BLOCK, COUNTERS};
use crate::types::OrderNo;

/// The flow's threads, joined by whoever ends the flow.
#[derive(Debug)]
pub(crate) struct Threads {
    committer: JoinHandle<()>,
    sides: Vec<ThreadId>,
}

/// How many reads an engine that waits for other machines is asked at once.
const READERS: usize = 4;

impl Threads {
    pub(crate) fn start(flow: &Arc<Pipeline>) -> Result<Self, std::io::Error> {
        let started = Self::start_all(flow);
        if started.is_err() {
            flow.close_sides();
        }
        started
    }

    fn start_all(flow: &Arc<Pipeline>) -> Result<Self, std::io::Error> {
        let start = |name, side: fn(&Pipeline) -> &JobQueue| {
            let own = Arc::clone(flow);
            named(name).spawn(move || own.run_side(side(&own)))
        };
        let mut sides = vec![start("side", |flow| &flow.long)?];
        let readers = if flow.limits.is_quick { 0 } else { READERS };
        for _ in 0..readers {
            sides.push(start("reader", |flow| &flow.reads)?);
        }
        let own = Arc::clone(flow);
        Ok(Self {
            sides: sides.iter().map(|side| side.thread().id()).collect(),
            committer: named("committer").spawn(move || own.run_committer(sides))?,
        })
    }

    /// Waits until the flow has ended, unless that is asked on one of its own threads, by
    /// a waker that dropped the last clone: that one goes on and ends by itself.
    pub(crate) fn join(self) {
        let here = thread::current().id();
        if here != self.committer.thread().id() && !self.sides.contains(&here) {
            // Its panics are caught where they happen; there is nobody to tell of others.
            drop(self.committer.join());
        }
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(format!("orderstore-{name}"))
}

impl Pipeline {
    /// Runs a group of one on this thread, if nobody else waits or commits. While groups
    /// are larger than that, joining the next one is quicker for everybody.
    pub(super) fn lead(&self, command: Command) -> Result<Answer, Command> {
        let alone = self.tally.last_group.load(Ordering::Relaxed) <= 1;
        if !alone || !self.limits.on_callers_thread {
            return Err(command);
        }
        // Before the locks: a fork may have copied them while they were held.
        if let Err(error) = self.check_process() {
            return Ok(Err(error));
        }
        let Some(committing) = self.commit.try_lock() else {
            return Err(command);
        };
        if !self.queue.is_idle() {
            return Err(command);
        }
        let done = self.run_group(std::slice::from_ref(&command));
        drop(committing);
        if done.poison.is_some() {
            self.refuse_waiting();
        }
        let answer = done.answers.into_iter().next();
        Ok(answer.unwrap_or_else(|| Err(lost())))
    }

    /// The life of the committer thread. What waits is taken under the commit lock and
    /// not before: all that came while another group was written goes into one.
    pub(super) fn run_committer(&self, sides: Vec<JoinHandle<()>>) {
        let limit = self.limits.batch.max(1);
        let mut rhythm = GroupDelay::default();
        loop {
            self.queue.wait_for_work();
            let committing = self.commit.lock();
            let expected = rhythm.expected().min(limit);
            match self.queue.take(limit, expected, rhythm.patience()) {
                Some(Work::Group(requests)) => self.commit(committing, requests, &mut rhythm),
                Some(Work::ReserveBlock) => self.reserve_block(committing),
                Some(Work::Close) => break,
                None => {}
            }
        }
        self.end(sides);
    }

    fn commit(
        &self,
        committing: MutexGuard<'_, ()>,
        requests: Vec<Request>,
        rhythm: &mut GroupDelay,
    ) {
        let mut commands = Vec::with_capacity(requests.len());
        let mut slots = Vec::with_capacity(requests.len());
        for request in requests {
            commands.push(request.command);
            slots.push(request.slot);
        }
        let began = Instant::now();
        let done = self.run_group(&commands);
        let took = began.elapsed();
        drop(committing);
        if done.poison.is_some() {
            self.refuse_waiting();
        }
        rhythm.ran(slots.len(), self.queue.len(), took);
        let answered = slots.into_iter().zip(done.answers);
        let (mut asleep, mut tasks) = (VecDeque::new(), Vec::new());
        for (slot, answer) in answered {
            match slot.answer(answer) {
                Some(Waiter::Thread(thread)) => asleep.push_back(Asleep { slot, thread }),
                Some(task) => tasks.push(task),
                None => {}
            }
        }
        // Wakers are foreign code, and may be slow: no thread waits for them.
        self.queue.wakes().begin(asleep);
        tasks.into_iter().for_each(Waiter::wake);
    }

    /// Runs a group under the commit lock; whoever calls holds it.
    fn run_group(&self, commands: &[Command]) -> Done {
        if let Some(cause) = self.queue.poison() {
            return refused(commands.len(), &Error::Poisoned(cause));
        }
        let done = self.run_unless_panicked(commands);
        self.count(&done.answers);
        if let Some(cause) = &done.poison {
            self.queue.poison_with(cause.clone());
        }
        done
    }

    /// The clock and whoever hears the spans of a group are foreign code. Where they panic
    /// before the group runs, nothing was written; where they panic after it, it has answers.
    fn run_unless_panicked(&self, commands: &[Command]) -> Done {
        let (mut is_begun, mut done) = (false, None);
        let run = || {
            let runner = Runner {
                engine: self.engine(),
                policy: &self.policy,
                now: self.now(),
            };
            spans::group(commands.len(), || {
                is_begun = true;
                let ran = runner.run(commands);
                let poison = ran.poison.clone();
                done = Some(ran);
                poison
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

    fn count(&self, answers: &[Answer]) {
        let size = answers.len();
        self.tally.last_group.store(size, Ordering::Relaxed);
        self.tally.groups.fetch_add(1, Ordering::Relaxed);
        let commands = u64::try_from(size).unwrap_or(u64::MAX);
        self.tally.commands.fetch_add(commands, Ordering::Relaxed);
        let answered = answers.iter().filter_map(|answer| answer.as_ref().ok());
        let full = answered.filter(|answered| answered.outcome.is_record_full());
        let full = u64::try_from(full.count()).unwrap_or(u64::MAX);
        self.tally.record_full.fetch_add(full, Ordering::Relaxed);
    }

    /// Tells those who wait that all writing has stopped, if it has: they are certainly
    /// not applied. Not under the commit lock: their wakers are foreign code, which may
    /// drop the store and so wait for the committer.
    fn refuse_waiting(&self) {
        if let Some((cause, waiting)) = self.queue.drain_poisoned() {
            for request in waiting {
                request.slot.complete(Err(Error::Poisoned(cause.clone())));
            }
        }
    }

    /// Fetches the generator's next block, and answers those who wait for it.
    fn reserve_block(&self, committing: MutexGuard<'_, ()>) {
        let reserved = match self.queue.refusal() {
            Some(refusal) => Err(refusal),
            // Many may have asked at once for the block that one of them got.
            None if self.generator.is_stocked() => Ok(()),
            None => self.reserve(),
        };
        drop(committing);
        self.refuse_waiting();
        let waiting = std::mem::take(&mut *self.numberless.lock());
        match reserved {
            Ok(()) => {
                for callback in waiting {
                    self.answer_number(callback);
                }
            }
            Err(error) => {
                self.generator.give_up();
                for callback in waiting {
                    callback(Err(error.clone()));
                }
            }
        }
    }

    fn reserve(&self) -> Result<(), Error> {
        let reserved = catch_unwind(AssertUnwindSafe(|| self.engine.reserve(BLOCK)));
        match reserved.unwrap_or_else(|_| Err(EngineError::Unknown(panicked()))) {
            Ok(block) if block.is_empty() || block.end > COUNTERS => {
                let why = "the engine reserved no number that there is";
                Err(Error::NotApplied(StorageError::new(
                    StorageErrorKind::Internal,
                    why,
                )))
            }
            Ok(block) => {
                self.generator.supply(block);
                Ok(())
            }
            Err(EngineError::Unknown(cause) | EngineError::Fatal(cause)) => {
                self.queue.poison_with(cause.clone());
                // No number was handed out: whatever was reserved is lost, not repeated.
                Err(before_the_write(EngineError::Retry(cause)))
            }
            Err(error) => Err(in_the_write(error)),
        }
    }

    /// A number for one who waited; where so many waited that the block is spent, they
    /// wait for the next.
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

    /// Nothing more is taken: finish what is long, close the engine, tell who waits.
    fn close_sides(&self) {
        self.long.close();
        self.reads.close();
    }

    fn end(&self, sides: Vec<JoinHandle<()>>) {
        self.close_sides();
        for side in sides {
            drop(side.join());
        }
        self.refuse_numbers();
        let committing = self.commit.lock();
        let closed = catch_unwind(AssertUnwindSafe(|| self.engine.close()));
        drop(committing);
        let closed = closed.unwrap_or_else(|_| Err(EngineError::Fatal(panicked())));
        let over = closed.map_err(unclosed);
        match &over {
            Ok(()) => event!(info, "shut down store"),
            Err(error) => event!(error, "failed to close store", cause = cause(error)),
        }
        let mut ending = self.ending.lock();
        ending.over = Some(over.clone());
        let waiting = std::mem::take(&mut ending.waiting);
        drop(ending);
        for callback in waiting {
            callback(over.clone());
        }
    }
}

fn refused(commands: usize, why: &Error) -> Done {
    Done {
        answers: (0..commands).map(|_| Err(why.clone())).collect(),
        poison: None,
    }
}

fn unclosed(error: EngineError) -> Error {
    error.into_error(Error::Unclosed)
}

fn lost() -> Error {
    Error::OutcomeUnknown(panicked())
}
