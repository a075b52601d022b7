//! Threads that were answered together, woken by one another.
//!
//! To wake a thread takes as long as to decide a command. A committer that woke a whole group
//! would keep the next one waiting for it; so it wakes the first few, and whoever was woken
//! wakes the next before going on.
//!
//! - Whoever wakes takes the next thread there is: a thread that was woken and does not run
//!   yet keeps nobody waiting. What is left when the next group is answered is woken then.
//! - Only threads that go on to wake others may stand here: one that gives up waiting leaves
//!   its slot first, and so is never put here.

use std::collections::VecDeque;

use super::sync::Mutex;
use super::sync::thread::Thread;

/// How many threads each wakes: two, so that one that is slow to run is made up for.
const EACH: usize = 2;

/// Threads that have their answers and are still asleep.
#[derive(Default)]
pub(super) struct Wakes {
    asleep: Mutex<VecDeque<Thread>>,
}

impl Wakes {
    /// Takes the threads of a group that was answered, and wakes the first of them; those
    /// of the group before have waited long enough.
    pub(super) fn begin(&self, group: VecDeque<Thread>) {
        let before = std::mem::replace(&mut *self.asleep.lock(), group);
        for thread in before {
            thread.unpark();
        }
        self.go_on();
    }

    /// Wakes the next ones: whoever was woken owes that.
    pub(super) fn go_on(&self) {
        for _ in 0..EACH {
            let next = self.asleep.lock().pop_front();
            match next {
                Some(thread) => thread.unpark(),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_whole_group_is_awake_when_each_wakes_the_next() {
        let wakes = Arc::new(Wakes::default());
        let awake = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..50)
            .map(|_| {
                let (wakes, awake) = (Arc::clone(&wakes), Arc::clone(&awake));
                thread::spawn(move || {
                    thread::park();
                    awake.fetch_add(1, Ordering::SeqCst);
                    wakes.go_on();
                })
            })
            .collect();
        wakes.begin(threads.iter().map(|one| one.thread().clone()).collect());
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(awake.load(Ordering::SeqCst), 50);
    }

    #[test]
    fn those_of_the_group_before_do_not_depend_on_anybody() {
        let wakes = Wakes::default();
        let sleepers: Vec<_> = (0..5).map(|_| thread::spawn(thread::park)).collect();
        wakes.begin(sleepers.iter().map(|one| one.thread().clone()).collect());
        // Nobody of them goes on to wake the others; the next group does.
        wakes.begin(VecDeque::new());
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    }
}
