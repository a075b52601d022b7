//! What must be true of every record, and the report of what is not.
//!
//! The invariants bear the numbers under which tests, fuzzers and messages speak of them.

use std::fmt;

use crate::order::{Event, Payment, Record, Status};
use crate::rules::evolve;
use crate::types::OrderNo;

/// An invariant of the store, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// A change is there whole or not at all.
    I3,
    /// Every list holds exactly what the records say, both ways.
    I5,
    /// A transaction, a refund number and a live reference have one owner.
    I6,
    /// The version rises by one with each event.
    I7,
    /// A status moves only as it may.
    I8,
    /// An order is paid if and only if transaction, amount and time are there, and the
    /// amount is its total.
    I9,
    /// What went back or is reserved of a transaction is at most what it paid.
    I10,
    /// The feed has no gaps, and a record is the fold of its events.
    I11,
    /// The counts equal a scan.
    I12,
    /// What is read is what was written.
    I18,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One breach of an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// Under which number, where it is one record's.
    pub no: Option<OrderNo>,
    /// What was found. No personal data.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.invariant)?;
        if let Some(no) = self.no {
            write!(f, " {no}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What a walk through the whole store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct VerifyReport {
    /// Records looked at, those that only wait for their order included.
    pub records: u64,
    /// Events looked at.
    pub events: u64,
    /// List entries looked at.
    pub entries: u64,
    /// How many breaches were found.
    pub broken: u64,
    /// The first [`VerifyReport::KEPT`] of them.
    pub violations: Vec<Violation>,
}

impl VerifyReport {
    /// How many violations a report spells out.
    pub const KEPT: usize = 100;

    /// Nothing is broken.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.broken == 0
    }

    /// Notes a breach.
    pub fn breach(&mut self, invariant: Invariant, no: Option<OrderNo>, what: impl Into<String>) {
        self.broken = self.broken.saturating_add(1);
        if self.violations.len() < Self::KEPT {
            let what = what.into();
            self.violations.push(Violation {
                invariant,
                no,
                what,
            });
        }
    }

    /// Notes breaches that explain others, and puts them first.
    pub(crate) fn lead(&mut self, breaches: impl Iterator<Item = (Invariant, String)>) {
        let mut first = Self::default();
        breaches.for_each(|(invariant, what)| first.breach(invariant, None, what));
        self.broken = self.broken.saturating_add(first.broken);
        first.violations.append(&mut self.violations);
        first.violations.truncate(Self::KEPT);
        self.violations = first.violations;
    }

    /// Looks at one record and its events, by I7 to I11.
    pub fn check_record(&mut self, record: &Record, events: &[Event]) {
        self.records = self.records.saturating_add(1);
        let seen = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.events = self.events.saturating_add(seen);
        self.check_history(record, events);
        self.check_paid(record);
        self.check_refunds(record);
    }

    fn check_history(&mut self, record: &Record, events: &[Event]) {
        let no = Some(record.no());
        let mut folded: Option<Record> = None;
        for (event, version) in events.iter().zip(1_u64..) {
            if event.version != version || event.no != record.no() {
                let found = event.version;
                self.breach(
                    Invariant::I7,
                    no,
                    format!("event {found} stands in place {version}"),
                );
            }
            let next = evolve(folded.as_ref(), event);
            let from = status_of(folded.as_ref());
            let to = status_of(Some(&next));
            if !may_move(from, to) {
                self.breach(Invariant::I8, no, format!("moved from {from:?} to {to:?}"));
            }
            if let Some(paid) = payment_of(folded.as_ref())
                && payment_of(Some(&next)) != Some(paid)
            {
                self.breach(
                    Invariant::I9,
                    no,
                    format!("event {version} replaced its payment"),
                );
            }
            folded = Some(next);
        }
        if folded.as_ref() != Some(record) {
            let what = format!(
                "{} events do not fold into version {}",
                events.len(),
                record.version()
            );
            self.breach(Invariant::I11, no, what);
        }
    }

    fn check_paid(&mut self, record: &Record) {
        let Some(order) = record.as_order() else {
            return;
        };
        let paid = order.payment.as_ref().map(|payment| payment.paid_fee);
        let fits = match paid {
            Some(fee) => order.status.is_paid() && fee == order.total_fee,
            None => !order.status.is_paid(),
        };
        if !fits {
            let what = format!(
                "{} of {} with a payment of {paid:?}",
                order.status, order.total_fee
            );
            self.breach(Invariant::I9, Some(order.no), what);
        }
    }

    fn check_refunds(&mut self, record: &Record) {
        for refund in record.refunds() {
            let paid = record.paid_of(refund.channel, &refund.transaction_id);
            let held = record.held_of(refund.channel, &refund.transaction_id);
            // A refund may be known before its payment: nothing to compare yet.
            let within = held.is_some_and(|held| paid.is_none_or(|paid| held <= paid));
            if !within {
                let what = "more is refunded or reserved than was paid";
                self.breach(Invariant::I10, Some(record.no()), what);
            }
        }
    }
}

fn payment_of(record: Option<&Record>) -> Option<&Payment> {
    record.and_then(Record::as_order)?.payment.as_ref()
}

fn status_of(record: Option<&Record>) -> Option<Status> {
    record.and_then(Record::as_order).map(|order| order.status)
}

/// The moves that a status may make; staying is none.
fn may_move(from: Option<Status>, to: Option<Status>) -> bool {
    use Status::{Closed, Closing, Failed, LatePaid, Pending, Success};
    match (from, to) {
        (from, to) if from == to => true,
        // A record begins by a creation, in Pending, or by an import, in any status.
        (None, Some(_)) => true,
        (Some(Pending), Some(Success | Closing | Closed | Failed)) => true,
        (Some(Closing), Some(Pending | Success | Closed | Failed)) => true,
        (Some(Closed | Failed), Some(LatePaid)) => true,
        (Some(LatePaid), Some(Success)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::order::{EventKind, NewOrder, Source};
    use crate::rules::{Context, Policy, decide};
    use crate::types::{AppId, Fen, Timestamp, TransactionId};

    /// A paid order and its events, as the rules make them.
    fn paid() -> (Record, Vec<Event>) {
        let no = OrderNo::parse("order-1").unwrap();
        let context = Context {
            now: Timestamp::EPOCH,
            policy: &Policy::default(),
            owners: &[],
        };
        let fee = Fen::new(100).unwrap();
        let new = NewOrder::new(AppId::parse("wx").unwrap(), fee).unwrap();
        let transaction = TransactionId::parse("X").unwrap();
        let payment = Payment::new(transaction, fee, Timestamp::EPOCH, Source::Query).unwrap();
        let asks = [
            crate::order::CommandKind::Create(Box::new(new)),
            crate::order::CommandKind::Confirm(Box::new(payment)),
        ];
        let (mut record, mut events) = (None, Vec::new());
        for ask in asks {
            let command = crate::order::Command { no, kind: ask };
            let decision = decide(record.as_ref(), &command, &context);
            record = decision.after;
            events.extend(decision.events);
        }
        (record.unwrap(), events)
    }

    fn breaches(record: &Record, events: &[Event]) -> Vec<Invariant> {
        let mut report = VerifyReport::default();
        report.check_record(record, events);
        let violations = report.violations.iter();
        violations.map(|violation| violation.invariant).collect()
    }

    #[test]
    fn what_the_rules_make_breaks_nothing() {
        let (record, events) = paid();
        assert_eq!(breaches(&record, &events), []);
    }

    #[test]
    fn a_payment_that_replaces_another_breaks_i9() {
        let (record, mut events) = paid();
        let mut again = events[1].clone();
        again.version = 3;
        if let EventKind::Paid(payment) = &mut again.what {
            payment.transaction_id = TransactionId::parse("Y").unwrap();
        }
        events.push(again.clone());
        let record = evolve(Some(&record), &again);
        assert_eq!(breaches(&record, &events), [Invariant::I9]);
    }

    #[test]
    fn a_missing_event_breaks_i7_and_i11_and_a_changed_record_i11() {
        let (record, events) = paid();
        assert!(breaches(&record, &events[..1]).contains(&Invariant::I11));
        assert!(breaches(&record, &events[1..]).contains(&Invariant::I7));
        let mut order = record.as_order().unwrap().as_ref().clone();
        order.total_fee = Fen::new(101).unwrap();
        let changed = Record::Order(Arc::new(order));
        assert_eq!(breaches(&changed, &events), [Invariant::I11, Invariant::I9]);
    }
}
