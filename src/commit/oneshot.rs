//! Slot for one reply. One caller takes the reply: a thread that parks, or a task that polls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::wake_chain::{AnswerSlot, WakeChain};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::order::{Outcome, Reply};
use crate::sync::Mutex;
use crate::sync::thread::{self, Thread};

/// Slot for one reply of type `T`.
pub(crate) struct Oneshot<T> {
    state: Mutex<State<T>>,
    /// Chain of threads that wait for replies of the same group. `None` if the reply does not come
    /// from a group.
    group: Option<Arc<WakeChain>>,
}

enum State<T> {
    /// There is no reply and no waiter.
    Empty,
    /// A thread is parked until the reply arrives.
    Parked(Thread),
    /// A task was polled and waits for the reply.
    Polled(Waker),
    /// The reply has arrived.
    Done(Result<T, Error>),
    /// The caller has taken the reply.
    Taken,
}

/// Slot for the reply to one command.
pub(super) type CommandSlot = Arc<Oneshot<Reply<Outcome>>>;

/// Thread or task that waits for a reply.
pub(super) enum Waiter {
    Thread(Thread),
    Task(Waker),
}

impl Waiter {
    /// Wakes the waiter. The caller must hold no lock, because a waker is foreign code: it may poll
    /// at once or drop the store. A panic of a waker is caught, so that other waiters still wake.
    pub(super) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => drop(catch_unwind(AssertUnwindSafe(|| waker.wake()))),
        }
    }
}

impl<T> Oneshot<T> {
    fn of(state: State<T>, group: Option<Arc<WakeChain>>) -> Arc<Self> {
        let state = Mutex::new(state);
        Arc::new(Self { state, group })
    }

    pub(super) fn new() -> Arc<Self> {
        Self::of(State::Empty, None)
    }

    /// Creates a slot for one command of a group. The thread that waits for the reply then wakes
    /// other threads of the group.
    pub(super) fn in_group(group: &Arc<WakeChain>) -> Arc<Self> {
        Self::of(State::Empty, Some(Arc::clone(group)))
    }

    /// Stores the reply and wakes the waiter.
    pub(super) fn complete(&self, reply: Result<T, Error>) {
        if let Some(waiter) = self.answer(reply) {
            waiter.wake();
        }
    }

    /// Stores the reply and returns the waiter, which the caller must wake.
    pub(super) fn answer(&self, reply: Result<T, Error>) -> Option<Waiter> {
        match self.replace(State::Done(reply)) {
            State::Parked(thread) => Some(Waiter::Thread(thread)),
            State::Polled(waker) => Some(Waiter::Task(waker)),
            State::Empty | State::Done(_) | State::Taken => None,
        }
    }

    fn is_ready(&self) -> bool {
        matches!(&*self.state.lock(), State::Done(_))
    }

    fn replace(&self, state: State<T>) -> State<T> {
        std::mem::replace(&mut *self.state.lock(), state)
    }

    /// Takes the reply if it has arrived. Otherwise stores `waiter` instead of the previous waiter.
    /// The previous waiter is dropped after the lock is released, because its drop may drop the
    /// last clone of the store, which locks again.
    fn take_or(&self, waiter: State<T>) -> Option<Result<T, Error>> {
        let mut state = self.state.lock();
        let next = match &*state {
            State::Done(_) | State::Taken => State::Taken,
            State::Empty | State::Parked(_) | State::Polled(_) => waiter,
        };
        let before = std::mem::replace(&mut *state, next);
        drop(state);
        match before {
            State::Done(reply) => Some(reply),
            // The reply was already taken. Return an error, because a second reply will never
            // arrive.
            State::Taken => Some(Err(no_reply())),
            State::Empty | State::Parked(_) | State::Polled(_) => None,
        }
    }

    /// Waits for the reply; `None` if the deadline passes first.
    fn wait_until(&self, deadline: Option<Instant>) -> Option<Result<T, Error>> {
        let reply = self.park_until(deadline)?;
        if let Some(group) = &self.group {
            group.wake_next();
        }
        Some(reply)
    }

    fn park_until(&self, deadline: Option<Instant>) -> Option<Result<T, Error>> {
        loop {
            if let Some(reply) = self.take_or(State::Parked(thread::current())) {
                return Some(reply);
            }
            // If the reply arrives before the park, its sender finds this thread in the slot and
            // unparks it. The park then returns at once, so no wakeup is lost. A park may also end
            // without a reply; the loop then checks again.
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                // A thread that stops waiting must leave the slot. If it stayed, the wake chain
                // would wake this thread instead of a waiting one, and would end there.
                Some(Duration::ZERO) => return self.take_or(State::Empty),
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Result<T, Error>> {
        let reply = self.take_or(State::Polled(context.waker().clone()));
        reply.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T: Send> AnswerSlot for Oneshot<T> {
    fn is_done(&self) -> bool {
        self.is_ready()
    }
}

/// Ticket for the reply to a submitted call. Dropping the ticket does not cancel the call.
#[must_use = "a ticket that is dropped loses the reply"]
pub struct Ticket<T>(Receiver<T>);

/// Slot from which a ticket receives its reply.
enum Receiver<T> {
    /// Reply to a command. All commands share one queue, so the slot holds the general [`Outcome`].
    /// The function converts it to the outcome type of the submitted command.
    Command(CommandSlot, fn(Reply<Outcome>) -> Result<T, Error>),
    Own(Arc<Oneshot<T>>),
}

impl<T> Ticket<T> {
    pub(super) const fn of(slot: Arc<Oneshot<T>>) -> Self {
        Self(Receiver::Own(slot))
    }

    pub(super) const fn of_command(
        slot: CommandSlot,
        narrow: fn(Reply<Outcome>) -> Result<T, Error>,
    ) -> Self {
        Self(Receiver::Command(slot, narrow))
    }

    /// Creates a ticket whose reply has already arrived.
    pub(super) fn done(reply: Result<T, Error>) -> Self {
        Self::of(Oneshot::of(State::Done(reply), None))
    }

    /// Parks the thread until the reply arrives.
    ///
    /// # Errors
    /// The error of the call. Each variant of [`Error`] states whether the command was applied.
    pub fn wait(self) -> Result<T, Error> {
        self.wait_until(None).unwrap_or_else(|| Err(no_reply()))
    }

    /// Parks the thread until the reply arrives, for at most `limit`. After that time, returns the
    /// ticket.
    ///
    /// # Errors
    /// The ticket itself if the limit passes first.
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T, Error>, Self> {
        let deadline = Instant::now().checked_add(limit);
        self.wait_until(deadline).ok_or(self)
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Option<Result<T, Error>> {
        match &self.0 {
            Receiver::Command(slot, narrow) => slot
                .wait_until(deadline)
                .map(|reply| reply.and_then(narrow)),
            Receiver::Own(slot) => slot.wait_until(deadline),
        }
    }

    /// Returns whether the reply has arrived.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Receiver::Command(slot, _) => slot.is_ready(),
            Receiver::Own(slot) => slot.is_ready(),
        }
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            Receiver::Command(slot, narrow) => {
                slot.poll(context).map(|reply| reply.and_then(narrow))
            }
            Receiver::Own(slot) => slot.poll(context),
        }
    }
}

impl<T> std::fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

/// Error for a second attempt to take the reply: the caller polled a finished future again.
pub(super) fn no_reply() -> Error {
    Error::OutcomeUnknown(StorageError::new(
        StorageErrorKind::Internal,
        "the reply was already taken: a finished future was polled again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::run_schedules;

    #[test]
    fn wait_returns_reply_sent_before_or_during_wait() {
        run_schedules(|| {
            let slot = Oneshot::new();
            let ticket = Ticket::of(Arc::clone(&slot));
            let answers = thread::spawn(move || slot.complete(Ok(())));
            assert!(ticket.wait().is_ok());
            answers.join().unwrap();
        });
    }

    /// A thread that stopped waiting must leave the slot. Otherwise the reply would wake this
    /// thread instead of one that still waits.
    #[test]
    fn timed_out_thread_is_not_woken() {
        run_schedules(|| {
            let slot = Oneshot::new();
            let ticket = Ticket::of(Arc::clone(&slot));
            let answers = thread::spawn(move || slot.answer(Ok(())).is_some());
            let waited = ticket.wait_timeout(Duration::ZERO);
            let is_woken = answers.join().unwrap();
            match waited {
                Ok(reply) => assert!(reply.is_ok()),
                Err(ticket) => assert!(!is_woken && ticket.wait().is_ok()),
            }
        });
    }
}
