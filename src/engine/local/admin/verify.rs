//! Checks all invariants of a store, and reports every violation.
//!
//! Each record determines entries of other tables: its history, its index entries, its share of the
//! counts. The verifier looks these entries up and counts them. If the length of an index differs
//! from its count, the verifier reads the whole index to find the entries without a record.

use std::ops::ControlFlow::Continue;

use crate::contract::{Counts, Direction, StoredRecord};
use crate::engine::local::read::view::ReadView;
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::State;
use crate::format::keys;
use crate::format::keys::KeyBytes;
use crate::format::tables::Table;
use crate::order::Event;
use crate::rules::unique_keys;
use crate::types::OrderNo;
use crate::verify::{Invariant, VerifyReport};

/// Verifies all data in a read view. Corrupt values become violations. Fails if a table cannot be
/// read to its end.
pub(crate) fn verify(view: &ReadView) -> Result<VerifyReport, StorageError> {
    let mut check = Verifier {
        view,
        report: VerifyReport::default(),
        expected: [0; Table::ALL.len()],
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

/// Returns an error if a report has violations.
pub(crate) fn check_report(report: &VerifyReport) -> Result<(), StorageError> {
    let Some(first) = report.violations.first() else {
        return Ok(());
    };
    let why = format!(
        "{} violations of invariants, the first: {first}",
        report.violation_count
    );
    Err(StorageError::corrupted(why))
}

struct Verifier<'a> {
    view: &'a ReadView,
    report: VerifyReport,
    /// Number of entries that each table should have, by tag.
    expected: [u64; Table::ALL.len()],
    /// Counts of all records that were read so far.
    counts: Counts,
}

impl Verifier<'_> {
    fn state(&mut self) -> Result<State, StorageError> {
        let ancestors = self.view.ancestors();
        self.sound(None, ancestors)?;
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

    fn record(&mut self, stored: &StoredRecord) -> Result<(), StorageError> {
        let no = Some(stored.record.no());
        self.counts = self.counts.after(None, &stored.record);
        let events = self.events_of(stored)?;
        self.report.check_record(&stored.record, &events);
        let number = self.view.number(stored.row);
        if self
            .sound(no, number)?
            .is_some_and(|found| Some(found) != no)
        {
            self.breach(
                Invariant::I3,
                no,
                "the record's row number belongs to another order",
            );
        }
        self.entries(stored)?;
        self.uniqueness(stored)
    }

    /// Returns the events of a record, or no events if one of them cannot be read.
    fn events_of(&mut self, held: &StoredRecord) -> Result<Vec<Event>, StorageError> {
        let no = Some(held.record.no());
        let events = self.view.history_of(held);
        let events = self.sound(no, events)?.unwrap_or_default();
        events.iter().for_each(|_| self.expect(Table::Events));
        Ok(events)
    }

    /// Checks invariant I5 in one direction: every index entry of a record exists.
    fn entries(&mut self, stored: &StoredRecord) -> Result<(), StorageError> {
        let no = Some(stored.record.no());
        for (table, key) in self.places(stored)? {
            if self.view.snapshot.contains(table, key.as_slice())? {
                self.expect(table);
            } else {
                let what = format!("missing in index {}", table.name());
                self.breach(Invariant::I5, no, what);
            }
        }
        Ok(())
    }

    fn places(&self, stored: &StoredRecord) -> Result<Vec<(Table, KeyBytes)>, StorageError> {
        let mut places = Vec::new();
        self.view
            .layout
            .places(&stored.record, stored.row, &mut places)?;
        Ok(places)
    }

    /// Checks invariant I6: no other record owns a unique key of this record.
    fn uniqueness(&mut self, stored: &StoredRecord) -> Result<(), StorageError> {
        let no = stored.record.no();
        for key in unique_keys(&stored.record) {
            let owners = self.view.owners(&key, usize::MAX);
            let Some(owners) = self.sound(Some(no), owners)? else {
                continue;
            };
            for other in owners.iter().filter(|other| other.record.no() != no) {
                let what = format!("order {} owns the same unique key", other.record.no());
                self.breach(Invariant::I6, Some(no), what);
            }
        }
        Ok(())
    }

    /// Checks invariant I5 in the other direction: every entry of an index belongs to a record.
    fn index(&mut self, table: Table) -> Result<(), StorageError> {
        let len = self.view.snapshot.len(table)?;
        self.report.entries += len;
        // `entries` has already looked up every entry that the records require. If the index has no
        // further entries, each of its entries belongs to a record, and the index need not be read.
        if len == self.expected_of(table) {
            return Ok(());
        }
        let view = self.view;
        let mut show = |key: &[u8], _: &[u8]| {
            self.entry(table, key)?;
            Ok(Continue(()))
        };
        view.snapshot
            .walk(table, None, Direction::Forward, &mut show)?;
        // If no entry is missing or wrong, one is stored twice. A removal deletes only one.
        let is_right = self.report.violation_count == 0;
        if keys::has_hash(table) && is_right && len > self.expected_of(table) {
            let what = format!("index {} has an entry in two of its runs", table.name());
            self.breach(Invariant::I5, None, what);
        }
        Ok(())
    }

    fn entry(&mut self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        let Some(position) = keys::read_position(table, key) else {
            let what = format!("index {} has an invalid key", table.name());
            self.breach(Invariant::I5, None, what);
            return Ok(());
        };
        let held = kept(self.view.row(position.row))?;
        let is_place = |(of, place): &(Table, KeyBytes)| *of == table && place.as_slice() == key;
        let (no, fits) = match &held {
            Ok(stored) => {
                let fits = self.places(stored)?.iter().any(is_place);
                (Some(stored.record.no()), fits)
            }
            Err(_) => (None, false),
        };
        if !fits {
            let (name, time, row) = (table.name(), position.time.as_millis(), position.row);
            let what =
                format!("index {name} has an entry without its record: time {time}, row {row}");
            self.breach(Invariant::I5, no, what);
        }
        Ok(())
    }

    /// Checks invariant I11: the sequence numbers count up from 1 without a gap, and each event
    /// belongs to a record.
    fn feed(&mut self, state: &State) -> Result<(), StorageError> {
        let view = self.view;
        let mut next = 1;
        let mut show = |key: &[u8], value: &[u8]| {
            let seq = keys::read_event(key).unwrap_or_default();
            if seq != next {
                let what = format!("the feed has event {seq} instead of event {next}");
                self.breach(Invariant::I11, None, what);
            }
            // The sum saturates only at the largest number, and the walk ends there.
            next = seq.saturating_add(1);
            self.sound(None, codec::read_event(key, value))?;
            Ok(Continue(()))
        };
        view.snapshot
            .walk(Table::Events, None, Direction::Forward, &mut show)?;
        if next.checked_sub(1) != Some(state.last_seq) {
            let what = format!("the feed does not end at event {}", state.last_seq);
            self.breach(Invariant::I11, None, what);
        }
        let len = view.snapshot.len(Table::Events)?;
        let expected = self.expected_of(Table::Events);
        if len != expected {
            let what = format!("the feed has {len} events, but the records have {expected}");
            self.breach(Invariant::I11, None, what);
        }
        Ok(())
    }

    /// Checks invariant I12: the counters of the store equal the counts over all records.
    fn totals(&mut self, state: &State) {
        if self.counts != state.counts {
            let text = |counts: &Counts| {
                let (unclaimed, anomalies) = (counts.unclaimed, counts.open_anomalies);
                let by_status = counts.by_status;
                format!(
                    "orders by status {by_status:?}, unclaimed payments {unclaimed}, \
                     open anomalies {anomalies}"
                )
            };
            let (records, counters) = (text(&self.counts), text(&state.counts));
            let what = format!("the records have {records}; the counters have {counters}");
            self.breach(Invariant::I12, None, what);
        }
    }

    /// Returns the value of a read. Reports corruption as a violation of invariant I18. Any other
    /// error ends the verification.
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
        self.report.add_violation(invariant, no, what);
    }

    fn expect(&mut self, table: Table) {
        if let Some(count) = self.expected.get_mut(usize::from(table.tag())) {
            *count += 1;
        }
    }

    fn expected_of(&self, table: Table) -> u64 {
        let found = self.expected.get(usize::from(table.tag()));
        found.copied().unwrap_or_default()
    }
}

/// Separates corruption (inner error) from errors that end the verification (outer error).
fn kept<T>(read: Result<T, StorageError>) -> Result<Result<T, StorageError>, StorageError> {
    match read {
        Err(error) if !error.is_corrupt() => Err(error),
        read => Ok(read),
    }
}

/// Text of an error: its cause without the error's own prefix.
fn words(error: &StorageError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
