//! Result and progress of an import.

use crate::transfer::error::Refused;
use crate::transfer::position::Position;

/// Counts of an import. A [`Notice::Progress`] has the counts so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Number of processed records, whether imported, skipped or refused.
    pub records: u64,
    /// Number of orders that the store created from the input.
    pub imported: u64,
    /// Number of existing orders that the store changed.
    pub advanced: u64,
    /// Number of orders, also counted in `advanced`, for which the store kept a payment or refund
    /// as an anomaly, because it contradicts the order.
    pub in_anomalies: u64,
    /// Number of existing orders that did not change.
    pub unchanged: u64,
    /// Number of existing orders that lack a payment, an amount or a refund of the input: see
    /// [`Reason::SkippedDiffers`](crate::transfer::Reason::SkippedDiffers).
    pub skipped_differs: u64,
    /// Number of records whose payments or refunds the store keeps as unclaimed, because their
    /// order does not exist.
    pub unclaimed: u64,
    /// Number of refused records.
    pub refused: u64,
    /// Last record with a final result (settled). A later import can resume after this record.
    pub settled: Option<Position>,
    /// Whether a refused record ended the import: see [`Import::stop_on_error`].
    ///
    /// [`Import::stop_on_error`]: crate::transfer::Import::stop_on_error
    pub stopped: bool,
}

/// Event that an import reports while it runs. Later versions may add variants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The import refused a record, or skipped one that differs from the store's order.
    Refused(Refused),
    /// Counts so far. The import reports them after each portion of at most 256 records, and at the
    /// end.
    Progress(ImportReport),
}
