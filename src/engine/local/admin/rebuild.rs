//! Rebuilds corrupt indexes from the records.
//!
//! An index holds no information that the records do not hold. If a checkpoint fails on a corrupt
//! page of an index, the checkpoint thread rebuilds the index and repeats the checkpoint.
//! Otherwise, one corrupt page would block all writes as soon as the memtable is full.
//!
//! A rebuild needs every record. An index without the unique keys of an unreadable order would let
//! another order claim these keys.

use std::ops::ControlFlow::Continue;

use super::rows::Rows;
use crate::contract::Direction;
use crate::engine::local::btree::{BTree, Salvage};
use crate::error::StorageError;
use crate::format::codec;
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::log::event;

/// Bytes that an index entry takes in the B-tree at most, its share of branch pages included.
const ENTRY_BYTES: u64 = 64;

/// Rebuilds every index that has a corrupt page. Fails if no index has one: the corrupt pages then
/// belong to the records, the events or redb itself. It also fails if a record is corrupt.
///
/// `survey` reads the last commit of `base` through a cache of its own and skips corrupt pages, so
/// that it meets each of them. `check_room` gets the bytes that the new indexes need. A rebuild
/// that filled the disk would take the space that the journal needs. `may_go_on` ends the rebuild
/// when the store closes.
pub(crate) fn rebuild(
    base: &BTree,
    survey: &Salvage,
    layout: &KeyEncoder,
    check_room: &dyn Fn(u64) -> Result<(), StorageError>,
    may_go_on: &dyn Fn() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let snapshot = base.snapshot()?;
    let mut corrupt = Vec::new();
    let mut pages = Vec::new();
    for table in Table::INDEXES {
        let found = survey.corrupt_pages(table, may_go_on)?;
        if !found.is_empty() {
            corrupt.push(table);
            pages.extend(found);
        }
    }
    if corrupt.is_empty() {
        let why = "base.redb has corrupt pages outside of the indexes; only indexes can be \
                   rebuilt while the store is open";
        return Err(StorageError::corrupted(why));
    }
    let mut bytes = 0_u64;
    for table in &corrupt {
        // A sum that saturates is more than any disk has, and is refused as such.
        bytes = bytes.saturating_add(snapshot.len(*table)?.saturating_mul(ENTRY_BYTES));
    }
    check_room(bytes)?;
    for table in &corrupt {
        base.start_new(*table)?;
    }
    let begin = |table| (table, Rows::default());
    let mut indexes: Vec<(Table, Rows)> = corrupt.into_iter().map(begin).collect();
    let mut places = Vec::new();
    let mut show = |key: &[u8], value: &[u8]| {
        may_go_on()?;
        let held = codec::read_record(key, value)?;
        layout.places(&held.stored.record, held.stored.row, &mut places)?;
        for (of, key) in &places {
            let index = indexes.iter_mut().find(|(table, _)| table == of);
            index.into_iter().for_each(|(_, rows)| rows.push(*key, &[]));
        }
        let full = indexes.iter_mut().filter(|(_, rows)| rows.is_enough());
        write(base, full)?;
        Ok(Continue(()))
    };
    snapshot.walk(Table::Orders, None, Direction::Forward, &mut show)?;
    write(base, indexes.iter_mut())?;
    let tables: Vec<Table> = indexes.iter().map(|(table, _)| *table).collect();
    base.replace(&tables)?;
    base.damage().forget(&pages);
    let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
    event!(warn, "rebuilt corrupt lists", lists = names.join(", "));
    Ok(())
}

fn write<'a>(
    base: &BTree,
    indexes: impl Iterator<Item = &'a mut (Table, Rows)>,
) -> Result<(), StorageError> {
    for (table, rows) in indexes {
        rows.write(*table, |sorted| base.write_new(sorted))?;
    }
    Ok(())
}
