//! Queue of the commands that wait for the committer.
//!
//! The queue has limits for the number of commands and for their bytes. A full queue refuses a
//! command at once and never blocks a caller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::oneshot::{CommandSlot, Oneshot};
use super::wake_chain::WakeChain;
use crate::error::{Error, StorageError, with_causes};
use crate::log::event;
use crate::order::Command;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};

/// Waiting command, and the slot for its answer.
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) slot: CommandSlot,
}

/// Limits of the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Maximum number of waiting commands.
    pub(crate) commands: usize,
    /// Maximum size of the waiting commands in bytes, by [`Command::footprint`].
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Checks that an empty queue can hold this many commands and bytes.
    fn could_take(self, commands: usize, bytes: usize) -> Result<(), Error> {
        let limits = [
            ("commands", commands, self.commands),
            ("bytes", bytes, self.bytes),
        ];
        match limits.into_iter().find(|(_, found, limit)| found > limit) {
            Some((what, found, limit)) => Err(Error::BatchTooLarge { what, found, limit }),
            None => Ok(()),
        }
    }
}

/// Queue of commands, with the condition variable that wakes the committer.
pub(super) struct Queue {
    bounds: Bounds,
    /// Copy of [`State::closing`], which read calls check without taking the lock.
    is_closing: AtomicBool,
    state: Mutex<State>,
    /// Condition variable that wakes the committer.
    arrived: Condvar,
    /// Threads that wait for the answers to their commands.
    wake_chain: Arc<WakeChain>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    /// Size of the waiting commands in bytes.
    bytes: usize,
    /// Number of waiting commands at which `push` wakes the committer. `usize::MAX` while the
    /// committer is awake.
    wanted: usize,
    /// Whether the generator of order numbers needs its next block.
    wants_block: bool,
    /// Error that poisoned the store, if it is poisoned.
    poison: Option<StorageError>,
    is_read_only: bool,
    closing: bool,
}

/// Next task of the committer.
pub(super) enum Work {
    /// Run these commands as one group.
    Group(Vec<Request>),
    /// Reserve the next block of order numbers.
    ReserveBlock,
    /// End the pipeline.
    Close,
}

impl Queue {
    pub(super) fn new(bounds: Bounds, is_read_only: bool) -> Self {
        let state = State {
            is_read_only,
            ..State::default()
        };
        Self {
            bounds,
            is_closing: AtomicBool::new(false),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            wake_chain: Arc::default(),
        }
    }

    /// Returns the threads that wait for the answers to their commands.
    pub(super) fn wake_chain(&self) -> &WakeChain {
        &self.wake_chain
    }

    /// Returns the number of waiting commands.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Returns whether a shutdown has begun.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Returns the error for new commands if the store is shutting down, poisoned or a standby. `None`
    /// if the queue accepts commands.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.state.lock().refusal()
    }

    /// Returns the error that poisoned the store, if any. A poisoned store must write no group.
    pub(super) fn poison(&self) -> Option<StorageError> {
        self.state.lock().poison.clone()
    }

    /// Queues a command and returns the slot for its answer. Returns the command with the reason if
    /// the queue does not accept it.
    pub(super) fn push(&self, command: Command) -> Result<CommandSlot, (Error, Command)> {
        let slot = Oneshot::in_group(&self.wake_chain);
        let bytes = command.footprint();
        let mut state = self.state.lock();
        if let Err(error) = state.admit(self.bounds, 1, bytes) {
            return Err((error, command));
        }
        state.waiting.push_back(Request {
            command,
            slot: Arc::clone(&slot),
        });
        self.wake(&state);
        Ok(slot)
    }

    /// Queues all commands or none. The committer may still split them into several groups.
    pub(super) fn push_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<CommandSlot>, (Error, Vec<Command>)> {
        let bytes = commands.iter().map(Command::footprint).sum();
        if let Err(error) = self.bounds.could_take(commands.len(), bytes) {
            return Err((error, commands));
        }
        let slot = |_| Oneshot::in_group(&self.wake_chain);
        let slots: Vec<CommandSlot> = commands.iter().map(slot).collect();
        let mut state = self.state.lock();
        if let Err(error) = state.admit(self.bounds, commands.len(), bytes) {
            return Err((error, commands));
        }
        let requests = commands.into_iter().zip(slots.iter().cloned());
        let requests = requests.map(|(command, slot)| Request { command, slot });
        state.waiting.extend(requests);
        self.wake(&state);
        Ok(slots)
    }

    /// Asks the committer to reserve the next block of order numbers.
    pub(super) fn want_block(&self) {
        self.state.lock().wants_block = true;
        self.arrived.notify_one();
    }

    /// Refuses all later commands. The committer still answers the waiting ones.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.is_closing.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Poisons the store: the queue refuses all later commands until the store is opened again. If
    /// the store is already poisoned, the first cause stays. The caller must then answer the
    /// waiting commands: see [`Queue::drain_poisoned`].
    pub(super) fn poison_with(&self, cause: StorageError) {
        let mut state = self.state.lock();
        if state.poison.is_some() {
            return;
        }
        state.poison = Some(cause.clone());
        // Release the lock first, because the tracing subscriber is foreign code.
        drop(state);
        event!(error, "poisoned store", cause = with_causes(&cause));
    }

    /// Removes all waiting commands if the store is poisoned. Returns the cause and the commands.
    pub(super) fn drain_poisoned(&self) -> Option<(StorageError, VecDeque<Request>)> {
        let mut state = self.state.lock();
        let cause = state.poison.clone()?;
        state.bytes = 0;
        Some((cause, std::mem::take(&mut state.waiting)))
    }

    /// Returns whether a caller that holds the commit lock may run a group of its own. This
    /// requires that no command is waiting, because the caller would overtake it, and that the
    /// queue accepts commands.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.refusal().is_none()
    }

    /// Puts the committer to sleep until there is work.
    pub(super) fn wait_for_work(&self) {
        let mut state = self.state.lock();
        // One lock covers the check, the change of `wanted` and the start of the wait. The check
        // sees a command that arrived earlier. A later command finds `wanted` at 1 and wakes the
        // committer. Without this lock, the committer could miss a command, and its caller would
        // get no answer.
        while state.is_idle() {
            state.wanted = 1;
            self.arrived.wait(&mut state);
        }
        state.wanted = usize::MAX;
    }

    /// Takes the next work. A group has at most `limit` commands. If fewer than `expected` commands
    /// are waiting, waits for more, at most `max_wait`. Returns `None` if another thread removed
    /// the commands in the meantime.
    pub(super) fn take(&self, limit: usize, expected: usize, max_wait: Duration) -> Option<Work> {
        let mut state = self.state.lock();
        if state.waiting.len() < expected && !state.is_idle() && !state.is_urgent() {
            // Wait once and not in a loop: a spurious wakeup only makes this group smaller.
            state.wanted = expected;
            self.arrived.wait_for(&mut state, max_wait);
            state.wanted = usize::MAX;
        }
        state.take(limit)
    }

    /// Wakes the committer if enough commands are waiting.
    fn wake(&self, state: &State) {
        if state.waiting.len() >= state.wanted {
            self.arrived.notify_one();
        }
    }
}

impl State {
    /// Returns whether the queue holds no work for the committer: no command, no block request and
    /// no shutdown. An earlier group may still be running.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.wants_block && !self.closing
    }

    /// Returns whether the committer must not wait for more commands.
    fn is_urgent(&self) -> bool {
        self.wants_block || self.closing || self.poison.is_some()
    }

    fn refusal(&self) -> Option<Error> {
        if self.closing {
            return Some(Error::ShutDown);
        }
        if self.is_read_only {
            return Some(Error::ReadOnly);
        }
        self.poison.clone().map(Error::Poisoned)
    }

    /// Checks that the queue accepts this many commands and bytes, and counts the bytes.
    fn admit(&mut self, bounds: Bounds, commands: usize, bytes: usize) -> Result<(), Error> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let commands = self.waiting.len() + commands;
        let bytes = self.bytes + bytes;
        if commands > bounds.commands || bytes > bounds.bytes {
            return Err(Error::Overloaded);
        }
        self.bytes = bytes;
        Ok(())
    }

    fn take(&mut self, limit: usize) -> Option<Work> {
        // Reserve the block first, because callers without an order number cannot send a command.
        if std::mem::take(&mut self.wants_block) {
            return Some(Work::ReserveBlock);
        }
        // Close last, because the pipeline must answer every accepted command before it closes.
        if self.waiting.is_empty() {
            return self.closing.then_some(Work::Close);
        }
        let count = self.waiting.len().min(limit);
        let group: Vec<Request> = self.waiting.drain(..count).collect();
        let bytes: usize = group
            .iter()
            .map(|request| request.command.footprint())
            .sum();
        debug_assert!(bytes <= self.bytes, "the group exceeds the queue");
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(Work::Group(group))
    }
}
