//! Putting a list that was built anew in the place of a damaged one.
//!
//! The new list is written under a name of its own, in as many transactions as it takes. One
//! more transaction swaps the names. Until then the old list stands; a crash before it leaves
//! a part of the new list, which the next try deletes.

use redb::{TableDefinition, TableHandle, WriteTransaction};

use super::BTree;
use super::errors::{blamed, guarded, translate};
use super::fill::Apply;
use super::typed::{Job, KeyType, Sorted, ValueType, with_types};
use crate::error::StorageError;
use crate::format::tables::Table;

impl BTree {
    /// Makes an empty list that [`BTree::replace`] will put in the place of `table`.
    pub(in crate::engine::local) fn start_new(&self, table: Table) -> Result<(), StorageError> {
        self.change(|transaction| with_types(table, &new_name(table), Start(transaction)))
    }

    /// Adds entries to the new list.
    pub(in crate::engine::local) fn write_new(
        &self,
        (table, entries): Sorted<'_>,
    ) -> Result<(), StorageError> {
        self.change(|transaction| with_types(table, &new_name(table), Apply(transaction, entries)))
    }

    /// Puts the new lists in the place of the old ones, all at once.
    pub(in crate::engine::local) fn replace(&self, tables: &[Table]) -> Result<(), StorageError> {
        self.change(|transaction| {
            let swap = |table: &Table| with_types(*table, table.name(), Swap(transaction, *table));
            tables.iter().try_for_each(swap)
        })?;
        // What was damaged belongs to no list any more. Other damage is noted again as soon
        // as it is read.
        self.damage.forget();
        Ok(())
    }

    fn change(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let write = || {
            let transaction = self.begin()?;
            change(&transaction)?;
            transaction.commit().map_err(translate)
        };
        blamed(&self.damage, guarded(write))
    }
}

fn new_name(table: Table) -> String {
    format!("{}.new", table.name())
}

/// Makes the table anew, empty.
struct Start<'t>(&'t WriteTransaction);

impl Job for Start<'_> {
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

/// Gives the new list the name of the old one.
struct Swap<'t>(&'t WriteTransaction, Table);

impl Job for Swap<'_> {
    type Done = ();

    fn run<K: KeyType, V: ValueType>(
        self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(), StorageError> {
        let Self(transaction, of) = self;
        let tables = transaction.list_tables().map_err(translate)?;
        let prefix = format!("{}.damaged", of.name());
        let damaged = tables.filter(|other| other.name().starts_with(&prefix));
        // To delete the old list would mean to read its damaged pages. It stays in the file,
        // and nothing reads it.
        let kept = format!("{prefix}.{}", damaged.count());
        let kept = TableDefinition::<K, V>::new(&kept);
        transaction.rename_table(table, kept).map_err(translate)?;
        let new = new_name(of);
        let new = TableDefinition::<K, V>::new(&new);
        transaction.rename_table(new, table).map_err(translate)
    }
}
