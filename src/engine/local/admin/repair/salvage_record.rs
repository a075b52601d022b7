//! Decides for each record and each event of a corrupt store whether and how to keep it.
//!
//! - A record is the result of the events of its history, so both hold the same information. A lost
//!   record is rebuilt from its history. A record that lost its history gets a new one; for an
//!   order, the new history is one import event.
//! - If both have losses, the repair keeps the events before the first gap of the history, and
//!   reports the record as older. It does not fill gaps.
//! - The decision keeps only a few numbers per corrupt record in memory, and nothing per sound
//!   record. The writer reads events and records again.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use crate::contract::StoredRecord;
use crate::engine::RepairFinding;
use crate::error::StorageError;
use crate::format::codec::{EventLink, StoredEvent};
use crate::order::{AnomalyEnd, AnomalyRaised, Event, EventKind, Record, Waiting};
use crate::rules::evolve;
use crate::types::OrderNo;

/// Plan of a repair: which records and events of the corrupt store to keep, rebuild or drop.
#[derive(Default)]
pub(super) struct SalvagePlan {
    /// Number of events to keep, by the row number of their record. A record without an entry here
    /// keeps all of its events.
    kept: BTreeMap<u64, u64>,
    /// Sequence numbers of surplus events: those after the last event that their record refers to.
    extra: BTreeSet<u64>,
    /// Records to rebuild, with the sequence numbers of the first and last events of their history.
    pub(super) rebuilt: BTreeMap<OrderNo, (u64, u64)>,
    /// Records that get a new history.
    pub(super) new_histories: BTreeSet<OrderNo>,
    pub(super) findings: BTreeMap<OrderNo, RepairFinding>,
    pub(super) events_lost: u64,
    pub(super) is_every_record_read: bool,
}

/// Events of a history whose record is missing, or whose record has another row number.
struct Orphan {
    no: OrderNo,
    /// Sequence numbers of the events, in ascending order.
    events: Vec<u64>,
}

impl SalvagePlan {
    /// Checks every event, then every record. Calls `on_event` after each event.
    pub(super) fn of(source: &Source, on_event: &mut dyn FnMut()) -> Result<Self, StorageError> {
        let mut salvaged = Self::default();
        let mut orphans = BTreeMap::new();
        for seq in 1..=source.last_seq {
            match source.event(seq)? {
                Some(event) => salvaged.event(source, seq, &event, &mut orphans)?,
                None => salvaged.events_lost += 1,
            }
            on_event();
        }
        let all = source.numbers(&mut |no| salvaged.record(source, no))?;
        salvaged.is_every_record_read = all;
        for (row, orphan) in orphans {
            salvaged.orphan(source, row, orphan)?;
        }
        Ok(salvaged)
    }

    /// Returns whether the repaired store keeps an event.
    pub(super) fn keeps(&self, seq: u64, event: &StoredEvent) -> bool {
        let row = match event.origin {
            EventLink::First(_) => seq,
            EventLink::Later { row, .. } => row,
        };
        let kept = self.kept.get(&row);
        !self.extra.contains(&seq) && kept.is_none_or(|kept| event.version() <= *kept)
    }

    /// Checks one event. The first event of a history also checks the record of that history.
    fn event(
        &mut self,
        source: &Source,
        seq: u64,
        event: &StoredEvent,
        orphans: &mut BTreeMap<u64, Orphan>,
    ) -> Result<(), StorageError> {
        match event.origin {
            EventLink::First(no) => match source.record(&no)? {
                Some(held) if held.row == seq => self.check(source, &held)?,
                _ => {
                    let events = vec![seq];
                    orphans.insert(seq, Orphan { no, events });
                }
            },
            EventLink::Later { row, .. } => {
                if let Some(orphan) = orphans.get_mut(&row) {
                    orphan.events.push(seq);
                } else if !self.kept.contains_key(&row) {
                    self.later(source, seq, row)?;
                }
            }
        }
        Ok(())
    }

    /// Checks the second or a later event of a history without known losses. If no record has the
    /// row number of the history, the repair drops the whole history.
    fn later(&mut self, source: &Source, seq: u64, row: u64) -> Result<(), StorageError> {
        let record = match source.first(row)? {
            Some(no) => source.record(&no)?,
            None => None,
        };
        match record {
            Some(held) if held.row == row => {
                if seq > held.last_seq {
                    self.extra.insert(seq);
                }
            }
            _ => drop(self.kept.insert(row, 0)),
        }
        Ok(())
    }

    /// Compares a record with the record that the events of its history produce.
    fn check(&mut self, source: &Source, held: &StoredRecord) -> Result<(), StorageError> {
        let (no, row) = (held.record.no(), held.row);
        match source.folded(no, row, held.last_seq)? {
            None => self.replace_history(held),
            Some(folded) if folded == held.record => {}
            Some(_) => {
                self.findings.insert(no, RepairFinding::Corrected);
                self.rebuilt.insert(no, (row, held.last_seq));
            }
        }
        Ok(())
    }

    /// Checks the record with an order number: the record and its first event must be readable.
    fn record(&mut self, source: &Source, no: OrderNo) -> Result<(), StorageError> {
        match source.record(&no)? {
            Some(held) => {
                if source.first(held.row)? != Some(no) {
                    self.replace_history(&held);
                }
            }
            // The record is corrupt. `orphan` later replaces this finding if it can rebuild the
            // record from its history.
            None => drop(self.findings.insert(no, RepairFinding::Lost)),
        }
        Ok(())
    }

    /// Drops the incomplete history of a record. The record gets a new history if possible.
    fn replace_history(&mut self, held: &StoredRecord) {
        let record = &held.record;
        self.kept.insert(held.row, 0);
        let found = if new_history(record).is_some() {
            self.new_histories.insert(record.no());
            RepairFinding::HistoryLost
        } else {
            RepairFinding::Lost
        };
        self.findings.insert(record.no(), found);
    }

    /// Rebuilds a lost record from the events before the first gap of its history, if there are
    /// any.
    fn orphan(&mut self, source: &Source, row: u64, orphan: Orphan) -> Result<(), StorageError> {
        let Orphan { no, events } = orphan;
        let known = source.record(&no)?.is_some() || self.rebuilt.contains_key(&no);
        let chain = chain(source, row, &events)?;
        let record = match chain.last().filter(|_| !known) {
            Some(last) => source.folded(no, row, *last)?.map(|record| (*last, record)),
            None => None,
        };
        let Some((last_seq, record)) = record else {
            self.kept.insert(row, 0);
            if !known {
                self.findings.insert(no, RepairFinding::Lost);
            }
            return Ok(());
        };
        let version = record.version();
        self.kept.insert(row, version);
        self.rebuilt.insert(no, (row, last_seq));
        // The end of this record's history may be missing, because any lost event of the store may
        // belong to it. The record is certainly complete only if no event and no journal frame is
        // lost.
        let is_whole =
            chain.len() == events.len() && self.events_lost == 0 && source.is_journal_whole();
        let found = if is_whole {
            RepairFinding::Rebuilt
        } else {
            RepairFinding::Older { version }
        };
        self.findings.insert(no, found);
        Ok(())
    }
}

/// Returns the sequence numbers of the events of a history before its first gap.
fn chain(source: &Source, row: u64, events: &[u64]) -> Result<Vec<u64>, StorageError> {
    let (mut before, mut found) = (None, Vec::new());
    for seq in events {
        let follows = match source.event(*seq)?.map(|event| event.origin) {
            Some(EventLink::First(_)) => before.is_none() && *seq == row,
            Some(EventLink::Later { previous, .. }) => before == Some(previous),
            None => false,
        };
        if !follows {
            break;
        }
        before = Some(*seq);
        found.push(*seq);
    }
    Ok(found)
}

/// Returns a new history for a record without one, and the record that its events produce. The
/// version of that record is the number of events. `None` if no history leads to the same record.
pub(super) fn new_history(record: &Record) -> Option<(Record, Vec<Event>)> {
    let events = match record {
        Record::Order(order) => {
            let what = EventKind::Imported(Box::new(order.as_ref().clone()));
            vec![(order.update_time, what)]
        }
        Record::Waiting(waiting) => facts(waiting),
    };
    let no = record.no();
    let event = |((at, what), version)| Event {
        no,
        version,
        at,
        what,
    };
    let events: Vec<Event> = events.into_iter().zip(1..).map(event).collect();
    let mut folded: Option<Record> = None;
    for event in &events {
        folded = Some(evolve(folded, event));
    }
    let folded = folded?;
    is_same(record, &folded).then_some((folded, events))
}

/// Returns the events that lead to a record of payments and refunds without an order.
fn facts(waiting: &Waiting) -> Vec<(crate::types::Timestamp, EventKind)> {
    let mut facts = Vec::new();
    for anomaly in &waiting.anomalies {
        let raised = AnomalyRaised {
            kind: anomaly.kind.clone(),
            payment: anomaly.payment.clone(),
            refund: anomaly.refund.clone(),
        };
        facts.push((
            anomaly.raised_at,
            EventKind::AnomalyRaised(Box::new(raised)),
        ));
    }
    for refund in &waiting.refunds {
        let what = EventKind::RefundOpened(Box::new(refund.clone()));
        facts.push((waiting.update_time, what));
    }
    for anomaly in &waiting.anomalies {
        if let Some(AnomalyEnd { at, how, note }) = anomaly.end.clone() {
            let id = anomaly.id;
            facts.push((at, EventKind::AnomalyEnded { id, how, note }));
        }
    }
    facts
}

/// Returns whether two records are equal, apart from their versions. For records without an order,
/// the time of the last event may differ, too.
fn is_same(record: &Record, folded: &Record) -> bool {
    match (record, folded) {
        (Record::Order(order), Record::Order(other)) => {
            let mut order = order.as_ref().clone();
            order.version = other.version;
            order == **other
        }
        (Record::Waiting(waiting), Record::Waiting(other)) => {
            waiting.anomalies == other.anomalies && waiting.refunds == other.refunds
        }
        _ => false,
    }
}
