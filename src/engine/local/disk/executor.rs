//! Background tasks of a store, and the executor that can run them.
//!
//! On a real disk, each task has its own thread. A simulated disk runs the tasks itself, at
//! points that its seed selects. One seed therefore always gives the same interleaving of tasks
//! and callers.

use std::fmt::Debug;
use std::sync::Weak;

/// Background task of an open store.
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "only a simulated disk has an executor")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Checkpoint: writes the frozen memtable into the B-tree.
    Checkpoint,
    /// Preallocation of the next journal segment.
    Preallocate,
    /// Idle mark after the last frame of the journal.
    Idle,
    /// Shipment of frames to the archive.
    Ship,
}

/// Open store whose background tasks an [`Executor`] runs.
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "only a simulated disk has an executor")
)]
pub(crate) trait Background: Send + Sync {
    /// Whether the task has work to do.
    fn has_work(&self, task: Task) -> bool;

    /// Runs the task once.
    fn run(&self, task: Task);
}

/// Runs background tasks in place of the store's threads.
pub(crate) trait Executor: Debug + Send + Sync {
    /// Registers an opened store. From then on, this executor runs the background tasks of the
    /// store.
    fn adopt(&self, work: Weak<dyn Background>);

    /// Runs a task to its end, for a caller that waits for it.
    fn run_to_end(&self, task: Task);

    /// Runs all started tasks to their end.
    fn finish_all(&self);
}
