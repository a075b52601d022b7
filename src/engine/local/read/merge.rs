//! Merges the active memtable, the frozen memtable and the B-tree into one read of an index.
//!
//! The active memtable takes precedence over the frozen one, and both over the B-tree. A removal
//! hides the same entry in all lower layers.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::ControlFlow::{self, Break, Continue};

use crate::contract::Direction;
use crate::engine::local::btree::Snapshot;
use crate::engine::local::btree::typed::KeyRange;
use crate::engine::local::memtable::{Memtable, SharedMemtable};
use crate::error::StorageError;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// Key of a memtable entry, and whether the entry is present (`true`) or removed (`false`).
type Entry = (KeyBytes, bool);

/// Callback for each merged key. Its result says whether the read continues.
pub(crate) type Show<'a> = dyn FnMut(&KeyBytes) -> Result<ControlFlow<()>, StorageError> + 'a;

/// Table, key range and direction of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexRead {
    pub(crate) table: Table,
    pub(crate) stretch: KeyRange,
    pub(crate) direction: Direction,
}

impl IndexRead {
    /// Compares two keys in the direction of the read: `Less` if `first` is read before `other`.
    fn order(&self, first: &KeyBytes, other: &KeyBytes) -> Ordering {
        match self.direction {
            Direction::Forward => first.cmp(other),
            Direction::Backward => other.cmp(first),
        }
    }

    /// Limits the read to the keys up to `end`, inclusive, in the direction of the read.
    pub(crate) fn up_to(mut self, end: KeyBytes) -> Self {
        match self.direction {
            Direction::Forward => self.stretch.1 = end,
            Direction::Backward => self.stretch.0 = end,
        }
        self
    }

    /// Limits the read to the keys from `end` on, inclusive, in the direction of the read.
    pub(crate) fn from(mut self, end: KeyBytes) -> Self {
        match self.direction {
            Direction::Forward => self.stretch.0 = end,
            Direction::Backward => self.stretch.1 = end,
        }
        self
    }
}

/// Copy of a part of the active memtable, made under its lock.
pub(crate) struct MemtablePart {
    entries: Vec<Entry>,
    /// Last key of the copied part. `None` if the copy reaches the end of the key range.
    pub(crate) end: Option<KeyBytes>,
    /// Change counter of the memtable when the copy was made.
    pub(crate) changes: u64,
}

impl MemtablePart {
    /// Copies entries in the order of the read until it has more than `wanted` present entries.
    /// The copy includes the removed entries between them.
    pub(crate) fn of(memtable: &SharedMemtable, reading: &IndexRead, wanted: usize) -> Self {
        let memtable = memtable.read();
        let (mut entries, mut met, mut end) = (Vec::new(), 0_usize, None);
        for (key, is_there) in walk(&memtable, reading) {
            entries.push((key, is_there));
            met += usize::from(is_there);
            // Copy at least two entries that are present. The next part begins again with the entry
            // at `end`, so with one entry per part, the read would never advance.
            if met > wanted.max(1) {
                end = Some(key);
                break;
            }
        }
        Self {
            entries,
            end,
            changes: memtable.changes(),
        }
    }

    /// Passes the merged keys of all three layers to `show`. Returns `Break` if `show` stopped the
    /// read.
    pub(crate) fn merge(
        self,
        frozen: Option<&SharedMemtable>,
        base: &Snapshot,
        reading: &IndexRead,
        show: &mut Show<'_>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let frozen = frozen.map(SharedMemtable::read);
        let lower = frozen.iter().flat_map(|frozen| walk(frozen, reading));
        let mut overlay = Overlay {
            upper: self.entries.into_iter().peekable(),
            lower: lower.peekable(),
            reading: *reading,
        };
        let mut flow = Continue(());
        base.walk(
            reading.table,
            Some(&reading.stretch),
            reading.direction,
            &mut |key, _| {
                if let Some(key) = KeyBytes::read(key) {
                    flow = overlay.show_up_to(&key, show)?;
                }
                Ok(flow)
            },
        )?;
        while flow.is_continue()
            && let Some((key, is_there)) = overlay.next()
        {
            flow = if is_there { show(&key)? } else { Continue(()) };
        }
        Ok(flow)
    }
}

fn walk<'a>(memtable: &'a Memtable, reading: &IndexRead) -> impl Iterator<Item = Entry> + 'a {
    let (first, last) = reading.stretch;
    memtable.walk(reading.table, first..=last, reading.direction)
}

/// Merged entries of two memtables. For equal keys, the entry of `upper` is used.
struct Overlay<U: Iterator<Item = Entry>, L: Iterator<Item = Entry>> {
    upper: Peekable<U>,
    lower: Peekable<L>,
    reading: IndexRead,
}

impl<U: Iterator<Item = Entry>, L: Iterator<Item = Entry>> Overlay<U, L> {
    fn next(&mut self) -> Option<Entry> {
        match (self.upper.peek(), self.lower.peek()) {
            (Some((upper, _)), Some((lower, _))) => match self.reading.order(upper, lower) {
                Ordering::Less => self.upper.next(),
                Ordering::Equal => {
                    self.lower.next();
                    self.upper.next()
                }
                Ordering::Greater => self.lower.next(),
            },
            (Some(_), None) => self.upper.next(),
            _ => self.lower.next(),
        }
    }

    /// Returns the next entry, unless it comes after `key` in the order of the read.
    fn next_up_to(&mut self, key: &KeyBytes) -> Option<Entry> {
        let is_due = |(next, _): &Entry| self.reading.order(next, key).is_le();
        let is_due = self.upper.peek().is_some_and(is_due) || self.lower.peek().is_some_and(is_due);
        if is_due { self.next() } else { None }
    }

    /// Passes all memtable keys before `key` to `show`, then `key`, which is in the B-tree. If
    /// a memtable removed `key`, skips it.
    fn show_up_to(
        &mut self,
        key: &KeyBytes,
        show: &mut Show<'_>,
    ) -> Result<ControlFlow<()>, StorageError> {
        while let Some((next, is_there)) = self.next_up_to(key) {
            if is_there && show(&next)?.is_break() {
                return Ok(Break(()));
            }
            if next == *key {
                return Ok(Continue(()));
            }
        }
        show(key)
    }
}
