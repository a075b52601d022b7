//! Replaces a corrupt index by one that was rebuilt from the records.
//!
//! The rebuild writes the new index under a temporary name, in as many transactions as needed. One
//! more transaction then swaps the names. The old index stays in use until that commit. A crash
//! before the commit leaves a partial new index, which the next rebuild deletes.

use redb::{TableDefinition, TableHandle, WriteTransaction};

use super::BTree;
use super::errors::translate;
use super::fill::Apply;
use super::typed::{KeyType, Sorted, TableJob, ValueType, with_types};
use crate::error::StorageError;
use crate::format::tables::Table;

impl BTree {
    /// Creates an empty index that [`BTree::replace`] later puts in the place of `table`. Deletes
    /// the partial index of an interrupted rebuild.
    pub(crate) fn start_new(&self, table: Table) -> Result<(), StorageError> {
        self.change(|transaction| with_types(table, &new_name(table), Start(transaction)))
    }

    /// Adds entries to the new index of a table.
    pub(crate) fn write_new(&self, (table, entries): Sorted<'_>) -> Result<(), StorageError> {
        self.change(|transaction| with_types(table, &new_name(table), Apply(transaction, entries)))
    }

    /// Puts the new indexes in the place of the old ones, all in one transaction.
    pub(crate) fn replace(&self, tables: &[Table]) -> Result<(), StorageError> {
        self.change(|transaction| {
            let swap = |table: &Table| with_types(*table, table.name(), Swap(transaction, *table));
            tables.iter().try_for_each(swap)
        })
    }
}

fn new_name(table: Table) -> String {
    format!("{}.new", table.name())
}

/// Job that deletes a table if it exists, and creates it empty.
struct Start<'t>(&'t WriteTransaction);

impl TableJob for Start<'_> {
    type Done = ();

    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(), StorageError> {
        self.0.delete_table(table).map_err(translate)?;
        self.0.open_table(table).map_err(translate)?;
        Ok(())
    }
}

/// Job that renames the old index and gives its name to the new one.
struct Swap<'t>(&'t WriteTransaction, Table);

impl TableJob for Swap<'_> {
    type Done = ();

    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(), StorageError> {
        let Self(transaction, of) = self;
        let tables = transaction.list_tables().map_err(translate)?;
        let prefix = format!("{}.damaged", of.name());
        let damaged = tables.filter(|other| other.name().starts_with(&prefix));
        // Rename the old index instead of deleting it, because a deletion would read its corrupt
        // pages. It stays in the file under the new name, and nothing reads it.
        let kept = format!("{prefix}.{}", damaged.count());
        let kept = TableDefinition::<K, V>::new(&kept);
        transaction.rename_table(table, kept).map_err(translate)?;
        let new = new_name(of);
        let new = TableDefinition::<K, V>::new(&new);
        transaction.rename_table(new, table).map_err(translate)
    }
}
