//! Writes hash-keyed indexes as sorted runs.
//!
//! The keys of these indexes begin with a hash, so new keys fall on random pages. In one large
//! table, each checkpoint would change nearly every page, and would slow down as the store grows.
//! Therefore each checkpoint puts its new keys into a new table of their own, a run, in key order.
//!
//! - A key is in at most one run of its index. A removal deletes the key from its run. It searches
//!   only the runs whose filters do not exclude the key.
//! - The first run has the name of the index. It always exists, and is empty in a new store. Each
//!   other run has a number after the name, larger than that of every earlier run: `by_openid.7`.
//!   No number is used twice, so a filter in memory never belongs to another run.
//! - A checkpoint merges eight to ten runs of similar length into one. A large run is never merged
//!   again. A key is written once when it is new, and once in each merge until its run is large.
//!   With the default settings that is two or three times in all, however large the store is.
//! - Each run but the first has a [`Filter`] in a table of its own, `by_openid.7.filter`. The
//!   filter is written once, together with the run. A removal does not change it.

use std::collections::BTreeMap;

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle, WriteTransaction};

use super::errors::{translate, translate_cursor};
use super::filter::{Filter, Filters};
use super::merge::Merge;
use super::typed::{Entry, HashKey, KeyType, ValueType, key_of, read_key};
use crate::contract::Direction;
use crate::engine::local::background::{ENTRIES, Steps};
use crate::error::StorageError;
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::number::u64_of;

/// Minimum number of runs of similar length for a merge.
const FAN_IN: u64 = 8;

/// Maximum number of runs that are merged into one.
const FAN_IN_MAX: usize = 10;

/// Number of keys from which on a run is large. With twice this limit, some checkpoints took 4.5 s
/// because of a merge; with this one, 2 s at most.
pub(super) const LARGE_RUN: u64 = 1 << 19;

/// Maximum number of bytes that a merge adds to the file before it frees the merged runs. They are
/// [`FAN_IN_MAX`] runs of almost [`LARGE_RUN`] keys of 20 bytes each, with pages and filters.
pub(crate) const MERGE_BYTES: u64 = 128 << 20;

/// Length of one part of a stored filter, in bytes. One part fills a page of 4 KiB.
pub(super) const FILTER_PART: usize = 4032;

/// Table of a run.
pub(super) type RunTable<'a> = TableDefinition<'a, HashKey, ()>;

/// Table of a filter: its bytes in parts, counted from 0.
pub(super) type FilterTable<'a> = TableDefinition<'a, u32, &'static [u8]>;

/// Number of a run within its index.
pub(super) type RunId = u64;

/// Name of a run.
pub(super) fn run_name(table: Table, id: RunId) -> String {
    match id {
        0 => table.name().to_owned(),
        _ => format!("{}.{id}", table.name()),
    }
}

/// Name of the filter of a run.
pub(super) fn filter_name(table: Table, id: RunId) -> String {
    format!("{}.filter", run_name(table, id))
}

/// Numbers of the runs of an index among the names of all tables, in ascending order.
pub(super) fn run_ids(table: Table, names: &[String]) -> Vec<RunId> {
    let id = |name: &String| match name.strip_prefix(table.name())? {
        "" => Some(0),
        rest => rest.strip_prefix('.')?.parse().ok(),
    };
    let mut ids: Vec<RunId> = names.iter().filter_map(id).collect();
    ids.sort_unstable();
    ids
}

/// Number for a new run of an index.
pub(super) fn next_id(ids: &[RunId]) -> RunId {
    // A saturated number would need 2^64 checkpoints.
    ids.last().map_or(1, |last| last.saturating_add(1))
}

/// Names of all tables in a transaction.
pub(super) fn table_names(transaction: &WriteTransaction) -> Result<Vec<String>, StorageError> {
    let tables = transaction.list_tables().map_err(translate)?;
    Ok(tables.map(|table| table.name().to_owned()).collect())
}

/// Adds the new keys of an index as a run, and removes the removed ones. With `filters`, a removal
/// skips most runs that do not have its key.
pub(super) fn write(
    transaction: &WriteTransaction,
    filters: &Filters,
    table: Table,
    entries: &mut dyn Iterator<Item = Entry<'_>>,
) -> Result<(), StorageError> {
    let ids = run_ids(table, &table_names(transaction)?);
    let mut removed = Vec::new();
    let mut added = entries
        .filter_map(|(key, value)| {
            if value.is_none() {
                removed.push(key);
            }
            value.map(|_| Ok(key))
        })
        .peekable();
    if ids.is_empty() {
        open(transaction, table, 0)?;
    }
    if added.peek().is_some() {
        fill(transaction, table, next_id(&ids), added.by_ref())?;
    }
    drop(added);
    // Search the newest runs first: most removed keys were added recently.
    for id in ids.into_iter().rev() {
        if removed.is_empty() {
            return Ok(());
        }
        let mut run = open(transaction, table, id)?;
        let mut left = Vec::new();
        for key in removed {
            if !filters.may_hold(table, id, keys::hash_of(&key)) {
                left.push(key);
                continue;
            }
            let found = run.remove(key_of::<HashKey>(key.as_slice())?);
            if found.map_err(translate)?.is_none() {
                left.push(key);
            }
        }
        removed = left;
    }
    Ok(())
}

/// Merges runs of at most one index: the one with the most runs to merge. Several indexes usually
/// have enough runs at the same time. One merge for each checkpoint keeps all checkpoints short.
pub(super) fn merge_one(transaction: &WriteTransaction) -> Result<(), StorageError> {
    let names = table_names(transaction)?;
    let mut most = (Table::Meta, Vec::new());
    for table in Table::INDEXES
        .into_iter()
        .filter(|table| keys::has_hash(*table))
    {
        let mut runs = Vec::new();
        for id in run_ids(table, &names) {
            let len = open(transaction, table, id)?.len();
            runs.push((id, len.map_err(translate)?));
        }
        let alike = runs_to_merge(&runs);
        if alike.len() > most.1.len() {
            most = (table, alike);
        }
    }
    let (table, runs) = most;
    if runs.is_empty() {
        return Ok(());
    }
    merge(transaction, table, &runs, next_id(&run_ids(table, &names)))
}

/// Selects the runs to merge. `runs` has the number and the length of each run of an index.
///
/// A tier consists of the runs whose lengths lie between the same two powers of eight. Returns the
/// runs of the lowest tier with at least [`FAN_IN`] runs, or none.
pub(super) fn runs_to_merge(runs: &[(RunId, u64)]) -> Vec<RunId> {
    let mut tiers: BTreeMap<u32, Vec<RunId>> = BTreeMap::new();
    for (id, len) in runs {
        // The first run is empty in most stores, and stays.
        if *len < LARGE_RUN && (*id, *len) != (0, 0) {
            let tier = len.checked_ilog(FAN_IN).map_or(0, |tier| tier + 1);
            tiers.entry(tier).or_default().push(*id);
        }
    }
    let mut tiers = tiers.into_values();
    let full = tiers.find(|ids| u64_of(ids.len()) >= FAN_IN);
    let mut merged = full.unwrap_or_default();
    // There may be more, because other indexes were merged first or merges waited for disk space.
    // `MERGE_BYTES` is enough for these.
    merged.truncate(FAN_IN_MAX);
    merged
}

/// Merges runs of an index into a new run.
fn merge(
    transaction: &WriteTransaction,
    table: Table,
    ids: &[RunId],
    to: RunId,
) -> Result<(), StorageError> {
    let runs = ids.iter().map(|id| open(transaction, table, *id));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let keys: Result<Vec<_>, _> = runs.iter().map(ReadableTable::iter).collect();
    let keys = keys.map_err(translate)?.into_iter().map(|keys| {
        keys.map(|entry| {
            let (key, _) = entry.map_err(translate)?;
            read_key(key.value())
        })
    });
    let merged = Merge::of(keys.collect(), Direction::Forward)?;
    fill(transaction, table, to, merged)?;
    drop(runs);
    for id in ids {
        let (run, filter) = (run_name(table, *id), filter_name(table, *id));
        let deleted = transaction.delete_table(RunTable::new(&run));
        deleted.map_err(translate)?;
        let deleted = transaction.delete_table(FilterTable::new(&filter));
        deleted.map_err(translate)?;
    }
    if ids.first() == Some(&0) {
        open(transaction, table, 0)?;
    }
    Ok(())
}

/// Opens a run. Creates it if it does not exist.
fn open(
    transaction: &WriteTransaction,
    table: Table,
    id: RunId,
) -> Result<redb::Table<'_, HashKey, ()>, StorageError> {
    let name = run_name(table, id);
    let opened = transaction.open_table(RunTable::new(&name));
    opened.map_err(translate)
}

/// Creates a run with these keys, which must be in order, and its filter.
fn fill(
    transaction: &WriteTransaction,
    table: Table,
    id: RunId,
    keys: impl Iterator<Item = Result<KeyBytes, StorageError>>,
) -> Result<(), StorageError> {
    let mut hashes = Vec::new();
    let mut run = open(transaction, table, id)?;
    let mut cursor = run
        .upper_bound_mut(std::ops::Bound::<HashKey>::Unbounded)
        .map_err(translate)?;
    let steps = Steps::every(ENTRIES);
    for key in keys {
        steps.step();
        let key = key?;
        hashes.push(keys::hash_of(&key));
        let put = cursor.insert_before(key_of::<HashKey>(key.as_slice())?, ());
        put.map_err(translate_cursor)?;
    }
    cursor.close().map_err(translate)?;
    drop(run);
    let mut filter = Filter::new(hashes.len());
    hashes.into_iter().for_each(|hash| filter.add(hash));
    put_filter(transaction, table, id, &filter)
}

fn put_filter(
    transaction: &WriteTransaction,
    table: Table,
    id: RunId,
    filter: &Filter,
) -> Result<(), StorageError> {
    let name = filter_name(table, id);
    let bytes = filter.encode();
    let mut parts = transaction
        .open_table(FilterTable::new(&name))
        .map_err(translate)?;
    for (n, part) in (0_u32..).zip(bytes.chunks(FILTER_PART)) {
        parts.insert(n, part).map_err(translate)?;
    }
    Ok(())
}

/// Puts a rebuilt index, which is the table `new`, in the place of all runs of the old one.
pub(super) fn replace(
    transaction: &WriteTransaction,
    table: Table,
    new: &str,
) -> Result<(), StorageError> {
    let names = table_names(transaction)?;
    let ids = run_ids(table, &names);
    for id in &ids {
        set_aside(transaction, table, RunTable::new(&run_name(table, *id)))?;
        let filter = filter_name(table, *id);
        if names.contains(&filter) {
            set_aside(transaction, table, FilterTable::new(&filter))?;
        }
    }
    open(transaction, table, 0)?;
    let id = next_id(&ids);
    let name = run_name(table, id);
    let renamed = transaction.rename_table(RunTable::new(new), RunTable::new(&name));
    renamed.map_err(translate)?;
    let run = open(transaction, table, id)?;
    let mut filter = Filter::new(usize::try_from(run.len().map_err(translate)?).unwrap_or(0));
    for entry in run.iter().map_err(translate)? {
        let (key, _) = entry.map_err(translate)?;
        filter.add(keys::hash_of(&read_key(key.value())?));
    }
    drop(run);
    put_filter(transaction, table, id, &filter)
}

/// Renames a table of an old index. A deletion would read its corrupt pages. The table stays in the
/// file under the new name. No read of the index uses it.
pub(super) fn set_aside<K: KeyType, V: ValueType>(
    transaction: &WriteTransaction,
    of: Table,
    table: TableDefinition<'_, K, V>,
) -> Result<(), StorageError> {
    let prefix = format!("{}.damaged", of.name());
    let names = table_names(transaction)?;
    let damaged = names.iter().filter(|name| name.starts_with(&prefix));
    let kept = format!("{prefix}.{}", damaged.count());
    let kept = TableDefinition::<K, V>::new(&kept);
    transaction.rename_table(table, kept).map_err(translate)
}
