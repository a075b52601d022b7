//! Identity of the process that opened a store.
//!
//! A forked child has a copy of the store's memory, but none of the store's threads. The writes of
//! the child and of its parent would mix in the same files.

use std::process;

/// A process, identified by its process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// Returns the process that calls this function.
    pub(crate) fn current() -> Self {
        Self(process::id())
    }

    /// Returns whether the calling process is this process; false in a forked child. Costs one
    /// system call.
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}
