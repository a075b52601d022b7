//! Reads a hash-keyed index: all its sorted runs as one table.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError, TableHandle,
};

use super::errors::translate;
use super::filter::{Filter, Filters};
use super::merge::Merge;
use super::reader::{OpenReader, Reader, entries};
use super::runs::{FILTER_PART, FilterTable, RunId, RunTable, filter_name, run_ids, run_name};
use super::typed::{HashKey, KeyRange, Visit, read_key, with_types};
use crate::contract::Direction;
use crate::error::StorageError;
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::number::u64_of;

/// Opens the tables of a transaction.
pub(super) struct TableOpener<'a> {
    transaction: &'a ReadTransaction,
    filters: &'a Filters,
    /// Names of all tables.
    names: Vec<String>,
    /// Filters of the runs, as far as the memory suffices.
    found: HashMap<(Table, RunId), Arc<Filter>>,
    /// Memory that is left for more filters, in bytes.
    left: usize,
}

/// Indexes with filters, the most important first. Every payment looks up a new unique key, so the
/// filters of unique keys come before those of the openids.
const FILTERED: [Table; 4] = [
    Table::Transaction,
    Table::RefundNo,
    Table::Reference,
    Table::OpenId,
];

impl<'a> TableOpener<'a> {
    pub(super) fn new(
        transaction: &'a ReadTransaction,
        filters: &'a Filters,
    ) -> Result<Self, StorageError> {
        let tables = transaction.list_tables().map_err(translate)?;
        Ok(Self {
            transaction,
            filters,
            names: tables.map(|table| table.name().to_owned()).collect(),
            found: HashMap::new(),
            left: filters.bytes_max,
        })
    }

    /// Reads the filters that are not in memory yet, as far as the memory suffices. Every read
    /// searches the runs without a filter.
    pub(super) fn read_filters(&mut self) -> Result<(), StorageError> {
        for table in FILTERED {
            self.read_filters_of(table, true)?;
        }
        Ok(())
    }

    /// Reads the filters of an index, the newest first. If `skips` is true, does not read a filter
    /// for which the memory does not suffice. Otherwise reads every filter, and keeps those for
    /// which it suffices.
    pub(super) fn read_filters_of(
        &mut self,
        table: Table,
        skips: bool,
    ) -> Result<(), StorageError> {
        for id in run_ids(table, &self.names).into_iter().rev() {
            let left = if skips { self.left } else { usize::MAX };
            if let Some(filter) = self.filter(table, id, left)?
                && let Some(left) = self.left.checked_sub(filter.bytes())
            {
                self.left = left;
                self.found.insert((table, id), filter);
            }
        }
        Ok(())
    }

    /// Opens a table. Fails if it does not exist.
    pub(super) fn open(&self, table: Table) -> Result<Box<dyn Reader>, StorageError> {
        if keys::has_hash(table) {
            return Ok(Box::new(self.runs(table)?));
        }
        with_types(table, table.name(), OpenReader(self.transaction))
    }

    fn runs(&self, table: Table) -> Result<RunList, StorageError> {
        let mut ids = run_ids(table, &self.names);
        if ids.first() != Some(&0) {
            // The first run always exists, so this is corruption. Let the attempt to open the run
            // return the error.
            ids.insert(0, 0);
        }
        let mut runs = Vec::with_capacity(ids.len());
        for id in ids.into_iter().rev() {
            let name = run_name(table, id);
            let opened = self.transaction.open_table(RunTable::new(&name));
            let opened = opened.map_err(translate)?;
            // The first run of a new store is empty. Every search in it would take memory.
            if !ReadableTableMetadata::is_empty(&opened).map_err(translate)? {
                let filter = self.found.get(&(table, id)).cloned();
                runs.push(Run {
                    table: opened,
                    filter,
                });
            }
        }
        Ok(RunList { runs })
    }

    /// Returns the filter of a run, from memory or from the file. `None` if the run has no complete
    /// filter, or one that is not in memory and longer than about `len_max` bytes.
    fn filter(
        &self,
        table: Table,
        id: RunId,
        len_max: usize,
    ) -> Result<Option<Arc<Filter>>, StorageError> {
        if let Some(known) = self.filters.known.lock().get(&(table, id)) {
            return Ok(Some(Arc::clone(known)));
        }
        match read_filter(self.transaction, &filter_name(table, id), len_max) {
            Err(error) if !error.is_corrupt() => Err(error),
            read => Ok(read.ok().flatten().map(Arc::new)),
        }
    }

    /// Keeps the filters of this transaction for the next one.
    pub(super) fn finish(self) {
        *self.filters.known.lock() = self.found;
    }
}

/// Reads a stored filter. `None` if there is none, if it is longer than about `len_max` bytes, or
/// if it is not complete.
fn read_filter(
    transaction: &ReadTransaction,
    name: &str,
    len_max: usize,
) -> Result<Option<Filter>, StorageError> {
    let parts = match transaction.open_table(FilterTable::new(name)) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        parts => parts.map_err(translate)?,
    };
    let count = ReadableTableMetadata::len(&parts).map_err(translate)?;
    let len = count.saturating_mul(u64_of(FILTER_PART));
    if len > u64_of(len_max).saturating_add(u64_of(FILTER_PART)) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for part in parts.iter().map_err(translate)? {
        let (_, part) = part.map_err(translate)?;
        bytes.extend_from_slice(part.value());
    }
    Ok(Filter::decode(&bytes))
}

struct Run {
    table: ReadOnlyTable<HashKey, ()>,
    filter: Option<Arc<Filter>>,
}

/// All runs of an index, the newest first.
struct RunList {
    runs: Vec<Run>,
}

impl RunList {
    /// Tables of the runs that may hold a key of a range. Filters can exclude runs only if all keys
    /// of the range have the same hash.
    fn holding(
        &self,
        (first, last): &KeyRange,
    ) -> impl Iterator<Item = &ReadOnlyTable<HashKey, ()>> {
        let hash = keys::hash_of(first);
        let hash = (hash == keys::hash_of(last)).then_some(hash);
        let may_hold = move |run: &&Run| match (hash, &run.filter) {
            (Some(hash), Some(filter)) => filter.may_hold(hash),
            _ => true,
        };
        self.runs.iter().filter(may_hold).map(|run| &run.table)
    }
}

impl Reader for RunList {
    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), StorageError> {
        let at = read_key(key)?;
        for run in self.holding(&(at, at)) {
            let mut is_found = false;
            Reader::get(run, key, &mut |_| is_found = true)?;
            if is_found {
                take(&[]);
                break;
            }
        }
        Ok(())
    }

    fn is_empty(&self, range: &KeyRange) -> Result<bool, StorageError> {
        for run in self.holding(range) {
            if !Reader::is_empty(run, range)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn walk(
        &self,
        range: Option<&KeyRange>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let every = (KeyBytes::default(), KeyBytes::MAX);
        let mut sources = Vec::new();
        for run in self.holding(range.unwrap_or(&every)) {
            let entries = entries(run, range, direction)?;
            sources.push(entries.map(|entry| read_key(entry.map_err(translate)?.0.value())));
        }
        for key in Merge::of(sources, direction)? {
            if let ControlFlow::Break(()) = visit(key?.as_slice(), &[])? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.runs.iter().map(|run| Reader::len(&run.table)).sum()
    }
}
