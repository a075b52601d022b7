//! Where one answer is left by the flow and picked up by one caller: a thread that parks,
//! or a task that is polled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::reply::{AnyReply, Extract, wrong_reply};
use super::sync::Mutex;
use super::sync::thread::{self, Thread};
use super::wake_chain::{AnswerSlot, WakeChain};
use crate::error::Error;

/// One answer's place.
pub(crate) struct Oneshot {
    state: Mutex<State>,
    /// Where the thread that waits here may stand with others, if it is one of a group.
    group: Option<Arc<WakeChain>>,
}

enum State {
    /// Nobody has answered, nobody waits.
    Empty,
    /// A thread is parked.
    Parked(Thread),
    /// A task was polled.
    Polled(Waker),
    /// The answer is here.
    Done(Result<AnyReply, Error>),
    /// The answer was picked up.
    Taken,
}

/// Who waits for an answer.
pub(super) enum Waiter {
    Thread(Thread),
    Task(Waker),
}

impl Waiter {
    /// A waker is foreign code: it may poll at once, or drop the store, and so runs without
    /// a lock; where it panics, the others are still to be told.
    pub(super) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => drop(catch_unwind(AssertUnwindSafe(|| waker.wake()))),
        }
    }
}

impl Oneshot {
    fn of(state: State, group: Option<Arc<WakeChain>>) -> Arc<Self> {
        let state = Mutex::new(state);
        Arc::new(Self { state, group })
    }

    pub(crate) fn new() -> Arc<Self> {
        Self::of(State::Empty, None)
    }

    pub(crate) fn done(said: Result<AnyReply, Error>) -> Arc<Self> {
        Self::of(State::Done(said), None)
    }

    /// For one command of a group: who waits here wakes others of it.
    pub(super) fn in_group(group: &Arc<WakeChain>) -> Arc<Self> {
        Self::of(State::Empty, Some(Arc::clone(group)))
    }

    /// Leaves the answer and wakes whoever waits for it.
    pub(crate) fn complete(&self, said: Result<AnyReply, Error>) {
        if let Some(waiter) = self.answer(said) {
            waiter.wake();
        }
    }

    /// Leaves the answer; who waits for it is still to be woken.
    pub(super) fn answer(&self, said: Result<AnyReply, Error>) -> Option<Waiter> {
        match self.replace(State::Done(said)) {
            State::Parked(thread) => Some(Waiter::Thread(thread)),
            State::Polled(waker) => Some(Waiter::Task(waker)),
            State::Empty | State::Done(_) | State::Taken => None,
        }
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut *self.state.lock(), state)
    }

    /// The answer if it is here; else leaves `waiter` to be told when it is. The waiter
    /// before is dropped without the lock: with it may go the last clone of the store.
    fn take_or(&self, waiter: State) -> Option<Result<AnyReply, Error>> {
        let mut state = self.state.lock();
        let next = match &*state {
            State::Done(_) | State::Taken => State::Taken,
            State::Empty | State::Parked(_) | State::Polled(_) => waiter,
        };
        let before = std::mem::replace(&mut *state, next);
        drop(state);
        match before {
            State::Done(said) => Some(said),
            // Nothing more will come: to wait for it would be to wait for ever.
            State::Taken => Some(Err(wrong_reply())),
            State::Empty | State::Parked(_) | State::Polled(_) => None,
        }
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Option<Result<AnyReply, Error>> {
        let said = self.park_until(deadline)?;
        if let Some(group) = &self.group {
            group.go_on();
        }
        Some(said)
    }

    fn park_until(&self, deadline: Option<Instant>) -> Option<Result<AnyReply, Error>> {
        loop {
            if let Some(said) = self.take_or(State::Parked(thread::current())) {
                return Some(said);
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                // Who is not here any more is not to be woken: it would wake nobody.
                Some(Duration::ZERO) => return self.take_or(State::Empty),
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

impl AnswerSlot for Oneshot {
    fn is_done(&self) -> bool {
        matches!(&*self.state.lock(), State::Done(_))
    }
}

/// The right to one answer of a call that was handed over. Dropping it cancels nothing.
#[must_use = "a ticket that is dropped leaves its answer unheard"]
pub struct Ticket<T> {
    slot: Arc<Oneshot>,
    hear: Extract<T>,
}

impl<T> Ticket<T> {
    pub(crate) const fn new(slot: Arc<Oneshot>, hear: Extract<T>) -> Self {
        Self { slot, hear }
    }

    /// Parks the thread until the answer is here.
    ///
    /// # Errors
    /// What the call failed with: see [`Error`] for what each says of the data.
    pub fn wait(self) -> Result<T, Error> {
        let said = self.slot.wait_until(None);
        said.map_or_else(|| Err(wrong_reply()), |said| self.hear(said))
    }

    /// Parks the thread until the answer is here, at most for `limit`; then the ticket
    /// comes back.
    ///
    /// # Errors
    /// The ticket itself where the time ran out.
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T, Error>, Self> {
        let deadline = Instant::now().checked_add(limit);
        match self.slot.wait_until(deadline) {
            Some(said) => Ok(self.hear(said)),
            None => Err(self),
        }
    }

    /// Whether the answer is here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.slot.is_done()
    }

    fn hear(&self, said: Result<AnyReply, Error>) -> Result<T, Error> {
        said.and_then(|said| (self.hear)(said).ok_or_else(wrong_reply))
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let said = self.slot.take_or(State::Polled(context.waker().clone()));
        said.map_or(Poll::Pending, |said| Poll::Ready(self.hear(said)))
    }
}

impl<T> std::fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sync::tried;
    use super::*;

    #[test]
    fn an_answer_is_heard_whoever_comes_first() {
        tried(|| {
            let slot = Oneshot::new();
            let hear = |said| matches!(said, AnyReply::Done).then_some(());
            let ticket = Ticket::new(Arc::clone(&slot), hear);
            let answers = thread::spawn(move || slot.complete(Ok(AnyReply::Done)));
            assert!(ticket.wait().is_ok());
            answers.join().unwrap();
        });
    }

    /// A thread that the slot still names would be woken in the place of one that waits.
    #[test]
    fn thread_that_gave_up_waiting_is_not_woken() {
        tried(|| {
            let slot = Oneshot::new();
            let hear = |said| matches!(said, AnyReply::Done).then_some(());
            let ticket = Ticket::new(Arc::clone(&slot), hear);
            let answers = thread::spawn(move || slot.answer(Ok(AnyReply::Done)).is_some());
            let heard = ticket.wait_timeout(Duration::ZERO);
            let is_woken = answers.join().unwrap();
            match heard {
                Ok(heard) => assert!(heard.is_ok()),
                Err(ticket) => assert!(!is_woken && ticket.wait().is_ok()),
            }
        });
    }
}
