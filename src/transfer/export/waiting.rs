//! Export of unclaimed payments and refunds, whose order does not exist. No list of orders contains
//! them, so without this step an export would lose them.

use std::collections::HashSet;
use std::io;

use super::error::ExportError;
use crate::order::{Record, Waiting};
use crate::rules::Index;
use crate::store::Store;
use crate::types::Timestamp;

/// Indexes in which the export finds unclaimed records: open anomalies, open refunds and successful
/// refunds.
///
/// An unclaimed record in none of these indexes concerns no money, so the export omits the record.
const LISTS: [Index; 3] = [Index::Anomalies, Index::Due, Index::Refunded];

/// Calls `write` once for each unclaimed record.
///
/// The export calls this function before it writes the orders. If an order claims a payment during
/// the export, the output contains the payment twice. In the opposite sequence, the output could
/// miss the payment.
pub(super) fn each_waiting(
    store: &Store,
    mut write: impl FnMut(&Waiting) -> io::Result<()>,
) -> Result<(), ExportError> {
    let mut written = HashSet::new();
    for index in LISTS {
        store.each_row(index, Timestamp::EPOCH, |row| {
            if let Record::Waiting(waiting) = &row.record
                && written.insert(waiting.no)
            {
                write(waiting)?;
            }
            Ok::<_, ExportError>(())
        })?;
    }
    Ok(())
}
