//! Writes with a fault in them that was asked for.

use super::table::Table;
use super::writes::{Change, Writes};
use crate::error::StorageError;

/// The same writes again.
pub(super) fn copied(writes: &Writes) -> Result<Writes, StorageError> {
    let mut bytes = Vec::new();
    writes.encode(&mut bytes);
    Writes::decode(&bytes)
}

/// The writes without the first entry that they put into the status index.
pub(super) fn without_an_entry(mut writes: Writes) -> Writes {
    let mut rest = Writes::default();
    rest.state = writes.state;
    rest.records.append(&mut writes.records);
    let mut is_skipped = false;
    for (table, changes) in writes.into_tables() {
        for (key, change) in changes {
            match change {
                Change::Put(_) if table == Table::Status && !is_skipped => is_skipped = true,
                Change::Put(value) => rest.put(table, key, value),
                Change::Remove => rest.remove(table, key),
            }
        }
    }
    rest
}
