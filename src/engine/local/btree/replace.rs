//! Replaces a corrupt index with one that was rebuilt from the records.
//!
//! The rebuild writes the new index under a temporary name, in as many transactions as needed. One
//! more transaction then swaps the names. The old index stays in use until that commit. A crash
//! before the commit leaves a partial new index, which the next rebuild deletes.

use redb::{TableDefinition, WriteTransaction};

use super::BTree;
use super::errors::translate;
use super::fill::Apply;
use super::runs;
use super::runs::set_aside;
use super::typed::{KeyType, Sorted, TableJob, ValueType, with_types};
use crate::error::StorageError;
use crate::format::keys;
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
            tables.iter().try_for_each(|table| {
                if keys::has_hash(*table) {
                    runs::replace(transaction, *table, &new_name(*table))
                } else {
                    with_types(*table, table.name(), Swap(transaction, *table))
                }
            })
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
        set_aside(transaction, of, table)?;
        let new = new_name(of);
        let new = TableDefinition::<K, V>::new(&new);
        transaction.rename_table(new, table).map_err(translate)
    }
}
