//! Changes of tables in the making: what a transaction of the base is to hold.

use std::collections::BTreeMap;

use super::keys::KeyBytes;
use super::table::Table;
use crate::error::StorageError;

/// Changes of tables, to be made all at once.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) by_table: BTreeMap<Table, Vec<(KeyBytes, Change)>>,
}

pub(super) enum Change {
    Put(Vec<u8>),
    Remove,
}

impl Writes {
    /// Puts a value. A key is named at most once in all of the writes.
    pub(super) fn put(&mut self, table: Table, key: KeyBytes, value: Vec<u8>) {
        self.push(table, key, Change::Put(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: KeyBytes) {
        self.push(table, key, Change::Remove);
    }

    fn push(&mut self, table: Table, key: KeyBytes, change: Change) {
        self.by_table.entry(table).or_default().push((key, change));
    }

    /// Takes the writes of another over.
    pub(super) fn append(&mut self, other: Self) {
        for (table, mut changes) in other.by_table {
            self.by_table.entry(table).or_default().append(&mut changes);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_table.is_empty()
    }
}

/// How a write fails.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Certainly not written.
    Unwritten(StorageError),
    /// Written or not.
    Unknown(StorageError),
}
