//! Building damaged lists anew from the records.
//!
//! A list says nothing that the records do not say, too. Where a flush meets a damaged page of
//! one, the list is built anew and the flush tried again: otherwise one damaged page would stop
//! all writing as soon as memory is full.
//!
//! This needs every record. A list without the keys of an unreadable order would let another
//! order take them.

use std::ops::ControlFlow::Continue;

use super::rows::Rows;
use crate::contract::Direction;
use crate::engine::local::btree::{BTree, Snapshot};
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::keys::Layout;
use crate::format::tables::Table;
use crate::rules::each_entry;

/// Builds every list anew that has a damaged page. Fails where none has one: what is damaged
/// then is the records, the events, or redb's own pages.
pub(in crate::engine::local) fn rebuild(base: &BTree, layout: &Layout) -> Result<(), StorageError> {
    let snapshot = base.snapshot()?;
    let mut lists: Vec<(Table, Rows)> = Vec::new();
    for table in Table::INDEXES {
        if is_damaged(&snapshot, table)? {
            base.start_new(table)?;
            lists.push((table, Rows::default()));
        }
    }
    if lists.is_empty() {
        let why = "damaged pages, and not of a list that the records could rebuild";
        return Err(StorageError::corrupted(why));
    }
    let mut show = |key: &[u8], value: &[u8]| {
        let held = codec::read_record(key, value)?;
        let mut added = Ok(());
        each_entry(&held.stored.record, |entry| {
            match layout.entry(&entry, held.stored.row) {
                Ok((of, key)) => {
                    let list = lists.iter_mut().find(|(table, _)| *table == of);
                    list.into_iter().for_each(|(_, rows)| rows.push(key, &[]));
                }
                Err(error) => added = Err(error),
            }
        });
        added?;
        let full = lists.iter_mut().filter(|(_, rows)| rows.is_enough());
        write(base, full)?;
        Ok(Continue(()))
    };
    snapshot.walk(Table::Orders, None, Direction::Forward, &mut show)?;
    write(base, lists.iter_mut())?;
    let tables: Vec<Table> = lists.iter().map(|(table, _)| *table).collect();
    base.replace(&tables)
}

fn write<'a>(
    base: &BTree,
    lists: impl Iterator<Item = &'a mut (Table, Rows)>,
) -> Result<(), StorageError> {
    for (table, rows) in lists {
        rows.write(*table, |sorted| base.write_new(sorted))?;
    }
    Ok(())
}

fn is_damaged(snapshot: &Snapshot, table: Table) -> Result<bool, StorageError> {
    let walked = snapshot.walk(table, None, Direction::Forward, &mut |_, _| {
        Ok(Continue(()))
    });
    match walked {
        Err(error) if error.kind() == StorageErrorKind::Corrupted => Ok(true),
        walked => walked.map(|()| false),
    }
}
