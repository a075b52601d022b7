//! Test oracle for the rules: a minimal store in memory that checks all invariants after each
//! command.
//!
//! The tests and the fuzz target of the rules both use this oracle, so the invariants are defined
//! only once.

#![expect(
    clippy::unwrap_used,
    reason = "a violated invariant panics, as in every test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::order::{
    AnomalyKind, CloseOutcome, CloseReply, Command, CommandKind, Event, EventKind, MAX_ANOMALIES,
    MAX_FOLDED, MAX_REFUNDS, MAX_WAITING, Outcome, Payment, Queried, Record, Refund,
    RefundRecorded, RefundState, RefundStatus,
};
use crate::rules::{
    Context, Decision, Index, Policy, UniqueKey, decide, evolve, index_entries, needs, unique_keys,
};
use crate::types::{OrderNo, Timestamp};
use crate::verify::VerifyReport;

/// Oracle: records, histories, a clock and a policy.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) records: BTreeMap<OrderNo, Record>,
    pub(crate) history: BTreeMap<OrderNo, Vec<Event>>,
}

impl Oracle {
    /// Creates an empty oracle whose clock shows `now`.
    pub(crate) fn at(now: Timestamp, policy: Policy) -> Self {
        Self {
            now,
            policy,
            records: BTreeMap::new(),
            history: BTreeMap::new(),
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    pub(crate) fn set_clock_back(&mut self, time: Duration) {
        self.now = self.now.saturating_sub(time);
    }

    /// Decides a command with the owners of the keys that [`needs`] returns. Checks that a second
    /// decision gives the same result, also with the owners of all keys in the store.
    pub(crate) fn decide(&self, no: OrderNo, kind: CommandKind) -> Decision {
        let command = Command { no, kind };
        let record = self.records.get(&no);
        let needed = self.owners(needs(&command, record));
        let everything = needed
            .iter()
            .cloned()
            .chain(self.every_owner())
            .collect::<Vec<_>>();
        let decide_by = |owners: &[_]| {
            let (now, policy) = (self.now, &self.policy);
            let context = Context {
                now,
                policy,
                owners,
            };
            decide(record, &command, &context)
        };
        let decision = decide_by(&needed);
        assert_eq!(decision, decide_by(&needed), "not deterministic");
        assert_eq!(decision, decide_by(&everything), "`needs` omits a key");
        decision
    }

    /// Decides a command, stores the result, and checks the invariants of all records.
    pub(crate) fn run(&mut self, no: OrderNo, kind: CommandKind) -> Decision {
        let decision = self.decide(no, kind);
        self.keep(no, &decision);
        self.check();
        decision
    }

    /// Runs [`Oracle::run`], then checks the command itself: no payment or refund is lost, and a
    /// repeated command changes nothing.
    pub(crate) fn run_and_check(&mut self, no: OrderNo, kind: CommandKind) -> Decision {
        let before = self.records.get(&no).cloned();
        let decision = self.run(no, kind.clone());
        let after = self.records.get(&no);
        check_payment_unchanged(before.as_ref(), after);
        check_payment_kept(&kind, &decision, after);
        check_refund_kept(&kind, &decision, after);
        self.check_repeat(no, kind);
        decision
    }

    fn owners(&self, keys: impl Iterator<Item = UniqueKey>) -> Vec<(UniqueKey, Option<Record>)> {
        let owner = |key: &UniqueKey| {
            let owns = |record: &&Record| unique_keys(record).any(|own| own == *key);
            self.records.values().find(owns).cloned()
        };
        keys.map(|key| (key.clone(), owner(&key))).collect()
    }

    fn every_owner(&self) -> impl Iterator<Item = (UniqueKey, Option<Record>)> {
        self.records
            .values()
            .flat_map(|record| unique_keys(record).map(|key| (key, Some(record.clone()))))
    }

    /// Stores a decision. Checks invariants I7 and I11, and that each event has the time
    /// `max(now, update_time)`.
    fn keep(&mut self, no: OrderNo, decision: &Decision) {
        assert_eq!(decision.after.is_some(), !decision.events.is_empty());
        let mut record = self.records.get(&no).cloned();
        for event in &decision.events {
            let version = record.as_ref().map_or(0, Record::version);
            let updated = record.as_ref().map_or(self.now, Record::update_time);
            assert_eq!((event.no, event.version), (no, version + 1));
            assert_eq!(event.at, updated.max(self.now));
            let next = evolve(record.clone(), event);
            let checked = matches!(
                event.what,
                EventKind::Checked { .. } | EventKind::RefundChecked { .. }
            );
            match &event.what {
                // An imported order keeps the times of its old system.
                EventKind::Imported(order) if record.is_none() => {
                    assert_eq!(next.update_time(), order.update_time);
                }
                EventKind::Imported(_) => assert!(next.update_time() <= event.at),
                _ => assert_eq!(next.update_time(), if checked { updated } else { event.at }),
            }
            record = Some(next);
            self.history.entry(no).or_default().push(event.clone());
        }
        if let Some(after) = &decision.after {
            assert_eq!(
                record.as_ref(),
                Some(after),
                "the events fold into another record"
            );
            self.records.insert(no, after.clone());
        }
    }

    fn check(&self) {
        let mut report = VerifyReport::default();
        let mut keys = BTreeSet::new();
        for (no, record) in &self.records {
            let events = self.history.get(no).map_or(&[][..], Vec::as_slice);
            report.check_record(record, events);
            for key in unique_keys(record) {
                assert!(keys.insert(key.clone()), "{key:?} has two owners");
            }
            check_entries(record);
            assert!(record.unfolded() <= MAX_ANOMALIES);
            assert!(record.anomalies().len() <= MAX_ANOMALIES + MAX_FOLDED);
            let waits = record.as_order().is_none();
            let most = if waits { MAX_WAITING } else { MAX_REFUNDS };
            assert!(record.refunds().len() <= most);
            assert!(record.as_order().is_some() || record.unclaimed().count() <= MAX_WAITING);
        }
        assert!(report.is_ok(), "{:?}", report.violations);
    }

    /// Checks invariant I4: a repeated command changes nothing. Exceptions are repeated answers
    /// that an order is unpaid or that a close must be retried. The store counts each as one more
    /// check and schedules the next check later.
    fn check_repeat(&self, no: OrderNo, kind: CommandKind) {
        let retry = kind == CommandKind::RecordClose(CloseReply::Retry);
        let again = self.decide(no, kind.clone());
        let backs_off = match &again.outcome {
            // The first command postponed the action, so it is no longer due.
            _ if kind == CommandKind::RecordUnanswered => false,
            Outcome::RecordQuery(Queried::StillPending) => true,
            Outcome::Close(CloseOutcome::StillPending | CloseOutcome::StillClosing) => retry,
            // With `MustQuery`, the store has not accepted the report. It may have scheduled a
            // query.
            Outcome::RecordRefund(RefundRecorded::MustQuery) => !again.events.is_empty(),
            _ => false,
        };
        let is_check = |event: &Event| {
            matches!(
                event.what,
                EventKind::Checked { counted: true, .. } | EventKind::RefundChecked { .. }
            )
        };
        if backs_off {
            assert!(again.events.len() == 1 && again.events.iter().all(is_check));
        } else {
            assert_eq!(again.events, [], "I4: {kind:?} is {:?}", again.outcome);
        }
    }
}

/// Checks that a record has no duplicate list entries. Checks that only the owner of a key has the
/// time [`Timestamp::MAX`] in the key's list.
fn check_entries(record: &Record) {
    let entries = index_entries(record);
    let places: BTreeSet<_> = entries.iter().collect();
    assert_eq!(places.len(), entries.len(), "a list entry occurs twice");
    let owned: BTreeSet<_> = unique_keys(record).map(|key| key.index()).collect();
    let of_keys = |index: &Index| {
        use Index::{Reference, RefundNo, Transaction};
        matches!(index, Transaction(..) | RefundNo(..) | Reference(_))
    };
    let at_end = entries
        .iter()
        .filter(|entry| entry.time == Timestamp::MAX && of_keys(&entry.index));
    let at_end: BTreeSet<_> = at_end.map(|entry| entry.index.clone()).collect();
    assert_eq!(owned, at_end);
}

/// Checks that a command neither removes nor replaces the payment of an order.
fn check_payment_unchanged(before: Option<&Record>, after: Option<&Record>) {
    let payment = |record: Option<&Record>| record?.as_order()?.payment.clone();
    if let Some(earlier) = payment(before) {
        assert_eq!(payment(after), Some(earlier));
    }
}

/// Returns whether the store refused a fact because the record was full. Checks that such a
/// decision changes nothing and is not acknowledged, so that the channel repeats the fact.
fn is_refused_as_full(decision: &Decision, record: &Record) -> bool {
    let is_refused = decision.outcome.is_record_full();
    if is_refused {
        assert!(decision.events.is_empty() && !decision.acknowledge);
        let facts = [record.anomalies().len(), record.refunds().len()];
        assert!(facts.iter().any(|count| *count >= MAX_WAITING), "{facts:?}");
    }
    is_refused
}

/// Checks that a verified payment is stored with its order or as an anomaly. The store may
/// acknowledge the payment only if the order exists.
fn check_payment_kept(kind: &CommandKind, decision: &Decision, record: Option<&Record>) {
    let payment = match kind {
        CommandKind::Confirm(payment) => payment,
        CommandKind::RecordQuery(state) if state.payment().is_some() => state.payment().unwrap(),
        _ => return,
    };
    let record = record.unwrap();
    if is_refused_as_full(decision, record) {
        return;
    }
    let stored = record.as_order().and_then(|order| order.payment.as_ref());
    // Compare amount and currency as well, because `is_same` compares only channel and transaction.
    let is_equal = |own: &Payment| {
        let money = (own.paid_fee, own.currency) == (payment.paid_fee, payment.currency);
        own.is_same(payment) && money
    };
    let kept = record
        .anomalies()
        .iter()
        .any(|anomaly| anomaly.matches_payment(payment));
    assert!(kept || stored.is_some_and(is_equal), "{payment:?} is lost");
    assert!(!decision.acknowledge || record.as_order().is_some());
    let waits = |kind: &AnomalyKind| *kind == AnomalyKind::Unclaimed;
    let order = record.as_order();
    let mut open = order.into_iter().flat_map(|order| order.open_anomalies());
    assert!(
        !open.any(|anomaly| waits(&anomaly.kind)),
        "an order has an unclaimed payment"
    );
}

/// Checks that a verified refund is stored as a refund or as an anomaly, with its whole amount. A
/// successful refund must have the status `Success`.
fn check_refund_kept(kind: &CommandKind, decision: &Decision, record: Option<&Record>) {
    let CommandKind::RecordRefund(fact) = kind else {
        return;
    };
    let record = record.unwrap();
    if is_refused_as_full(decision, record) {
        return;
    }
    // The store has not recorded the report, which may be outdated, but has scheduled a query.
    if decision.outcome == Outcome::RecordRefund(RefundRecorded::MustQuery) {
        let refund = record.refund(fact.refund_no()).unwrap();
        assert!(refund.next_check.is_some());
        return;
    }
    let doubtful = record.anomalies().iter().filter_map(|a| a.refund.as_ref());
    let is_equal = |refund: &Refund| {
        let same = refund.refund_no == *fact.refund_no() && refund.amount == fact.amount();
        let succeeds = fact.state() == RefundState::Success;
        same && (!succeeds || refund.status == RefundStatus::Success)
    };
    assert!(record.refunds().iter().chain(doubtful).any(is_equal));
}

/// Checks that the events of a decision lead from the old record to the decided one. The old record
/// may be one that no store would write.
pub(crate) fn check_decision(record: &Record, kind: CommandKind, now: Timestamp) {
    let policy = Policy::default();
    let no = record.no();
    let command = Command { no, kind };
    let owned = needs(&command, Some(record));
    let owners: Vec<_> = owned.map(|key| (key, Some(record.clone()))).collect();
    let context = Context {
        now,
        policy: &policy,
        owners: &owners,
    };
    let decision = decide(Some(record), &command, &context);
    let fold = |record: Record, event| evolve(Some(record), event);
    let after = decision.events.iter().fold(record.clone(), fold);
    assert_eq!(decision.after.unwrap_or_else(|| record.clone()), after);
}
