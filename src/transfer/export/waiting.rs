//! Payments and refunds that wait for their order: in no list of orders, and money all the
//! same.

use std::collections::HashSet;
use std::io;

use super::error::ExportError;
use crate::order::{Record, Waiting};
use crate::rules::Index;
use crate::store::Store;
use crate::types::Timestamp;

/// Where they stand: each open payment, each open refund, each refund that went through.
/// What has ended and holds no money stands nowhere, and is history.
const LISTS: [Index; 3] = [Index::Anomalies, Index::Due, Index::Refunded];

/// Shows each once. They come before the orders: what is claimed while the export runs is
/// there twice then, and not missing.
pub(super) fn each_waiting(
    store: &Store,
    mut show: impl FnMut(&Waiting) -> io::Result<()>,
) -> Result<(), ExportError> {
    let mut shown = HashSet::new();
    for index in LISTS {
        store.each_row(index, Timestamp::EPOCH, |row| {
            if let Record::Waiting(waiting) = &row.record
                && shown.insert(waiting.no)
            {
                show(waiting)?;
            }
            Ok::<_, ExportError>(())
        })?;
    }
    Ok(())
}
