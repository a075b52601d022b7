//! Work that a store does in the background, and who does it.
//!
//! On the machine's disk every chore has a thread of its own. A disk that stands in for it
//! may have the chores done when it pleases, so that one seed tells how they and the callers
//! get in each other's way.

use std::fmt::Debug;
use std::sync::Weak;

/// What is done in the background.
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "only a disk that stands in for one has a crew")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// The frozen memtable goes into the base.
    Flush,
    /// The next segment of the journal is made.
    Spare,
    /// The journal's last frame is followed by another.
    Idle,
}

/// Whoever has chores.
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "only a disk that stands in for one has a crew")
)]
pub(crate) trait Background: Send + Sync {
    /// There is something to do.
    fn wants(&self, chore: Task) -> bool;

    /// Does it, once.
    fn run(&self, chore: Task);
}

/// Does chores in the place of threads.
pub(crate) trait Executor: Debug + Send + Sync {
    /// Takes over the chores of a store that was opened.
    fn adopt(&self, work: Weak<dyn Background>);

    /// Does a chore to its end, for somebody who waits for it.
    fn finish(&self, chore: Task);

    /// Ends all that was begun.
    fn dismiss(&self);
}
