//! What became of an import.

use crate::transfer::error::Refused;
use crate::transfer::place::Place;

/// What an import has done so far; at its end, altogether.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Records that are settled.
    pub records: u64,
    /// Orders that are there now as in the books.
    pub imported: u64,
    /// Orders that were there, and took something in.
    pub advanced: u64,
    /// Those of them for which a payment is kept as an anomaly: it does not fit.
    pub in_anomalies: u64,
    /// Orders that were there, and stand as they stood.
    pub unchanged: u64,
    /// Orders that were there and were skipped, although the books know a payment, an amount
    /// or a refund that the store does not know.
    pub skipped_differs: u64,
    /// Numbers for which payments or refunds wait for their order.
    pub waiting: u64,
    /// Records that were not taken over.
    pub refused: u64,
    /// The last settled record: an import can go on behind it.
    pub settled: Option<Place>,
    /// A record was refused, and that ended it.
    pub stopped: bool,
}

/// What an import tells while it runs. May grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A record was not taken over, or was skipped although it differs.
    Refused(Refused),
    /// So far it is: told after every few hundred records, and at the end.
    Progress(ImportReport),
}
