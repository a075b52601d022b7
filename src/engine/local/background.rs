//! How background threads leave the cores to the threads that commit and answer.
//!
//! A checkpoint computes for about a second. If all cores are busy, another thread waits about 3 ms
//! until the scheduler takes a core from the checkpoint. Therefore the checkpoint thread has a
//! lower priority, and offers its core every few dozen microseconds.

use std::cell::Cell;
use std::thread;

/// Difference between the nice value of a background thread and that of the process.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Largest nice value of Linux: the lowest priority.
#[cfg(target_os = "linux")]
const NICE_MAX: i32 = 19;

/// Number of entries, of about a microsecond each, that a thread writes before it offers its core.
pub(super) const ENTRIES: u32 = 64;

/// Number of comparisons of a sort, of about 20 ns each, before it offers its core.
pub(super) const COMPARISONS: u32 = 4096;

/// Lowers the priority of the calling thread. If writers are then too fast for the checkpoint,
/// `backpressure` slows them down, and the checkpoint gets its time.
pub(super) fn lower_priority() {
    // On other systems the priority belongs to the whole process.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let thread = Some(rustix::thread::gettid());
        // Ignore an error: the thread then keeps its priority.
        let _ = getpriority_process(thread)
            .and_then(|nice| setpriority_process(thread, nice.saturating_add(NICE).min(NICE_MAX)));
    }
}

/// Counter of the steps of a long computation.
#[derive(Debug)]
pub(super) struct Steps {
    left: Cell<u32>,
    every: u32,
}

impl Steps {
    /// Counter that offers the core after every `every` steps.
    pub(super) const fn every(every: u32) -> Self {
        let left = Cell::new(every);
        Self { left, every }
    }

    /// Counts a step. Now and then offers the core to other threads.
    pub(super) fn step(&self) {
        match self.left.get() {
            0 => {
                self.left.set(self.every);
                thread::yield_now();
            }
            left => self.left.set(left - 1),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn lower_priority_concerns_only_the_calling_thread() {
        let nice = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = nice();
        let lowered = std::thread::spawn(move || {
            super::lower_priority();
            nice()
        });
        let expected = (before + super::NICE).min(super::NICE_MAX);
        assert_eq!(lowered.join().unwrap(), expected);
        assert_eq!(nice(), before);
    }
}
