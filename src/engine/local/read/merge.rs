//! One list out of three: the active table over the frozen one over the base.
//!
//! What stands higher wins; a removal hides what lies beneath it.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::ControlFlow::{self, Break, Continue};

use crate::contract::Direction;
use crate::engine::local::btree::{KeyRange, Snapshot};
use crate::engine::local::memtable::{Memtable, SharedMemtable};
use crate::error::StorageError;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;

/// A key, and whether it is there.
type Entry = (KeyBytes, bool);

/// What is done with each entry, and whether to go on.
pub(in crate::engine::local) type Show<'a> =
    dyn FnMut(&KeyBytes) -> Result<ControlFlow<()>, StorageError> + 'a;

/// Where to read, and which way.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::local) struct Reading {
    pub(in crate::engine::local) table: Table,
    pub(in crate::engine::local) stretch: KeyRange,
    pub(in crate::engine::local) direction: Direction,
}

impl Reading {
    /// Whether the first of two keys is read before the second.
    fn order(&self, one: &KeyBytes, other: &KeyBytes) -> Ordering {
        match self.direction {
            Direction::Forward => one.cmp(other),
            Direction::Backward => other.cmp(one),
        }
    }

    /// As far as `end`, in the direction of reading.
    pub(in crate::engine::local) fn up_to(mut self, end: KeyBytes) -> Self {
        match self.direction {
            Direction::Forward => self.stretch.1 = end,
            Direction::Backward => self.stretch.0 = end,
        }
        self
    }

    /// From `end` on, which is read again.
    pub(in crate::engine::local) fn from(mut self, end: KeyBytes) -> Self {
        match self.direction {
            Direction::Forward => self.stretch.0 = end,
            Direction::Backward => self.stretch.1 = end,
        }
        self
    }
}

/// A part of the active table, copied under its lock.
pub(in crate::engine::local) struct Copied {
    entries: Vec<Entry>,
    /// Where it was cut off; `None`: it reaches the end of the stretch.
    pub(in crate::engine::local) end: Option<KeyBytes>,
    /// What the table's number of changes was.
    pub(in crate::engine::local) changes: u64,
}

impl Copied {
    /// Copies until `wanted` entries that are there were met, with all removals among them.
    pub(in crate::engine::local) fn of(
        shelf: &SharedMemtable,
        reading: &Reading,
        wanted: usize,
    ) -> Self {
        let table = shelf.read();
        let (mut entries, mut met, mut end) = (Vec::new(), 0_usize, None);
        for (key, is_there) in walk(&table, reading) {
            entries.push((key, is_there));
            met = met.saturating_add(usize::from(is_there));
            // Two at least, so that the next part begins further on.
            if met > wanted.max(1) {
                end = Some(key);
                break;
            }
        }
        Self {
            entries,
            end,
            changes: table.changes(),
        }
    }

    /// Shows the merged entries; whether all were shown.
    pub(in crate::engine::local) fn merge(
        self,
        frozen: Option<&SharedMemtable>,
        base: &Snapshot,
        reading: &Reading,
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

fn walk<'a>(table: &'a Memtable, reading: &Reading) -> impl Iterator<Item = Entry> + 'a {
    let (first, last) = reading.stretch;
    table.walk(reading.table, first..=last, reading.direction)
}

/// The entries of two memtables, the upper one having the last word.
struct Overlay<U: Iterator<Item = Entry>, L: Iterator<Item = Entry>> {
    upper: Peekable<U>,
    lower: Peekable<L>,
    reading: Reading,
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

    /// The next entry, if it is not read behind `key`.
    fn next_up_to(&mut self, key: &KeyBytes) -> Option<Entry> {
        let is_due = |(next, _): &Entry| self.reading.order(next, key).is_le();
        let is_due = self.upper.peek().is_some_and(is_due) || self.lower.peek().is_some_and(is_due);
        if is_due { self.next() } else { None }
    }

    /// Shows what is read before a key of the base, and the key itself, unless it is
    /// hidden.
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
