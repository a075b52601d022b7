//! Injected faults: bugs of the archive that a test switches on to check that the test suites find
//! them.

use super::Archive;

/// Fault that a test can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "only tests can request a fault")
)]
#[cfg_attr(
    feature = "testing",
    expect(clippy::exhaustive_enums, reason = "tests inject each of them")
)]
pub enum ArchiveFault {
    /// The store removes a segment of its journal before the archive holds it.
    DropUnarchived,
    /// The end of an epoch is the last object in a list.
    TrustList,
    /// The store checks before a shipment that it still owns the archive, and not after it.
    CheckEpochEarly,
    /// A restore takes the frames that the old writer shipped after another one had claimed the
    /// archive.
    TakeLateFrames,
    /// A standby applies frames although another writer has claimed the archive, and does not know yet
    /// whether they count.
    TakeUnsettledFrames,
    /// A restored store gets a new key for the hashes in its indexes.
    ForgetHashKey,
}

impl Archive {
    /// Whether a test has injected this fault.
    #[cfg(feature = "testing")]
    pub(crate) fn has_fault(&self, fault: ArchiveFault) -> bool {
        self.fault == Some(fault)
    }

    /// Always false: faults exist only with the feature `testing`.
    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "same method as with the feature")]
    pub(crate) const fn has_fault(&self, _: ArchiveFault) -> bool {
        false
    }

    /// Injects a fault.
    #[cfg(feature = "testing")]
    pub const fn inject_fault(mut self, fault: Option<ArchiveFault>) -> Self {
        self.fault = fault;
        self
    }
}
