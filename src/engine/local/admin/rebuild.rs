//! Rebuilds corrupt indexes from the records.
//!
//! An index holds only information from the records. If a checkpoint fails on a corrupt page of an
//! index, the checkpoint thread rebuilds the index and repeats the checkpoint. Without the rebuild,
//! one corrupt page would block all writes as soon as both memtables are full. If a read found the
//! page, the next checkpoint rebuilds the index.
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

/// Maximum size of an index entry in the B-tree, in bytes, with its share of the branch pages.
const ENTRY_BYTES: u64 = 64;

/// Index with corrupt pages: the offset and the length of each in the file, in bytes.
pub(crate) type CorruptIndex = (Table, Vec<(u64, usize)>);

/// Returns every index that has a corrupt page. Fails if there is none: the corrupt pages then
/// belong to the records, the events or redb itself.
///
/// `survey` reads the last commit of the B-tree with a separate cache. It goes on after each
/// corrupt page, so it finds all of them, except those below another corrupt page. `may_go_on`
/// fails, and so ends the search, when the store closes.
pub(crate) fn corrupt_indexes(
    survey: &Salvage,
    may_go_on: &dyn Fn() -> Result<(), StorageError>,
) -> Result<Vec<CorruptIndex>, StorageError> {
    let mut corrupt = Vec::new();
    for table in Table::INDEXES {
        let pages = survey.corrupt_pages(table, may_go_on)?;
        if !pages.is_empty() {
            corrupt.push((table, pages));
        }
    }
    if corrupt.is_empty() {
        let why = "base.redb has corrupt pages outside of the indexes; only indexes can be \
                   rebuilt while the store is open; run `orderstore repair`";
        return Err(StorageError::corrupted(why));
    }
    Ok(corrupt)
}

/// Rebuilds these indexes. Fails if a record is corrupt.
///
/// `check_room` fails if the disk has no room for its argument, in bytes, beside the journal.
/// `may_go_on` fails, and so ends the rebuild, when the store closes.
pub(crate) fn rebuild(
    base: &BTree,
    corrupt: Vec<CorruptIndex>,
    layout: &KeyEncoder,
    check_room: &dyn Fn(u64) -> Result<(), StorageError>,
    may_go_on: &dyn Fn() -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let snapshot = base.snapshot()?;
    let (corrupt, pages): (Vec<Table>, Vec<_>) = corrupt.into_iter().unzip();
    let mut bytes = 0_u64;
    for table in &corrupt {
        // A saturated sum is more than any disk has, so `check_room` refuses it.
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
        layout.places(&held.record, held.row, &mut places)?;
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
    base.damage().forget(&pages.concat());
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
