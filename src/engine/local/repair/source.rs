//! What a damaged store says, value by value: the newest of what base and journal hold.
//!
//! What cannot be read is not there. A disk that fails is no damage, and ends the repair.

use std::cell::RefCell;
use std::ops::ControlFlow::{Break, Continue};

use super::super::base::Salvage;
use super::super::codec::{self, Chained, Held, Origin, State};
use super::super::dir::Dir;
use super::super::keys::{self, KeyBytes};
use super::super::table::Table;
use super::frames::Frames;
use crate::engine::{Direction, Identity};
use crate::error::{StorageError, StorageErrorKind};
use crate::generator::COUNTERS;
use crate::order::{Event, Record};
use crate::rules::evolve;
use crate::value::OrderNo;

/// So many numbers are gone through at a time.
const PORTION: usize = 4096;

/// A damaged store that is read.
pub(super) struct Source {
    /// Where the copy of its base is.
    place: Dir,
    page_bytes: usize,
    /// `None` behind damage: it is opened anew.
    base: RefCell<Option<Salvage>>,
    pub(super) frames: Frames,
    pub(super) state: Option<State>,
    /// The last sequence of an event that there may be.
    pub(super) last_seq: u64,
}

impl Source {
    /// Opens the copy of the base in `place`, and reads the journal of `dir`. Fails where
    /// that is no base at all.
    pub(super) fn open(
        dir: &Dir,
        place: Dir,
        identity: Identity,
        page_bytes: usize,
    ) -> Result<Self, StorageError> {
        let mut source = Self {
            place,
            page_bytes,
            base: RefCell::new(None),
            frames: Frames::default(),
            state: None,
            last_seq: 0,
        };
        source.base.replace(Some(source.reopened()?));
        let applied = source.single(keys::APPLIED, codec::read_applied)?;
        source.frames = Frames::read(&dir.journal(), identity, applied.unwrap_or_default())?;
        let state = source.single(keys::STATE, codec::read_state)?;
        source.state = source.frames.state.or(state);
        source.last_seq = source.last_event()?;
        Ok(source)
    }

    fn reopened(&self) -> Result<Salvage, StorageError> {
        let disk = &**self.place.disk();
        Salvage::open(disk, &self.place.scratch(), self.page_bytes)
    }

    /// What `read` finds in the base; `None` where it meets damage.
    fn look<T>(
        &self,
        read: impl FnOnce(&Salvage) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let mut base = self.base.borrow_mut();
        let open = match base.take() {
            Some(open) => open,
            None => self.reopened()?,
        };
        match read(&open) {
            Ok(found) => {
                *base = Some(open);
                Ok(Some(found))
            }
            Err(error) if error.kind() == StorageErrorKind::Corrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn value(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.look(|base| base.get(table, key))?.flatten())
    }

    fn single<T>(
        &self,
        key: &'static [u8],
        read: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let value = self.value(Table::Meta, key)?;
        Ok(value.and_then(|value| read(key, &value).ok()))
    }

    fn last_event(&self) -> Result<u64, StorageError> {
        let last = self.look(|base| base.last(Table::Events))?.flatten();
        let in_base = last.and_then(|key| keys::read_event(&key));
        let in_journal = self.frames.events.keys().next_back().copied();
        let said = self.state.map(|state| state.last_seq);
        let all = [in_base, in_journal, said];
        Ok(all.into_iter().flatten().max().unwrap_or_default())
    }

    /// Everything behind the base could be read.
    pub(super) const fn is_journal_whole(&self) -> bool {
        self.frames.found.is_whole()
    }

    /// The counter of order numbers; where nobody knows it, one in a region of its own.
    pub(super) fn counter(&self) -> u64 {
        self.state.map_or(COUNTERS / 2, |state| state.counter)
    }

    /// How many entries a table should have.
    pub(super) fn len(&self, table: Table) -> Result<Option<u64>, StorageError> {
        Ok(self.look(|base| base.len(table))?.flatten())
    }

    /// The event of a sequence.
    pub(super) fn event(&self, seq: u64) -> Result<Option<Chained>, StorageError> {
        let key = keys::event(seq);
        let read = |bytes: &[u8]| codec::read_event(key.as_slice(), bytes).ok();
        if let Some(event) = self.frames.events.get(&seq).and_then(|bytes| read(bytes)) {
            return Ok(Some(event));
        }
        let value = self.value(Table::Events, key.as_slice())?;
        Ok(value.and_then(|value| read(&value)))
    }

    /// The number that the first event of a row bears.
    pub(super) fn first(&self, row: u64) -> Result<Option<OrderNo>, StorageError> {
        Ok(self.event(row)?.and_then(|event| match event.origin {
            Origin::First(no) => Some(no),
            Origin::Later { .. } => None,
        }))
    }

    /// The record under a number.
    pub(super) fn record(&self, no: &OrderNo) -> Result<Option<Held>, StorageError> {
        let key = keys::order(no);
        let value = self.value(Table::Orders, key.as_slice())?;
        let in_base = value.and_then(|value| codec::read_record(key.as_slice(), &value).ok());
        let in_journal = self.frames.records.get(no).cloned();
        let version = |held: &Held| held.stored.record.version();
        let both = in_base.into_iter().chain(in_journal);
        Ok(both.max_by_key(version))
    }

    /// The record that a record's history folds into; `None` where a part of that is
    /// missing.
    pub(super) fn folded(&self, held: &Held) -> Result<Option<Record>, StorageError> {
        let Some(events) = self.history(held)? else {
            return Ok(None);
        };
        Ok(fold(&events))
    }

    fn history(&self, held: &Held) -> Result<Option<Vec<Event>>, StorageError> {
        let (no, row) = (held.stored.record.no(), held.stored.row);
        let (mut found, mut next) = (Vec::new(), Some(held.last_seq));
        while let Some(seq) = next {
            let Some(chained) = self.event(seq)? else {
                return Ok(None);
            };
            next = match chained.origin {
                Origin::First(of) if of == no && seq == row => None,
                Origin::Later { row: of, previous } if of == row && previous < seq => {
                    Some(previous)
                }
                _ => return Ok(None),
            };
            found.push(chained.of(no));
        }
        found.reverse();
        Ok(Some(found))
    }

    /// Shows the number of every value in the table of records that can be come to, some
    /// perhaps twice. Whether that is all of them.
    pub(super) fn numbers(
        &self,
        show: &mut dyn FnMut(OrderNo) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        let (mut from, mut until) = (KeyBytes::default(), highest());
        let is_all = self.walk(Direction::Forward, &mut from, until, show)?;
        if !is_all {
            self.walk(Direction::Backward, &mut until, from, show)?;
        }
        self.frames.records.keys().copied().try_for_each(show)?;
        Ok(is_all)
    }

    /// Shows the numbers from `from`, which moves on, to `end`. Whether it came there.
    fn walk(
        &self,
        direction: Direction,
        from: &mut KeyBytes,
        end: KeyBytes,
        show: &mut dyn FnMut(OrderNo) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
        loop {
            let stretch = match direction {
                Direction::Forward => (*from, end),
                Direction::Backward => (end, *from),
            };
            let mut keys = Vec::new();
            let walked = self.look(|base| {
                base.walk(Table::Orders, Some(&stretch), direction, &mut |key, _| {
                    keys.extend(KeyBytes::read(key));
                    Ok(if keys.len() < PORTION {
                        Continue(())
                    } else {
                        Break(())
                    })
                })
            })?;
            let is_end = keys.len() < PORTION;
            let seen = *from;
            for key in keys.into_iter().filter(|key| *key != seen) {
                *from = key;
                if let Ok(no) = OrderNo::from_bytes(key.as_slice()) {
                    show(no)?;
                }
            }
            if walked.is_none() || is_end {
                return Ok(walked.is_some());
            }
        }
    }
}

/// No key of a record is above it.
fn highest() -> KeyBytes {
    KeyBytes::read(&[u8::MAX; 32]).unwrap_or_default()
}

/// The record that events fold into, if their versions count up from 1.
pub(super) fn fold(events: &[Event]) -> Option<Record> {
    let counts_up = events
        .iter()
        .zip(1..)
        .all(|(event, version)| event.version == version);
    let folded = events.iter().fold(None, |record: Option<Record>, event| {
        Some(evolve(record.as_ref(), event))
    });
    folded.filter(|_| counts_up)
}
