//! The smallest store there can be: records and events in maps, keys found by looking at
//! every record. After each command it checks what must always hold.
//!
//! The tests of the rules stand on it, and so does the fuzzer of the rules: there is one
//! place that says what no command may break.

#![expect(
    clippy::unwrap_used,
    reason = "what must hold and does not is told by a panic, as in every test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::order::{
    AnomalyKind, CloseAnswer, CloseReply, Command, CommandKind, Event, EventKind, MAX_ANOMALIES,
    MAX_FOLDED, MAX_REFUNDS, MAX_WAITING, Outcome, Payment, Queried, Record, Refund,
    RefundRecorded, RefundState, RefundStatus,
};
use crate::rules::{
    Context, Decision, Index, Policy, UniqueKey, decide, evolve, index_entries, needs, unique_keys,
};
use crate::types::{OrderNo, Timestamp};
use crate::verify::VerifyReport;

/// A shop, its clock and its policy.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) records: BTreeMap<OrderNo, Record>,
    pub(crate) history: BTreeMap<OrderNo, Vec<Event>>,
}

impl Shop {
    /// One that opens at `now`.
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

    pub(crate) fn turn_back(&mut self, time: Duration) {
        self.now = self.now.saturating_sub(time);
    }

    /// What the rules say, with the owners that [`needs`] names; knowing every owner in
    /// the store must make no difference, nor asking twice.
    pub(crate) fn decide(&self, no: OrderNo, ask: CommandKind) -> Decision {
        let command = Command { no, kind: ask };
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
        assert_eq!(decision, decide_by(&everything), "needs() is incomplete");
        decision
    }

    /// Decides, keeps what happened, and checks everything.
    pub(crate) fn ask(&mut self, no: OrderNo, ask: CommandKind) -> Decision {
        let decision = self.decide(no, ask);
        self.keep(no, &decision);
        self.check();
        decision
    }

    /// The same, and what must be true of the command itself: no money fact is lost, and
    /// the same command again changes nothing.
    pub(crate) fn ask_and_look(&mut self, no: OrderNo, ask: CommandKind) -> Decision {
        let before = self.records.get(&no).cloned();
        let decision = self.ask(no, ask.clone());
        let after = self.records.get(&no);
        paid_facts_stand(before.as_ref(), after);
        no_payment_is_lost(&ask, &decision, after);
        no_refund_is_lost(&ask, &decision, after);
        self.a_repeat_changes_nothing(no, ask);
        decision
    }

    fn owners(&self, keys: Vec<UniqueKey>) -> Vec<(UniqueKey, Option<Record>)> {
        let owner = |key: &UniqueKey| {
            let owns = |record: &&Record| unique_keys(record).any(|own| own == *key);
            self.records.values().find(owns).cloned()
        };
        keys.into_iter()
            .map(|key| (key.clone(), owner(&key)))
            .collect()
    }

    fn every_owner(&self) -> impl Iterator<Item = (UniqueKey, Option<Record>)> {
        self.records
            .values()
            .flat_map(|record| unique_keys(record).map(|key| (key, Some(record.clone()))))
    }

    /// I7 and I11 of one decision; and an event's time is `max(now, update_time)`.
    fn keep(&mut self, no: OrderNo, decision: &Decision) {
        assert_eq!(decision.after.is_some(), !decision.events.is_empty());
        let mut record = self.records.get(&no).cloned();
        for event in &decision.events {
            let version = record.as_ref().map_or(0, Record::version);
            let updated = record.as_ref().map_or(self.now, Record::update_time);
            assert_eq!((event.no, event.version), (no, version + 1));
            assert_eq!(event.at, updated.max(self.now));
            let next = evolve(record.as_ref(), event);
            let checked = matches!(
                event.what,
                EventKind::Checked { .. } | EventKind::RefundChecked { .. }
            );
            match &event.what {
                // Old orders keep their times.
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
            assert_eq!(record.as_ref(), Some(after), "the fold is not the record");
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

    /// I4. The one exception: to hear once more that an order is unpaid, or that a close is
    /// to be tried again, is one more check, and the next one is due later.
    fn a_repeat_changes_nothing(&self, no: OrderNo, ask: CommandKind) {
        let retry = ask == CommandKind::RecordClose(CloseReply::Retry);
        let again = self.decide(no, ask.clone());
        let backs_off = match &again.outcome {
            // What is put off is not due any more.
            _ if ask == CommandKind::RecordUnanswered => false,
            Outcome::RecordQuery(Queried::StillPending) => true,
            Outcome::Close(CloseAnswer::StillPending | CloseAnswer::StillClosing) => retry,
            // What is not believed says when to ask, and nothing else.
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
            assert_eq!(again.events, [], "I4: {ask:?} is {:?}", again.outcome);
        }
    }
}

/// No place twice; each owned key stands at the end of its list, and nothing else does.
fn check_entries(record: &Record) {
    let entries = index_entries(record);
    let places: BTreeSet<_> = entries.iter().collect();
    assert_eq!(places.len(), entries.len(), "a place is named twice");
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

/// Nothing takes a payment away or puts another in its place.
fn paid_facts_stand(before: Option<&Record>, after: Option<&Record>) {
    let payment = |record: Option<&Record>| record?.as_order()?.payment.clone();
    if let Some(stood) = payment(before) {
        assert_eq!(payment(after), Some(stood));
    }
}

/// A record without room takes no fact, changes nothing, and has the channel tell again.
fn is_refused_as_full(decision: &Decision, record: &Record) -> bool {
    let is_refused = decision.outcome.is_record_full();
    if is_refused {
        assert!(decision.events.is_empty() && !decision.acknowledge);
        let facts = [record.anomalies().len(), record.refunds().len()];
        assert!(facts.iter().any(|count| *count >= MAX_WAITING), "{facts:?}");
    }
    is_refused
}

/// A verified payment stands with its order or among what waits for a person; only what
/// stands with an order is acknowledged.
fn no_payment_is_lost(ask: &CommandKind, decision: &Decision, record: Option<&Record>) {
    let payment = match ask {
        CommandKind::Confirm(payment) => payment,
        CommandKind::RecordQuery(state) if state.payment().is_some() => state.payment().unwrap(),
        _ => return,
    };
    let record = record.unwrap();
    if is_refused_as_full(decision, record) {
        return;
    }
    // With the very amount that was told.
    let stands = record.as_order().and_then(|order| order.payment.as_ref());
    let is_it = |own: &Payment| {
        let money = (own.paid_fee, own.currency) == (payment.paid_fee, payment.currency);
        own.is_same(payment) && money
    };
    let kept = record
        .anomalies()
        .iter()
        .any(|anomaly| anomaly.is_told(payment));
    assert!(kept || stands.is_some_and(is_it), "{payment:?} is lost");
    assert!(!decision.acknowledge || record.as_order().is_some());
    let waits = |kind: &AnomalyKind| *kind == AnomalyKind::Unclaimed;
    let order = record.as_order();
    let mut open = order.into_iter().flat_map(|order| order.open_anomalies());
    assert!(
        !open.any(|anomaly| waits(&anomaly.kind)),
        "an order leaves nothing waiting"
    );
}

/// A verified refund stands among the refunds, or as an anomaly; one that went through
/// does so with its whole amount.
fn no_refund_is_lost(ask: &CommandKind, decision: &Decision, record: Option<&Record>) {
    let CommandKind::RecordRefund(fact) = ask else {
        return;
    };
    let record = record.unwrap();
    if is_refused_as_full(decision, record) {
        return;
    }
    // It may be old and is not believed: the channel is to be asked.
    if decision.outcome == Outcome::RecordRefund(RefundRecorded::MustQuery) {
        let refund = record.refund(fact.refund_no()).unwrap();
        assert!(refund.next_check.is_some());
        return;
    }
    let doubtful = record.anomalies().iter().filter_map(|a| a.refund.as_ref());
    let is_it = |refund: &Refund| {
        let same = refund.refund_no == *fact.refund_no() && refund.amount == fact.amount();
        let succeeds = fact.state() == RefundState::Success;
        same && (!succeeds || refund.status == RefundStatus::Success)
    };
    assert!(record.refunds().iter().chain(doubtful).any(is_it));
}

/// A decision on a record that cannot be is still made of events that fold.
pub(crate) fn look_at(record: &Record, ask: CommandKind, now: Timestamp) {
    let policy = Policy::default();
    let no = record.no();
    let command = Command { no, kind: ask };
    let owned = needs(&command, Some(record)).into_iter();
    let owners: Vec<_> = owned.map(|key| (key, Some(record.clone()))).collect();
    let context = Context {
        now,
        policy: &policy,
        owners: &owners,
    };
    let decision = decide(Some(record), &command, &context);
    let fold = |record: Record, event| evolve(Some(&record), event);
    let after = decision.events.iter().fold(record.clone(), fold);
    assert_eq!(decision.after.unwrap_or_else(|| record.clone()), after);
}
