//! Injected faults: bugs that a test switches on to check that the test suites find them.
//!
//! These faults exist only with the feature `testing`.

use super::Disk;

/// Fault that a test can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, unreachable_pub, reason = "only tests can request a fault")
)]
pub enum FaultInjection {
    /// The journal writes frames without a sync.
    SkipJournalSync,
    /// The store acknowledges a frame before its sync. The sync happens before the next frame.
    AnswerEarly,
    /// A batch omits one index entry.
    SkipIndexEntry,
    /// The journal does not sync the directory after it names a segment.
    ForgetDirectorySync,
    /// The journal reuses an obsolete segment together with its old frames.
    RecycleSegment,
    /// The store makes writes visible before they are durable.
    PublishBeforeSync,
    /// Recovery does not make the replayed segments durable.
    RecoverWithoutSync,
    /// A checkpoint removes journal segments before the B-tree holds their writes.
    DropJournalEarly,
    /// The store acknowledges a frame before the mirror has synced it.
    AnswerBeforeMirror,
    /// Of two directories with different generations, the one with more segments is opened.
    LetLongerSideWin,
    /// A backup writes its identity file before its contents.
    SealBackupEarly,
}

/// Whether a test has injected this fault.
#[cfg(feature = "testing")]
pub(crate) fn is_on(disk: &dyn Disk, fault: FaultInjection) -> bool {
    disk.injected_fault() == Some(fault)
}

/// Always false: faults exist only with the feature `testing`.
#[cfg(not(feature = "testing"))]
pub(crate) const fn is_on(_: &dyn Disk, _: FaultInjection) -> bool {
    false
}
