//! Invariants of every record, and the report of violations.
//!
//! Tests, fuzz targets and messages refer to the invariants by number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::number::u64_of;
use crate::order::{Event, Payment, Record, Status};
use crate::rules::evolve;
use crate::types::OrderNo;

/// Invariant of the store. The manual lists the invariants by these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Invariant {
    /// A change is stored completely or not at all.
    I3,
    /// Every index (list) agrees exactly with the records, in both directions.
    I5,
    /// At most one record owns each transaction, refund number and reference.
    I6,
    /// Each event raises the version by one.
    I7,
    /// A status changes only along allowed transitions.
    I8,
    /// An order is paid if and only if it has a transaction, an amount and a time. The amount
    /// equals its total.
    I9,
    /// The refunded and reserved amounts of a transaction together do not exceed its payment.
    I10,
    /// The feed has no gaps, and applying all events of a record in order gives the record.
    I11,
    /// The stored counts equal the counts of a full scan.
    I12,
    /// The store returns exactly the data that was written.
    I18,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Violation of an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Violation {
    /// Invariant that the data violates.
    pub invariant: Invariant,
    /// Order number, if the violation concerns one record.
    pub no: Option<OrderNo>,
    /// Description of the violation, without personal data.
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

/// Result of a verification of the whole store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use]
pub struct VerifyReport {
    /// Number of records checked, including those that hold only payments or refunds without an
    /// order.
    pub records: u64,
    /// Number of events checked.
    pub events: u64,
    /// Number of list entries checked.
    pub entries: u64,
    /// Number of violations found.
    pub violation_count: u64,
    /// The first violations, at most [`VerifyReport::MAX_LISTED`].
    pub violations: Vec<Violation>,
}

impl VerifyReport {
    /// Maximum number of violations listed in a report.
    pub const MAX_LISTED: usize = 100;

    /// Returns whether no violation was found.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.violation_count == 0
    }

    /// Adds a violation to the report.
    pub fn add_violation(
        &mut self,
        invariant: Invariant,
        no: Option<OrderNo>,
        what: impl Into<String>,
    ) {
        self.violation_count = self.violation_count.saturating_add(1);
        if self.violations.len() < Self::MAX_LISTED {
            let what = what.into();
            self.violations.push(Violation {
                invariant,
                no,
                what,
            });
        }
    }

    /// Inserts violations at the front of the list, because they explain the later ones.
    pub(crate) fn lead(&mut self, breaches: impl Iterator<Item = (Invariant, String)>) {
        let mut first = Self::default();
        breaches.for_each(|(invariant, what)| first.add_violation(invariant, None, what));
        self.violation_count = self.violation_count.saturating_add(first.violation_count);
        first.violations.append(&mut self.violations);
        first.violations.truncate(Self::MAX_LISTED);
        self.violations = first.violations;
    }

    /// Checks one record and its events against the invariants I7 to I11.
    pub fn check_record(&mut self, record: &Record, events: &[Event]) {
        self.records = self.records.saturating_add(1);
        self.events = self.events.saturating_add(u64_of(events.len()));
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
                self.add_violation(
                    Invariant::I7,
                    no,
                    format!("event {version} has version {found}, or the number of another order"),
                );
            }
            let next = evolve(folded.clone(), event);
            let from = status_of(folded.as_ref());
            let to = status_of(Some(&next));
            if !may_move(from, to) {
                let (from, to) = (or_none(from), or_none(to));
                let what = format!("the status changed from {from} to {to}");
                self.add_violation(Invariant::I8, no, what);
            }
            if let Some(paid) = payment_of(folded.as_ref())
                && payment_of(Some(&next)) != Some(paid)
            {
                self.add_violation(
                    Invariant::I9,
                    no,
                    format!("event {version} replaced the payment of the order"),
                );
            }
            folded = Some(next);
        }
        if folded.as_ref() != Some(record) {
            let what = format!(
                "the record differs from the result of its {} events, at version {}",
                events.len(),
                record.version()
            );
            self.add_violation(Invariant::I11, no, what);
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
                "an order of {} in status {} has the payment {}",
                order.total_fee,
                order.status,
                or_none(paid)
            );
            self.add_violation(Invariant::I9, Some(order.no), what);
        }
    }

    fn check_refunds(&mut self, record: &Record) {
        for refund in record.refunds() {
            let paid = record.paid_of(refund.channel, &refund.transaction_id);
            let held = record.held_of(refund.channel, &refund.transaction_id);
            // Skip the comparison if the payment is not recorded yet: a refund may be recorded
            // before its payment.
            let within = held.is_some_and(|held| paid.is_none_or(|paid| held <= paid));
            if !within {
                let what = "refunded and reserved amounts exceed the payment";
                self.add_violation(Invariant::I10, Some(record.no()), what);
            }
        }
    }
}

/// Formats a value for a message. Returns "none" for `None`.
fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn payment_of(record: Option<&Record>) -> Option<&Payment> {
    record.and_then(Record::as_order)?.payment.as_ref()
}

fn status_of(record: Option<&Record>) -> Option<Status> {
    record.and_then(Record::as_order).map(|order| order.status)
}

/// Returns whether a status may change from `from` to `to`. An unchanged status is always allowed.
fn may_move(from: Option<Status>, to: Option<Status>) -> bool {
    use Status::{Closed, Closing, Failed, LatePaid, Pending, Success};
    match (from, to) {
        (from, to) if from == to => true,
        // A created order starts in Pending, and an imported order in any status.
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

    /// Returns a paid order and its two events, created by the rules.
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
        let kinds = [
            crate::order::CommandKind::Create(Box::new(new)),
            crate::order::CommandKind::Confirm(Box::new(payment)),
        ];
        let (mut record, mut events) = (None, Vec::new());
        for kind in kinds {
            let command = crate::order::Command { no, kind };
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
    fn events_from_decide_violate_no_invariant() {
        let (record, events) = paid();
        assert_eq!(breaches(&record, &events), []);
    }

    #[test]
    fn replaced_payment_violates_invariant_i9() {
        let (record, mut events) = paid();
        let mut again = events[1].clone();
        again.version = 3;
        if let EventKind::Paid(payment) = &mut again.what {
            payment.transaction_id = TransactionId::parse("Y").unwrap();
        }
        events.push(again.clone());
        let record = evolve(Some(record), &again);
        assert_eq!(breaches(&record, &events), [Invariant::I9]);
    }

    #[test]
    fn missing_event_and_altered_record_are_violations() {
        let (record, events) = paid();
        assert!(breaches(&record, &events[..1]).contains(&Invariant::I11));
        assert!(breaches(&record, &events[1..]).contains(&Invariant::I7));
        let mut order = record.as_order().unwrap().as_ref().clone();
        order.total_fee = Fen::new(101).unwrap();
        let changed = Record::Order(Arc::new(order));
        assert_eq!(breaches(&changed, &events), [Invariant::I11, Invariant::I9]);
    }
}
