//! The smallest store there can be: records and events in maps, keys found by looking at
//! every record. After each command it checks what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{new, no, start};
use crate::order::{
    Anomaly, AnomalyKind, Asked, Command, Event, MAX_ANOMALIES, MAX_REFUNDS, MAX_WAITING, Next,
    Order, Record, Status, What,
};
use crate::rules::{
    Context, Decision, Index, Policy, UniqueKey, decide, evolve, index_entries, needs, unique_keys,
};
use crate::value::{OrderNo, Timestamp};
use crate::verify::Report;

#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) now: Timestamp,
    pub(super) policy: Policy,
    records: BTreeMap<OrderNo, Record>,
    history: BTreeMap<OrderNo, Vec<Event>>,
}

impl Shop {
    pub(super) fn open() -> Self {
        Self {
            now: start(),
            policy: Policy::default(),
            records: BTreeMap::new(),
            history: BTreeMap::new(),
        }
    }

    /// A shop with one pending order, `order-a`.
    pub(super) fn with_order() -> Self {
        let mut shop = Self::open();
        let _ = shop.create("a", new());
        shop
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    pub(super) fn turn_back(&mut self, time: Duration) {
        self.now = self.now.saturating_sub(time);
    }

    pub(super) fn record(&self, text: &str) -> Option<&Record> {
        self.records.get(&no(text))
    }

    pub(super) fn order(&self, text: &str) -> &Order {
        self.record(text).and_then(Record::as_order).unwrap()
    }

    pub(super) fn status(&self, text: &str) -> Status {
        self.order(text).status
    }

    pub(super) fn next(&self, text: &str) -> Option<Next> {
        self.order(text).next
    }

    pub(super) fn anomaly(&self, text: &str, place: usize) -> &Anomaly {
        &self.record(text).unwrap().anomalies()[place]
    }

    pub(super) fn kinds(&self, text: &str) -> Vec<AnomalyKind> {
        let anomalies = self.record(text).map_or(&[][..], Record::anomalies);
        anomalies
            .iter()
            .map(|anomaly| anomaly.kind.clone())
            .collect()
    }

    pub(super) fn events(&self, text: &str) -> &[Event] {
        self.history.get(&no(text)).map_or(&[], Vec::as_slice)
    }

    /// What the rules say, with the owners that [`needs`] names; knowing every owner in
    /// the store must make no difference, nor asking twice.
    pub(super) fn decide(&self, no: OrderNo, ask: Asked) -> Decision {
        let command = Command { no, ask };
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
    pub(super) fn ask(&mut self, no: OrderNo, ask: Asked) -> Decision {
        let decision = self.decide(no, ask);
        self.keep(no, &decision);
        self.check();
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
                What::Checked { .. } | What::RefundChecked { .. }
            );
            match &event.what {
                // Old orders keep their times.
                What::Imported(order) if record.is_none() => {
                    assert_eq!(next.update_time(), order.update_time);
                }
                What::Imported(_) => assert!(next.update_time() <= event.at),
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
        let mut report = Report::default();
        let mut keys = BTreeSet::new();
        for (no, record) in &self.records {
            report.check_record(record, &self.history[no]);
            for key in unique_keys(record) {
                assert!(keys.insert(key.clone()), "{key:?} has two owners");
            }
            check_entries(record);
            assert!(record.anomalies().len() <= MAX_ANOMALIES);
            let waits = record.as_order().is_none();
            let most = if waits { MAX_WAITING } else { MAX_REFUNDS };
            assert!(record.refunds().len() <= most);
            assert!(record.as_order().is_some() || record.unclaimed().count() <= MAX_WAITING);
        }
        assert!(report.is_ok(), "{:?}", report.violations);
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
    assert_eq!(owned, at_end.map(|entry| entry.index.clone()).collect());
}
