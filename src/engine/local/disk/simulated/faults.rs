//! Faults of a simulated disk: power losses and failed calls.

/// Effect of a power loss on changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// All changes reach the disk.
    KeepAll,
    /// No change reaches the disk.
    DropAll,
    /// The last change and a random selection of the earlier changes reach the disk.
    Reorder,
    /// Each sector of 512 bytes reaches the disk or not.
    TornSectors,
    /// A part of each write reaches the disk: its first or its last bytes.
    TornBytes,
    /// Each sector of 512 bytes reaches the disk, or keeps its old bytes, or holds garbage.
    Trash,
}

impl Loss {
    /// All kinds of power loss.
    pub const ALL: [Self; 6] = [
        Self::KeepAll,
        Self::DropAll,
        Self::Reorder,
        Self::TornSectors,
        Self::TornBytes,
        Self::Trash,
    ];
}

/// Failure of a disk call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// A call of any kind fails with an I/O error.
    Io,
    /// The disk is full. Calls that need no free space succeed.
    NoRoom,
    /// A write stores half of its bytes, then fails because the disk is full. Other calls succeed.
    Short,
}
