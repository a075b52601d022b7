//! Writes the B-tree of a repaired store: the kept events and records, and all indexes.
//!
//! Kept events stay in their old order. If some events are dropped, the later events get lower
//! sequence numbers, so that the feed has no gap. A record's row number is the sequence number of
//! its first event, so row numbers change in the same way. New histories, which replace incomplete
//! ones, come last.

use std::ops::ControlFlow::Continue;

use super::salvage_record::{SalvagePlan, new_history};
use super::source::Source;
use crate::contract::{Counts, Direction, StoredRecord};
use crate::engine::local::admin::rows::Rows;
use crate::engine::local::btree::BTree;
use crate::error::StorageError;
use crate::format::codec;
use crate::format::codec::{EventLink, State};
use crate::format::keys;
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::number::u64_of;
use crate::order::{Event, Record};
use crate::types::OrderNo;

/// Writer of the B-tree of a repaired store.
pub(super) struct RepairWriter<'a> {
    pub(super) source: &'a Source,
    pub(super) plan: &'a SalvagePlan,
    pub(super) base: &'a BTree,
    pub(super) layout: KeyEncoder,
    /// Old sequence numbers of the events that are not kept, in ascending order.
    pub(super) gone: Vec<u64>,
    last_seq: u64,
    counts: Counts,
    pub(super) records: u64,
    /// Entries that are not yet written to the B-tree, for each table by its tag.
    rows: [Rows; Table::ALL.len()],
}

impl<'a> RepairWriter<'a> {
    pub(super) fn new(
        source: &'a Source,
        plan: &'a SalvagePlan,
        base: &'a BTree,
        layout: KeyEncoder,
    ) -> Self {
        Self {
            source,
            plan,
            base,
            layout,
            gone: Vec::new(),
            last_seq: 0,
            counts: Counts::default(),
            records: 0,
            rows: Default::default(),
        }
    }

    /// Writes everything except the values that exist once per store. Returns the counters, which
    /// are one of these values.
    pub(super) fn all(&mut self, on_event: &mut dyn FnMut()) -> Result<State, StorageError> {
        self.events(on_event)?;
        self.flush()?;
        self.kept_records(on_event)?;
        for no in &self.plan.new_histories {
            let held = self.source.record(no)?;
            let (record, events) = held
                .and_then(|held| new_history(&held.record))
                .ok_or_else(unread_again)?;
            self.write_new_history(record, &events)?;
        }
        self.flush()?;
        Ok(State {
            last_seq: self.last_seq,
            counter: self.source.counter(),
            counts: self.counts,
        })
    }

    /// New sequence number of a kept event: the old one minus the number of dropped events before
    /// it. `gone` must already contain all dropped events before `seq`.
    fn place(&self, seq: u64) -> u64 {
        let before = self.gone.partition_point(|gone| *gone < seq);
        // No underflow: `gone` holds distinct numbers from 1 on, so fewer than `seq` of them are
        // below `seq`.
        seq - u64_of(before)
    }

    /// Writes the kept events under their new sequence numbers.
    fn events(&mut self, on_event: &mut dyn FnMut()) -> Result<(), StorageError> {
        for seq in 1..=self.source.last_seq {
            on_event();
            let event = self.source.event(seq)?;
            let Some(event) = event.filter(|event| self.plan.keeps(seq, event)) else {
                self.gone.push(seq);
                continue;
            };
            let no = match event.origin {
                EventLink::First(no) => Some(no),
                EventLink::Later { row, .. } => self.source.first(row)?,
            };
            let origin = match event.origin {
                EventLink::First(no) => EventLink::First(no),
                EventLink::Later { row, previous } => EventLink::Later {
                    row: self.place(row),
                    previous: self.place(previous),
                },
            };
            let Some(no) = no else {
                self.gone.push(seq);
                continue;
            };
            self.last_seq = self.place(seq);
            self.event(self.last_seq, origin, &event.of(no))?;
        }
        Ok(())
    }

    /// Writes one event.
    fn event(&mut self, seq: u64, origin: EventLink, event: &Event) -> Result<(), StorageError> {
        let (key, mut bytes) = (keys::event(seq), Vec::new());
        codec::event(&mut bytes, &key, origin, event)?;
        self.push(Table::Events, key, &bytes)
    }

    /// Writes the records of the kept histories, in the order of their first events.
    fn kept_records(&mut self, on_event: &mut dyn FnMut()) -> Result<(), StorageError> {
        let snapshot = self.base.snapshot()?;
        let mut show = |key: &[u8], value: &[u8]| {
            on_event();
            if let EventLink::First(no) = codec::read_origin(key, value)? {
                let row = keys::read_event(key).unwrap_or_default();
                self.kept_record(no, row)?;
            }
            Ok(Continue(()))
        };
        snapshot.walk(Table::Events, None, Direction::Forward, &mut show)
    }

    /// Writes the record whose history begins at the new sequence number `row`.
    fn kept_record(&mut self, no: OrderNo, row: u64) -> Result<(), StorageError> {
        let (record, last_seq) = match self.plan.rebuilt.get(&no) {
            Some((first, last)) => (self.source.folded(no, *first, *last)?, *last),
            None => {
                let held = self.source.record(&no)?;
                let last = held.as_ref().map_or(0, |held| held.last_seq);
                (held.map(|held| held.record), last)
            }
        };
        let record = record.ok_or_else(unread_again)?;
        self.record(StoredRecord {
            record,
            row,
            last_seq: self.place(last_seq),
        })
    }

    /// Writes a record with a new history, which comes after all events written so far.
    fn write_new_history(&mut self, record: Record, events: &[Event]) -> Result<(), StorageError> {
        let row = self.last_seq + 1;
        for event in events {
            let (seq, previous) = (self.last_seq + 1, self.last_seq);
            let origin = if seq == row {
                EventLink::First(event.no)
            } else {
                EventLink::Later { row, previous }
            };
            self.event(seq, origin, event)?;
            self.last_seq = seq;
        }
        self.record(StoredRecord {
            record,
            row,
            last_seq: self.last_seq,
        })
    }

    /// Writes a record and all its index entries.
    fn record(&mut self, held: StoredRecord) -> Result<(), StorageError> {
        let record = &held.record;
        let (key, mut bytes) = (keys::order(&record.no()), Vec::new());
        codec::record(&mut bytes, &key, &held)?;
        self.push(Table::Orders, key, &bytes)?;
        let mut places = Vec::new();
        self.layout.places(record, held.row, &mut places)?;
        for (table, key) in places {
            self.push(table, key, &[])?;
        }
        self.counts = self.counts.after(None, record);
        self.records += 1;
        Ok(())
    }

    fn push(
        &mut self,
        table: Table,
        key: keys::KeyBytes,
        value: &[u8],
    ) -> Result<(), StorageError> {
        if let Some(rows) = self.rows.get_mut(usize::from(table.tag())) {
            rows.push(key, value);
            if rows.is_enough() {
                rows.write(table, |sorted| self.base.write(vec![sorted]))?;
            }
        }
        Ok(())
    }

    /// Writes the remaining entries of all tables into the B-tree.
    fn flush(&mut self) -> Result<(), StorageError> {
        for (table, rows) in Table::ALL.into_iter().zip(&mut self.rows) {
            if !rows.is_empty() {
                rows.write(table, |sorted| self.base.write(vec![sorted]))?;
            }
        }
        Ok(())
    }
}

fn unread_again() -> StorageError {
    let why = "the second read of a record failed; check the disk, then repeat the repair";
    StorageError::corrupted(why)
}
