//! Looks at everything that is kept, and names what breaks an invariant.
//!
//! From each record follows what must stand elsewhere: its history, its entries, its counts.
//! What must stand is looked up; how much must stand is counted, and where a table holds
//! more, it is walked for the strays.

use std::collections::BTreeSet;
use std::ops::ControlFlow::Continue;

use crate::contract::{Counts, Direction, StoredRecord};
use crate::engine::local::read::view::ReadView;
use crate::error::{StorageError, StorageErrorKind};
use crate::format::codec;
use crate::format::codec::{Held, State};
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::Event;
use crate::rules::{index_entries, unique_keys};
use crate::types::OrderNo;
use crate::verify::{Invariant, VerifyReport};

/// Walks through a view. Damage becomes a breach; only what cannot be read at all is an
/// error.
pub(in crate::engine::local) fn verify(view: &ReadView) -> Result<VerifyReport, StorageError> {
    let mut check = Verifier {
        view,
        report: VerifyReport::default(),
        expected: [0; Table::EVERY.len()],
        counts: Counts::default(),
    };
    let state = check.state()?;
    check.orders()?;
    for table in Table::INDEXES {
        check.index(table)?;
    }
    check.feed(&state)?;
    check.totals(&state);
    Ok(check.report)
}

/// The damage that a report tells of.
pub(in crate::engine::local) fn sound(report: &VerifyReport) -> Result<(), StorageError> {
    let Some(first) = report.violations.first() else {
        return Ok(());
    };
    let why = format!("{} breaches, the first: {first:?}", report.broken);
    Err(StorageError::corrupted(why))
}

struct Verifier<'a> {
    view: &'a ReadView,
    report: VerifyReport,
    /// How many entries each table should have.
    expected: [u64; Table::EVERY.len()],
    counts: Counts,
}

impl Verifier<'_> {
    fn state(&mut self) -> Result<State, StorageError> {
        let read = self.view.state();
        Ok(self.sound(None, read)?.unwrap_or(State::NEW))
    }

    fn orders(&mut self) -> Result<(), StorageError> {
        let view = self.view;
        let mut show = |key: &[u8], value: &[u8]| {
            self.expect(Table::Orders);
            let read = codec::read_record(key, value);
            let no = OrderNo::from_bytes(key).ok();
            if let Some(held) = self.sound(no, read)? {
                self.record(&held)?;
            }
            Ok(Continue(()))
        };
        view.snapshot
            .walk(Table::Orders, None, Direction::Forward, &mut show)
    }

    fn record(&mut self, held: &Held) -> Result<(), StorageError> {
        let (stored, no) = (&held.stored, Some(held.stored.record.no()));
        self.counts = self.counts.after(None, &stored.record);
        let events = self.events_of(held)?;
        self.report.check_record(&stored.record, &events);
        let number = self.view.number(stored.row);
        if self
            .sound(no, number)?
            .is_some_and(|found| Some(found) != no)
        {
            self.breach(Invariant::I3, no, "its row does not lead to it");
        }
        self.entries(stored)?;
        self.uniqueness(stored)
    }

    /// The record's events, if all can be read.
    fn events_of(&mut self, held: &Held) -> Result<Vec<Event>, StorageError> {
        let no = Some(held.stored.record.no());
        let events = self.view.history_of(held);
        let events = self.sound(no, events)?.unwrap_or_default();
        events.iter().for_each(|_| self.expect(Table::Events));
        Ok(events)
    }

    /// I5, from the record to the entries.
    fn entries(&mut self, stored: &StoredRecord) -> Result<(), StorageError> {
        let no = Some(stored.record.no());
        for (table, key) in self.places(stored)? {
            if self.view.snapshot.contains(table, key.as_slice())? {
                self.expect(table);
            } else {
                let what = format!("it is not found in {}", table.name());
                self.breach(Invariant::I5, no, what);
            }
        }
        Ok(())
    }

    fn places(&self, stored: &StoredRecord) -> Result<BTreeSet<(Table, KeyBytes)>, StorageError> {
        let entries = index_entries(&stored.record);
        let place = |entry| self.view.layout.entry(entry, stored.row);
        entries.iter().map(place).collect()
    }

    fn uniqueness(&mut self, stored: &StoredRecord) -> Result<(), StorageError> {
        let no = stored.record.no();
        for key in unique_keys(&stored.record) {
            let owners = self.view.owners(&key, usize::MAX);
            let Some(owners) = self.sound(Some(no), owners)? else {
                continue;
            };
            for other in owners.iter().filter(|other| other.stored.record.no() != no) {
                let what = format!("{} owns a key of it, too", other.stored.record.no());
                self.breach(Invariant::I6, Some(no), what);
            }
        }
        Ok(())
    }

    /// I5, from the entries to the records.
    fn index(&mut self, table: Table) -> Result<(), StorageError> {
        let len = self.view.snapshot.len(table)?;
        self.report.entries = self.report.entries.saturating_add(len);
        if len == self.expected_of(table) {
            return Ok(());
        }
        let view = self.view;
        let mut show = |key: &[u8], _: &[u8]| {
            self.entry(table, key)?;
            Ok(Continue(()))
        };
        view.snapshot
            .walk(table, None, Direction::Forward, &mut show)
    }

    fn entry(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        let Some(position) = keys::read_position(table, key) else {
            let what = format!("{} holds a key that is none", table.name());
            self.breach(Invariant::I5, None, what);
            return Ok(());
        };
        let held = kept(self.view.row(position.row))?;
        let is_place = |(of, place): &(Table, KeyBytes)| *of == table && place.as_slice() == key;
        let (no, fits) = match &held {
            Ok(Held { stored, .. }) => {
                let fits = self.places(stored)?.iter().any(is_place);
                (Some(stored.record.no()), fits)
            }
            Err(_) => (None, false),
        };
        if !fits {
            let (name, time, row) = (table.name(), position.time.as_millis(), position.row);
            let what = format!("{name} holds a stray entry at time {time}, row {row}");
            self.breach(Invariant::I5, no, what);
        }
        Ok(())
    }

    /// I11: the events count up from 1 without a gap, and each belongs to a record.
    fn feed(&mut self, state: &State) -> Result<(), StorageError> {
        let view = self.view;
        let mut next = 1;
        let mut show = |key: &[u8], value: &[u8]| {
            let seq = keys::read_event(key).unwrap_or_default();
            if seq != next {
                let what = format!("event {seq} stands where event {next} should");
                self.breach(Invariant::I11, None, what);
            }
            next = seq.saturating_add(1);
            self.sound(None, codec::read_event(key, value))?;
            Ok(Continue(()))
        };
        view.snapshot
            .walk(Table::Events, None, Direction::Forward, &mut show)?;
        if next.checked_sub(1) != Some(state.last_seq) {
            let what = format!("the last event should be {}", state.last_seq);
            self.breach(Invariant::I11, None, what);
        }
        let len = view.snapshot.len(Table::Events)?;
        let expected = self.expected_of(Table::Events);
        if len != expected {
            let what = format!("there are {len} events, the records have {expected}");
            self.breach(Invariant::I11, None, what);
        }
        Ok(())
    }

    fn totals(&mut self, state: &State) {
        if self.counts != state.counts {
            let what = format!("counted {:?}, kept {:?}", self.counts, state.counts);
            self.breach(Invariant::I12, None, what);
        }
    }

    /// What could be read. Damage is a breach of I18; anything else ends the walk.
    fn sound<T>(
        &mut self,
        no: Option<OrderNo>,
        read: Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        match kept(read)? {
            Ok(value) => Ok(Some(value)),
            Err(damage) => {
                self.breach(Invariant::I18, no, words(&damage));
                Ok(None)
            }
        }
    }

    fn breach(&mut self, invariant: Invariant, no: Option<OrderNo>, what: impl Into<String>) {
        self.report.breach(invariant, no, what);
    }

    fn expect(&mut self, table: Table) {
        if let Some(count) = self.expected.get_mut(usize::from(table.tag())) {
            *count = count.saturating_add(1);
        }
    }

    fn expected_of(&self, table: Table) -> u64 {
        let found = self.expected.get(usize::from(table.tag()));
        found.copied().unwrap_or_default()
    }
}

/// Damage kept apart from what ends a walk.
fn kept<T>(read: Result<T, StorageError>) -> Result<Result<T, StorageError>, StorageError> {
    match read {
        Err(error) if error.kind() != StorageErrorKind::Corrupted => Err(error),
        read => Ok(read),
    }
}

fn words(error: &StorageError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
