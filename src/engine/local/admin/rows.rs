//! Rows on their way from one base into another, portion by portion: what is held in memory
//! is bounded, whatever the length of a table.

use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;

use crate::contract::Direction;
use crate::engine::local::btree::typed::Sorted;
use crate::engine::local::btree::{BTree, Snapshot};
use crate::error::StorageError;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// A portion of so many bytes is written.
const ENOUGH: usize = 8 << 20;

/// What a row takes beside its value, by and large.
const ROW_BYTES: usize = size_of::<(KeyBytes, Range<usize>)>();

/// Rows of one table.
#[derive(Default)]
pub(in crate::engine::local) struct Rows {
    rows: Vec<(KeyBytes, Range<usize>)>,
    values: Vec<u8>,
}

impl Rows {
    pub(in crate::engine::local) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// It is time to write them.
    pub(in crate::engine::local) const fn is_enough(&self) -> bool {
        let rows = self.rows.len().saturating_mul(ROW_BYTES);
        self.values.len().saturating_add(rows) >= ENOUGH
    }

    pub(in crate::engine::local) fn push(&mut self, key: KeyBytes, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.rows.push((key, start..self.values.len()));
    }

    /// Hands them, sorted, to who writes them, and begins anew.
    pub(in crate::engine::local) fn write(
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

/// Copies a table; `tell` is told of each portion.
pub(in crate::engine::local) fn copy(
    from: &Snapshot,
    to: &BTree,
    table: Table,
    tell: &mut dyn FnMut(usize),
) -> Result<(), StorageError> {
    let Some(last) = end(from, table, Direction::Backward)? else {
        return Ok(());
    };
    let mut next = end(from, table, Direction::Forward)?;
    let mut rows = Rows::default();
    while let Some(first) = next.take() {
        let mut take = |key: &[u8], value: &[u8]| {
            let Some(key) = KeyBytes::read(key) else {
                return Err(StorageError::corrupted("a key is too long"));
            };
            if rows.is_enough() {
                next = Some(key);
                return Ok(Break(()));
            }
            rows.push(key, value);
            Ok(Continue(()))
        };
        from.walk(table, Some(&(first, last)), Direction::Forward, &mut take)?;
        tell(rows.rows.len());
        rows.write(table, |sorted| to.write(vec![sorted]))?;
    }
    Ok(())
}

/// The first key of a table, in the direction of reading.
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
