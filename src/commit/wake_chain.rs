//! Threads that were answered together, woken by one another.
//!
//! To wake a thread takes as long as to decide a command. A committer that woke a whole group
//! would keep the next one waiting for it; so it wakes the first few, and whoever was woken
//! wakes the next before going on.
//!
//! - Whoever wakes takes the next threads there are: a thread that was woken and does not
//!   run yet keeps nobody waiting. What is left when the next group is answered is woken
//!   then.
//! - A thread may wake by itself and take its answer before it stands here: it has gone on
//!   then, and found nobody. To wake it would end the chain, so it is passed over.
//! - Only threads that go on to wake others may stand here: one that gives up waiting leaves
//!   its slot first, and so is never put here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sync::Mutex;
use super::sync::thread::Thread;

/// How many threads each wakes: two, so that one that is slow to run is made up for.
const EACH: usize = 2;

/// Threads that have their answers and are still asleep.
#[derive(Default)]
pub(super) struct WakeChain {
    asleep: Mutex<VecDeque<Asleep>>,
}

/// A thread that has its answer, and where it takes it.
pub(super) struct Asleep {
    pub(super) slot: Arc<dyn AnswerSlot>,
    pub(super) thread: Thread,
}

/// A place where one thread takes an answer.
pub(super) trait AnswerSlot: Send + Sync {
    /// Whether the answer is there and was not taken yet.
    fn is_done(&self) -> bool;
}

impl WakeChain {
    /// Takes the threads of a group that was answered, and wakes the first of them; those
    /// of the group before have waited long enough.
    pub(super) fn begin(&self, group: VecDeque<Asleep>) {
        let before = std::mem::replace(&mut *self.asleep.lock(), group);
        for asleep in before {
            asleep.thread.unpark();
        }
        self.go_on();
    }

    /// Wakes the next ones: whoever was woken owes that.
    pub(super) fn go_on(&self) {
        for _ in 0..EACH {
            match self.next() {
                Some(thread) => thread.unpark(),
                None => return,
            }
        }
    }

    /// The next one that has still to take its answer, and goes on when it has.
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
    use super::super::reply::AnyReply;
    use super::super::sync::thread::{self, JoinHandle};
    use super::super::sync::tried;
    use super::*;
    use crate::error::Error;

    fn slots(group: &Arc<WakeChain>, count: usize) -> Vec<Arc<Oneshot>> {
        (0..count).map(|_| Oneshot::in_group(group)).collect()
    }

    fn waiter(slot: &Arc<Oneshot>) -> JoinHandle<Result<(), Error>> {
        let hear = |said| matches!(said, AnyReply::Done).then_some(());
        let ticket = Ticket::new(Arc::clone(slot), hear);
        thread::spawn(move || ticket.wait())
    }

    fn answer(slots: Vec<Arc<Oneshot>>) -> VecDeque<Asleep> {
        let answer = |slot: Arc<Oneshot>| match slot.answer(Ok(AnyReply::Done))? {
            Waiter::Thread(thread) => Some(Asleep { slot, thread }),
            Waiter::Task(_) => None,
        };
        slots.into_iter().filter_map(answer).collect()
    }

    #[test]
    fn a_whole_group_is_awake_when_each_wakes_the_next() {
        tried(|| {
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
    fn a_thread_that_wakes_by_itself_leaves_nobody_asleep() {
        tried(|| {
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
    fn those_of_the_group_before_do_not_depend_on_anybody() {
        tried(|| {
            let group = Arc::new(WakeChain::default());
            // Nobody of them takes an answer and goes on; the next group wakes them.
            let sleepers: Vec<_> = (0..5).map(|_| thread::spawn(thread::park)).collect();
            let slots = slots(&group, 5);
            let asleep = sleepers.iter().zip(slots).map(|(sleeper, slot)| {
                assert!(slot.answer(Ok(AnyReply::Done)).is_none());
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
