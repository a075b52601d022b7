//! Test helpers: [`Oracle`] methods that take short order names, such as `a` for `order-a`.

use super::{new, no, start};
use crate::order::{Anomaly, AnomalyKind, Event, NextAction, Order, Record, Status};
use crate::rules::Policy;
pub(super) use crate::testing::Oracle;

impl Oracle {
    /// Returns an empty store with the default policy.
    pub(super) fn open() -> Self {
        Self::at(start(), Policy::default())
    }

    /// Returns a store with one pending order, `order-a`.
    pub(super) fn with_order() -> Self {
        let mut store = Self::open();
        let _ = store.create("a", new());
        store
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

    pub(super) fn next(&self, text: &str) -> Option<NextAction> {
        self.order(text).next
    }

    pub(super) fn anomaly(&self, text: &str, place: usize) -> &Anomaly {
        &self.record(text).unwrap().anomalies()[place]
    }

    /// Returns the kinds of all anomalies of a record, including ended ones.
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
}
