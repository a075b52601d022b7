//! What becomes of each record and each event of a damaged store.
//!
//! - A record and its history say the same thing twice. Where one of them is whole, the
//!   other follows from it: a record is the fold of its history, and a record whose history
//!   is lost begins anew as an order that was taken over from other books.
//! - Where neither is whole, what the history says from its beginning on stands, and is
//!   called old. Nothing is put in the place of what is missing.
//! - What is remembered is a few numbers for each damaged record, and nothing of the others:
//!   events and records are read again when they are written.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use crate::engine::RepairFinding;
use crate::error::StorageError;
use crate::format::codec::{Chained, Held, Origin};
use crate::order::{AnomalyEnd, AnomalyRaised, Event, EventKind, Record, Waiting};
use crate::rules::evolve;
use crate::types::OrderNo;

/// What was decided.
#[derive(Default)]
pub(super) struct SalvagedRecord {
    /// How many events of a row are kept, of rows of which not all are.
    kept: BTreeMap<u64, u64>,
    /// Events that their record does not know.
    extra: BTreeSet<u64>,
    /// Records that their history makes: its first event, and its last.
    pub(super) rebuilt: BTreeMap<OrderNo, (u64, u64)>,
    /// Records that begin anew.
    pub(super) retold: BTreeSet<OrderNo>,
    pub(super) findings: BTreeMap<OrderNo, RepairFinding>,
    pub(super) events_lost: u64,
    pub(super) is_every_record_read: bool,
}

/// Events whose record is not there, or is another one.
struct Orphan {
    no: OrderNo,
    /// Their sequences, in order.
    events: Vec<u64>,
}

impl SalvagedRecord {
    /// Looks at every event, then at every record; `tell` hears of each event.
    pub(super) fn of(source: &Source, tell: &mut dyn FnMut()) -> Result<Self, StorageError> {
        let mut judged = Self::default();
        let mut orphans = BTreeMap::new();
        for seq in 1..=source.last_seq {
            match source.event(seq)? {
                Some(event) => judged.event(source, seq, &event, &mut orphans)?,
                None => judged.events_lost = judged.events_lost.saturating_add(1),
            }
            tell();
        }
        let all = source.numbers(&mut |no| judged.record(source, no))?;
        judged.is_every_record_read = all;
        for (row, orphan) in orphans {
            judged.orphan(source, row, orphan)?;
        }
        Ok(judged)
    }

    /// Whether an event keeps its place in the feed.
    pub(super) fn keeps(&self, seq: u64, event: &Chained) -> bool {
        let row = match event.origin {
            Origin::First(_) => seq,
            Origin::Later { row, .. } => row,
        };
        let kept = self.kept.get(&row);
        !self.extra.contains(&seq) && kept.is_none_or(|kept| event.version() <= *kept)
    }

    fn event(
        &mut self,
        source: &Source,
        seq: u64,
        event: &Chained,
        orphans: &mut BTreeMap<u64, Orphan>,
    ) -> Result<(), StorageError> {
        match event.origin {
            Origin::First(no) => match source.record(&no)? {
                Some(held) if held.stored.row == seq => self.check(source, &held)?,
                _ => {
                    let events = vec![seq];
                    orphans.insert(seq, Orphan { no, events });
                }
            },
            Origin::Later { row, .. } => {
                if let Some(orphan) = orphans.get_mut(&row) {
                    orphan.events.push(seq);
                } else if !self.kept.contains_key(&row) {
                    self.later(source, seq, row)?;
                }
            }
        }
        Ok(())
    }

    /// An event of a record that seems to be whole.
    fn later(&mut self, source: &Source, seq: u64, row: u64) -> Result<(), StorageError> {
        let record = match source.first(row)? {
            Some(no) => source.record(&no)?,
            None => None,
        };
        match record {
            Some(held) if held.stored.row == row => {
                if seq > held.last_seq {
                    self.extra.insert(seq);
                }
            }
            _ => drop(self.kept.insert(row, 0)),
        }
        Ok(())
    }

    /// A record that is there, and its history.
    fn check(&mut self, source: &Source, held: &Held) -> Result<(), StorageError> {
        let (no, row) = (held.stored.record.no(), held.stored.row);
        match source.folded(no, row, held.last_seq)? {
            None => self.retell(held),
            Some(folded) if folded == held.stored.record => {}
            Some(_) => {
                self.findings.insert(no, RepairFinding::Refolded);
                self.rebuilt.insert(no, (row, held.last_seq));
            }
        }
        Ok(())
    }

    /// A number in the table of records.
    fn record(&mut self, source: &Source, no: OrderNo) -> Result<(), StorageError> {
        match source.record(&no)? {
            Some(held) => {
                if source.first(held.stored.row)? != Some(no) {
                    self.retell(&held);
                }
            }
            // What its history says of it, if anything, is still to be heard.
            None => drop(self.findings.insert(no, RepairFinding::Lost)),
        }
        Ok(())
    }

    /// A record whose history is not whole begins anew.
    fn retell(&mut self, held: &Held) {
        let record = &held.stored.record;
        self.kept.insert(held.stored.row, 0);
        let found = if retold(record).is_some() {
            self.retold.insert(record.no());
            RepairFinding::HistoryLost
        } else {
            RepairFinding::Lost
        };
        self.findings.insert(record.no(), found);
    }

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
        // Where any event is lost, it may have been a later one of this record.
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

/// The events that follow one another from the first on.
fn chain(source: &Source, row: u64, events: &[u64]) -> Result<Vec<u64>, StorageError> {
    let (mut before, mut found) = (None, Vec::new());
    for seq in events {
        let follows = match source.event(*seq)?.map(|event| event.origin) {
            Some(Origin::First(_)) => before.is_none() && *seq == row,
            Some(Origin::Later { previous, .. }) => before == Some(previous),
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

/// Events that lead to a record by themselves, and the record with their count as its
/// version; `None` where there are none that do.
pub(super) fn retold(record: &Record) -> Option<(Record, Vec<Event>)> {
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
        folded = Some(evolve(folded.as_ref(), event));
    }
    let folded = folded?;
    says_the_same(record, &folded).then_some((folded, events))
}

/// What made a record of facts that wait for their order.
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

/// Nothing differs but how many events it took, and when the last of them was.
fn says_the_same(record: &Record, folded: &Record) -> bool {
    match (record, folded) {
        (Record::Order(one), Record::Order(other)) => {
            let mut one = one.as_ref().clone();
            one.version = other.version;
            one == **other
        }
        (Record::Waiting(one), Record::Waiting(other)) => {
            one.anomalies == other.anomalies && one.refunds == other.refunds
        }
        _ => false,
    }
}
