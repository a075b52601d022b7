//! Copies table rows (a key and its value) from one B-tree into another in portions. The memory
//! that the copy needs does not depend on the length of a table.

use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;

use crate::contract::Direction;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::btree::{BTree, Snapshot};
use crate::engine::local::write::batch::put_entry;
use crate::error::StorageError;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// Size of the collected rows, in bytes, at which they are written: 8 MiB.
const ENOUGH: usize = 8 << 20;

/// Approximate memory of a row without its value, in bytes.
const ROW_BYTES: usize = size_of::<(KeyBytes, Range<usize>)>();

/// Rows of one table that are not yet written.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<(KeyBytes, Range<usize>)>,
    values: Vec<u8>,
}

impl Rows {
    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether the rows have reached the size at which the caller should write them.
    pub(crate) const fn is_enough(&self) -> bool {
        self.values.len() + self.rows.len() * ROW_BYTES >= ENOUGH
    }

    pub(crate) fn push(&mut self, key: KeyBytes, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.rows.push((key, start..self.values.len()));
    }

    /// Appends the rows to `out` as entries, like those of a journal frame, and removes them.
    pub(crate) fn encode(&mut self, table: Table, out: &mut Vec<u8>) -> Result<(), StorageError> {
        self.write(table, |(table, rows)| {
            for (key, value) in rows {
                put_entry(out, table, &key, value.unwrap_or_default())?;
            }
            Ok(())
        })
    }

    /// Passes the rows, sorted by key, to `write`, then removes them.
    pub(crate) fn write(
        &mut self,
        table: Table,
        write: impl FnOnce(Sorted<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.rows.sort_unstable_by_key(|(key, _)| *key);
        let entry = |(key, place): &(KeyBytes, Range<usize>)| {
            let value = self.values.get(place.clone()).unwrap_or_default();
            (*key, Some(value))
        };
        write((table, Box::new(self.rows.iter().map(entry))))?;
        self.rows.clear();
        self.values.clear();
        Ok(())
    }
}

/// Copies a table in portions. Calls `on_portion` with the number of rows before each write.
pub(crate) fn copy(
    from: &Snapshot,
    to: &BTree,
    table: Table,
    on_portion: &mut dyn FnMut(usize),
) -> Result<(), StorageError> {
    portions(from, table, &mut |rows| {
        on_portion(rows.len());
        rows.write(table, |sorted| to.write(vec![sorted]))
    })
}

/// Reads a table in portions. `take` must remove the rows.
pub(crate) fn portions(
    from: &Snapshot,
    table: Table,
    take: &mut dyn FnMut(&mut Rows) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let Some(last) = end(from, table, Direction::Backward)? else {
        return Ok(());
    };
    let mut next = end(from, table, Direction::Forward)?;
    let mut rows = Rows::default();
    while let Some(first) = next.take() {
        let mut read = |key: &[u8], value: &[u8]| {
            let Some(key) = KeyBytes::read(key) else {
                let why = "a key of base.redb is longer than any valid key";
                return Err(StorageError::corrupted(why));
            };
            // End this read when the portion is full. The next portion starts at this key.
            if rows.is_enough() {
                next = Some(key);
                return Ok(Break(()));
            }
            rows.push(key, value);
            Ok(Continue(()))
        };
        from.walk(table, Some(&(first, last)), Direction::Forward, &mut read)?;
        take(&mut rows)?;
    }
    Ok(())
}

/// Returns the first key of a table in the given direction, or `None` if the table is empty.
fn end(
    from: &Snapshot,
    table: Table,
    direction: Direction,
) -> Result<Option<KeyBytes>, StorageError> {
    let mut found = None;
    from.walk(table, None, direction, &mut |key, _| {
        found = KeyBytes::read(key);
        Ok(Break(()))
    })?;
    Ok(found)
}
