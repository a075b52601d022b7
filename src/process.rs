//! Identity of the process that opened a store.
//!
//! A forked child has a copy of the store's memory, but none of its threads. A write in the child
//! would mix with the writes of its parent, in the same files.

use std::process;

/// A process, identified by its process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// Returns the calling process.
    pub(crate) fn current() -> Self {
        Self(process::id())
    }

    /// Returns false in a fork of this process. Costs one system call.
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}
