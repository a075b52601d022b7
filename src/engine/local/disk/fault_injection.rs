//! Faults that are built in on purpose, to see whether the harnesses find them. Without the
//! feature `testing` there are none.

use super::Disk;

/// A fault that a test can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, unreachable_pub, reason = "nobody can ask for them")
)]
pub enum FaultInjection {
    /// Frames of the journal are written and not synced.
    SkipJournalSync,
    /// A frame is answered for before its sync, which comes with the next frame.
    AnswerEarly,
    /// One entry of an index is left out.
    SkipIndexEntry,
    /// A segment's name is not made durable.
    ForgetDirectorySync,
    /// A segment that is no longer needed becomes the next one, its frames still in it.
    RecycleSegment,
    /// What is written is visible before it is durable.
    PublishBeforeSync,
    /// What a recovery read is not made durable.
    RecoverWithoutSync,
    /// The journal goes before the base holds what it held.
    DropJournalEarly,
    /// A backup gets its seal before it is written.
    SealBackupEarly,
}

/// Whether the fault was asked for.
#[cfg(feature = "testing")]
pub(in crate::engine::local) fn is_on(disk: &dyn Disk, fault: FaultInjection) -> bool {
    disk.sabotage() == Some(fault)
}

/// Nobody can ask for one.
#[cfg(not(feature = "testing"))]
pub(in crate::engine::local) const fn is_on(_: &dyn Disk, _: FaultInjection) -> bool {
    false
}
