//! Result and progress of an import.

use crate::transfer::error::Refused;
use crate::transfer::position::Position;

/// Counts of an import: so far in a [`Notice::Progress`], in total at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Number of settled records.
    pub records: u64,
    /// Orders that the store created from the input.
    pub imported: u64,
    /// Existing orders to which the store applied something.
    pub advanced: u64,
    /// Subset of `advanced`: the store kept a fact of the record as an anomaly, because it does not
    /// fit the order.
    pub in_anomalies: u64,
    /// Existing orders that did not change.
    pub unchanged: u64,
    /// Existing orders for which the input has a payment, an amount or a refund that the store
    /// does not have: see [`Reason::SkippedDiffers`](crate::transfer::Reason::SkippedDiffers).
    pub skipped_differs: u64,
    /// Records whose payments or refunds the store keeps as unclaimed, because their order does not
    /// exist.
    pub unclaimed: u64,
    /// Refused records.
    pub refused: u64,
    /// Last settled record. A later import can resume after it.
    pub settled: Option<Position>,
    /// Whether a refused record ended the import: see [`Import::stop_on_error`].
    ///
    /// [`Import::stop_on_error`]: crate::transfer::Import::stop_on_error
    pub stopped: bool,
}

/// Event that an import reports while it runs. May grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The import refused a record, or skipped one that differs from the store's order.
    Refused(Refused),
    /// Counts so far. The import reports them after every portion of records (at most 256) and at
    /// the end.
    Progress(ImportReport),
}
