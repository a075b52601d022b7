//! Commands that wait for the committer: bounded by number and by bytes, refused at once
//! when full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::oneshot::{CommandSlot, Oneshot};
use super::sync::atomic::{AtomicBool, Ordering};
use super::sync::{Condvar, Mutex};
use super::wake_chain::WakeChain;
use crate::error::{Error, StorageError};
use crate::order::Command;

/// A command and where its answer goes.
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) slot: CommandSlot,
}

/// What makes a queue full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) commands: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Whether an empty queue could take so much.
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

pub(super) struct Queue {
    bounds: Bounds,
    /// As in the state: reads ask without its lock.
    is_closing: AtomicBool,
    state: Mutex<State>,
    arrived: Condvar,
    /// Where those stand who wait for commands.
    wakes: Arc<WakeChain>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    bytes: usize,
    /// How many must wait before the committer is woken.
    wanted: usize,
    wants_block: bool,
    poison: Option<StorageError>,
    closing: bool,
}

/// What the committer is to do next.
pub(super) enum Work {
    Group(Vec<Request>),
    ReserveBlock,
    Close,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            is_closing: AtomicBool::new(false),
            state: Mutex::default(),
            arrived: Condvar::new(),
            wakes: Arc::default(),
        }
    }

    /// Where those stand who wait for commands.
    pub(super) fn wakes(&self) -> &WakeChain {
        &self.wakes
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Whether the end has begun.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Why nothing is taken any more, if so.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.state.lock().refusal()
    }

    /// What failed, if no group may be written any more.
    pub(super) fn poison(&self) -> Option<StorageError> {
        self.state.lock().poison.clone()
    }

    pub(super) fn push(&self, command: Command) -> Result<CommandSlot, (Error, Command)> {
        let slot = Oneshot::in_group(&self.wakes);
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

    /// Takes all of them or none.
    pub(super) fn push_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<CommandSlot>, (Error, Vec<Command>)> {
        let bytes = commands.iter().map(Command::footprint).sum();
        if let Err(error) = self.bounds.could_take(commands.len(), bytes) {
            return Err((error, commands));
        }
        let slot = |_| Oneshot::in_group(&self.wakes);
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

    pub(super) fn want_block(&self) {
        self.state.lock().wants_block = true;
        self.arrived.notify_one();
    }

    /// Nothing more is taken; what waits is still worked off.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.is_closing.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Nothing more is taken before a reopen; what waits is to be drained.
    pub(super) fn poison_with(&self, cause: StorageError) {
        self.state.lock().poison.get_or_insert(cause);
    }

    /// Where all writing has stopped: why, and what still waits.
    pub(super) fn drain_poisoned(&self) -> Option<(StorageError, VecDeque<Request>)> {
        let mut state = self.state.lock();
        let cause = state.poison.clone()?;
        state.bytes = 0;
        Some((cause, std::mem::take(&mut state.waiting)))
    }

    /// Whether a caller that holds the commit lock may run a group of its own: nobody
    /// waits, so that nobody is overtaken, and nothing is refused.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.refusal().is_none()
    }

    /// Sleeps until there is something to do.
    pub(super) fn wait_for_work(&self) {
        let mut state = self.state.lock();
        while state.is_idle() {
            state.wanted = 1;
            self.arrived.wait(&mut state);
        }
        state.wanted = usize::MAX;
    }

    /// What is to be done now; `None` where it was done meanwhile. A group that is smaller
    /// than `expected` is given `patience` to grow.
    pub(super) fn take(&self, limit: usize, expected: usize, patience: Duration) -> Option<Work> {
        let mut state = self.state.lock();
        if state.waiting.len() < expected && !state.is_idle() && !state.is_urgent() {
            state.wanted = expected;
            self.arrived.wait_for(&mut state, patience);
            state.wanted = usize::MAX;
        }
        state.take(limit)
    }

    fn wake(&self, state: &State) {
        if state.waiting.len() >= state.wanted {
            self.arrived.notify_one();
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.wants_block && !self.closing
    }

    /// What is not to be held back for commands that may come.
    fn is_urgent(&self) -> bool {
        self.wants_block || self.closing || self.poison.is_some()
    }

    fn refusal(&self) -> Option<Error> {
        if self.closing {
            return Some(Error::ShutDown);
        }
        self.poison.clone().map(Error::Poisoned)
    }

    fn admit(&mut self, bounds: Bounds, commands: usize, bytes: usize) -> Result<(), Error> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let commands = self.waiting.len().saturating_add(commands);
        let bytes = self.bytes.saturating_add(bytes);
        if commands > bounds.commands || bytes > bounds.bytes {
            return Err(Error::Overloaded);
        }
        self.bytes = bytes;
        Ok(())
    }

    fn take(&mut self, limit: usize) -> Option<Work> {
        if std::mem::take(&mut self.wants_block) {
            return Some(Work::ReserveBlock);
        }
        if self.waiting.is_empty() {
            return self.closing.then_some(Work::Close);
        }
        let count = self.waiting.len().min(limit);
        let group: Vec<Request> = self.waiting.drain(..count).collect();
        let bytes: usize = group
            .iter()
            .map(|request| request.command.footprint())
            .sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(Work::Group(group))
    }
}
