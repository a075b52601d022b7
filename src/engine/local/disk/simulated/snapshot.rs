//! Snapshot of a simulated disk.

use super::state::State;

/// State of a simulated disk before one of its calls.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) state: State,
    /// Number of disk calls up to the snapshot. If a call triggered the snapshot, the number
    /// includes this call.
    pub call: u64,
    /// Values of the last [`SimulatedDisk::mark`](super::SimulatedDisk::mark).
    pub marks: (usize, usize),
}
