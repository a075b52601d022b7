//! Chain that wakes the waiting threads of a group: each woken thread wakes two more.
//!
//! Waking a thread takes as long as deciding a command. A committer that woke a whole group would
//! delay the next group by that time. The committer therefore wakes only the first two threads, and
//! each woken thread wakes two more before it returns to its caller.
//!
//! - A woken thread takes the next entries of the queue, not fixed entries. A thread that is slow
//!   to run therefore delays no other thread. When the next group is answered, the chain wakes all
//!   threads that are left.
//! - A thread can wake up by itself and take its reply before it is queued here. It has then
//!   already called [`WakeChain::wake_next`] and does not call it again. The chain skips this
//!   thread, because it would wake no other thread.
//! - Every queued thread must call [`WakeChain::wake_next`] once. A thread that stops waiting
//!   leaves its slot first, so it is never queued.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::thread::Thread;

/// Number of threads that each woken thread wakes. With 1, a slow thread would delay all others.
const EACH: usize = 2;

/// Queue of the sleeping threads whose replies have arrived.
#[derive(Default)]
pub(super) struct WakeChain {
    asleep: Mutex<VecDeque<Asleep>>,
}

/// Parked thread, and the slot with its reply.
pub(super) struct Asleep {
    pub(super) slot: Arc<dyn AnswerSlot>,
    pub(super) thread: Thread,
}

/// Slot from which one thread takes a reply.
pub(super) trait AnswerSlot: Send + Sync {
    /// Returns whether the reply has arrived and was not taken yet.
    fn is_done(&self) -> bool;
}

impl WakeChain {
    /// Queues the threads of an answered group and wakes the first two. Wakes all threads of the
    /// previous group that are still asleep.
    pub(super) fn begin(&self, group: VecDeque<Asleep>) {
        let before = std::mem::replace(&mut *self.asleep.lock(), group);
        for asleep in before {
            asleep.thread.unpark();
        }
        self.wake_next();
    }

    /// Wakes up to two more threads. Every woken thread must call this method once; without the
    /// call, other threads could sleep until the next group.
    pub(super) fn wake_next(&self) {
        for _ in 0..EACH {
            match self.next() {
                Some(thread) => thread.unpark(),
                None => return,
            }
        }
    }

    /// Returns the next thread that has not taken its reply.
    fn next(&self) -> Option<Thread> {
        loop {
            let next = self.asleep.lock().pop_front()?;
            if next.slot.is_done() {
                return Some(next.thread);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oneshot::{Oneshot, Ticket, Waiter};
    use super::*;
    use crate::error::Error;
    use crate::sync::run_schedules;
    use crate::sync::thread::{self, JoinHandle};

    fn slots(group: &Arc<WakeChain>, count: usize) -> Vec<Arc<Oneshot<()>>> {
        (0..count).map(|_| Oneshot::in_group(group)).collect()
    }

    fn waiter(slot: &Arc<Oneshot<()>>) -> JoinHandle<Result<(), Error>> {
        let ticket = Ticket::of(Arc::clone(slot));
        thread::spawn(move || ticket.wait())
    }

    fn answer(slots: Vec<Arc<Oneshot<()>>>) -> VecDeque<Asleep> {
        let answer = |slot: Arc<Oneshot<()>>| match slot.answer(Ok(()))? {
            Waiter::Thread(thread) => Some(Asleep { slot, thread }),
            Waiter::Task(_) => None,
        };
        slots.into_iter().filter_map(answer).collect()
    }

    #[test]
    fn wake_chain_wakes_every_thread_of_group() {
        run_schedules(|| {
            let group = Arc::new(WakeChain::default());
            let slots = slots(&group, 10);
            let waiters: Vec<_> = slots.iter().map(waiter).collect();
            group.begin(answer(slots));
            for waiter in waiters {
                assert!(waiter.join().unwrap().is_ok());
            }
        });
    }

    #[test]
    fn every_thread_wakes_despite_spurious_wakeup() {
        run_schedules(|| {
            let group = Arc::new(WakeChain::default());
            let slots = slots(&group, 4);
            let waiters: Vec<_> = slots.iter().map(waiter).collect();
            let strangers = [0, 1].map(|place: usize| {
                let thread = waiters[place].thread().clone();
                thread::spawn(move || thread.unpark())
            });
            group.begin(answer(slots));
            for waiter in waiters {
                assert!(waiter.join().unwrap().is_ok());
            }
            for stranger in strangers {
                stranger.join().unwrap();
            }
        });
    }

    #[test]
    fn next_group_wakes_sleeping_threads_of_previous_group() {
        run_schedules(|| {
            let group = Arc::new(WakeChain::default());
            // These threads never continue the wake chain, so the next group must wake all of them.
            let sleepers: Vec<_> = (0..5).map(|_| thread::spawn(thread::park)).collect();
            let slots = slots(&group, 5);
            let asleep = sleepers.iter().zip(slots).map(|(sleeper, slot)| {
                assert!(slot.answer(Ok(())).is_none());
                let thread = sleeper.thread().clone();
                Asleep { slot, thread }
            });
            group.begin(asleep.collect());
            group.begin(VecDeque::new());
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
        });
    }
}
