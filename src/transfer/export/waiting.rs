//! Export of unclaimed payments and refunds. No list of orders contains them, because their order
//! does not exist; without this step an export would lose money facts.

use std::collections::HashSet;
use std::io;

use super::error::ExportError;
use crate::order::{Record, Waiting};
use crate::rules::Index;
use crate::store::Store;
use crate::types::Timestamp;

/// Indexes that together contain every unclaimed record with money: open anomalies, open refunds
/// and successful refunds.
///
/// No index contains a record whose facts have all ended and hold no money. The export omits it.
const LISTS: [Index; 3] = [Index::Anomalies, Index::Due, Index::Refunded];

/// Calls `write` once for each unclaimed record.
///
/// The export writes unclaimed records before the orders. If an order claims a payment during the
/// export, the output then contains the payment twice. If the export wrote the orders first, the
/// payment could be missing.
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
