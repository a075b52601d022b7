//! Writes sorted changes to one table of the B-tree, within a transaction.

use std::ops::Bound;

use redb::{CursorError, TableDefinition, WriteTransaction};

use super::errors::{translate, translate_cursor};
use super::typed::{Entry, KeyType, TableJob, ValueType, key_of};
use crate::engine::local::background::{ENTRIES, Steps};
use crate::error::StorageError;

/// Job that applies sorted changes to one table.
pub(super) struct Apply<'t, 'a>(
    pub(super) &'t WriteTransaction,
    pub(super) Box<dyn Iterator<Item = Entry<'a>> + 'a>,
);

/// Minimum length of a run of new keys at which a cursor is faster than single inserts.
const RUN_MIN: usize = 16;

/// Number of entries that are written one by one after a run that was too short for a cursor,
/// before the next attempt with a cursor.
const SCATTERED: usize = 256;

impl TableJob for Apply<'_, '_> {
    type Done = ();

    /// Writes runs of new keys through a cursor, which packs the pages tightly. A run ends before a
    /// removal, before an existing key, and where the table has a key between two keys of the run.
    /// All other changes are written one by one.
    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(), StorageError> {
        let mut table = self.0.open_table(table).map_err(translate)?;
        let mut entries = self.1;
        let mut scattered = 0_usize;
        let steps = Steps::every(ENTRIES);
        while let Some(entry) = entries.next() {
            steps.step();
            if scattered == 0 && entry.1.is_some() {
                let (run, stopped_by) = put_run(&mut table, entry, &mut *entries)?;
                if run < RUN_MIN {
                    scattered = SCATTERED;
                }
                if let Some(entry) = stopped_by {
                    put_one(&mut table, entry)?;
                }
            } else {
                // If `scattered` is 0, this entry is a removal, and `scattered` stays 0.
                scattered = scattered.saturating_sub(1);
                put_one(&mut table, entry)?;
            }
        }
        Ok(())
    }
}

/// Inserts a run of entries through a cursor. The run ends before a removal, before an existing
/// key, and where the table has a key between two keys of the run. Returns the length of the run
/// and the entry after it, which is not written yet.
fn put_run<'a, K: KeyType, V: ValueType>(
    table: &mut redb::Table<'_, K, V>,
    first: Entry<'a>,
    entries: &mut (dyn Iterator<Item = Entry<'a>> + 'a),
) -> Result<(usize, Option<Entry<'a>>), StorageError> {
    let mut run = 0_usize;
    let steps = Steps::every(ENTRIES);
    let from = key_of::<K>(first.0.as_slice())?;
    let mut cursor = table
        .lower_bound_mut(Bound::Included(&from))
        .map_err(translate)?;
    let mut next = Some(first);
    while let Some(entry) = next
        && let (key, Some(value)) = &entry
    {
        let put = cursor.insert_before(&key_of::<K>(key.as_slice())?, V::from_bytes(value));
        match put {
            Ok(()) => {
                run += 1;
                steps.step();
            }
            Err(CursorError::UnorderedKey) => break,
            Err(error) => return Err(translate_cursor(error)),
        }
        next = entries.next();
    }
    cursor.close().map_err(translate)?;
    Ok((run, next))
}

fn put_one<K: KeyType, V: ValueType>(
    table: &mut redb::Table<'_, K, V>,
    (key, value): Entry<'_>,
) -> Result<(), StorageError> {
    let key = key_of::<K>(key.as_slice())?;
    match value {
        Some(value) => drop(
            table
                .insert(&key, V::from_bytes(value))
                .map_err(translate)?,
        ),
        None => drop(table.remove(&key).map_err(translate)?),
    }
    Ok(())
}
