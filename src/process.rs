//! The process that opened a store.
//!
//! A fork of it has a copy of the memory and none of the threads. What it wrote would land
//! between the writes of its parent, in the same files.

use std::process;

/// A process, as its id tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// The process that asks.
    pub(crate) fn current() -> Self {
        Self(process::id())
    }

    /// False in a fork of this process. It costs one system call.
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}
