//! What a simulated disk can lose, and how its calls fail.

/// What a power loss does to what was not made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// All of it was written after all.
    KeepAll,
    /// Nothing was.
    DropAll,
    /// The last change was, and of those before it only some.
    Reorder,
    /// Each sector of 512 bytes was written or not.
    TornSectors,
    /// Each write ended, or began, at some byte.
    TornBytes,
    /// Each sector was written, or not, or holds garbage.
    Trash,
}

impl Loss {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::KeepAll,
        Self::DropAll,
        Self::Reorder,
        Self::TornSectors,
        Self::TornBytes,
        Self::Trash,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// Input or output fails.
    Io,
    /// There is no room; calls that need none go through.
    NoRoom,
    /// Half of a write is done, then it fails; other calls go through.
    Short,
}
