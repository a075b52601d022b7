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
use crate::engine::local::btree::{BTree, Snapshot};
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::log::event;
use crate::rules::each_entry;

/// Rebuilds every index that has a corrupt page. Fails if no index has one: the corrupt pages then
/// belong to the records, the events or redb itself.
pub(crate) fn rebuild(base: &BTree, layout: &KeyEncoder) -> Result<(), StorageError> {
    let snapshot = base.snapshot()?;
    let mut indexes: Vec<(Table, Rows)> = Vec::new();
    for table in Table::INDEXES {
        if is_corrupt(&snapshot, table)? {
            base.start_new(table)?;
            indexes.push((table, Rows::default()));
        }
    }
    if indexes.is_empty() {
        let why = "base.redb has corrupt pages outside of the indexes; only indexes can be \
                   rebuilt while the store is open";
        return Err(StorageError::corrupted(why));
    }
    let mut show = |key: &[u8], value: &[u8]| {
        let held = codec::read_record(key, value)?;
        let mut added = Ok(());
        each_entry(&held.stored.record, |entry| {
            match layout.entry(&entry, held.stored.row) {
                Ok((of, key)) => {
                    let index = indexes.iter_mut().find(|(table, _)| *table == of);
                    index.into_iter().for_each(|(_, rows)| rows.push(key, &[]));
                }
                Err(error) => added = Err(error),
            }
        });
        added?;
        let full = indexes.iter_mut().filter(|(_, rows)| rows.is_enough());
        write(base, full)?;
        Ok(Continue(()))
    };
    snapshot.walk(Table::Orders, None, Direction::Forward, &mut show)?;
    write(base, indexes.iter_mut())?;
    let tables: Vec<Table> = indexes.iter().map(|(table, _)| *table).collect();
    base.replace(&tables)?;
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

/// Returns whether a walk of the whole table meets a corrupt page.
fn is_corrupt(snapshot: &Snapshot, table: Table) -> Result<bool, StorageError> {
    let walked = snapshot.walk(table, None, Direction::Forward, &mut |_, _| {
        Ok(Continue(()))
    });
    match walked {
        Err(error) if error.kind() == StorageErrorKind::Corrupted => Ok(true),
        walked => walked.map(|()| false),
    }
}
