//! A simulated disk before one of its calls.

use super::state::State;

/// A disk as it stood before one of the calls to it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) state: State,
    /// The call's number.
    pub call: u64,
    /// What [`SimulatedDisk::mark`] said last.
    pub marks: (usize, usize),
}
