//! Counts of orders by status, of unclaimed payments and of anomalies.

use crate::number::u64_of;
use crate::order::{Record, Status};
use serde::{Deserialize, Serialize};

/// Numbers of orders by status, of unclaimed payments and of open anomalies.
///
/// The engine updates them with every write. They always equal the result of a full scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    /// Number of orders in each status; the index is [`Status::code`].
    pub by_status: [u64; 6],
    /// Number of unclaimed payments: payments whose order does not exist yet.
    pub unclaimed: u64,
    /// Number of anomalies that a person must resolve. Unclaimed payments are included.
    pub open_anomalies: u64,
}

impl Counts {
    /// Returns the number of orders in this status.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        let code = usize::from(status.code());
        self.by_status.get(code).copied().unwrap_or_default()
    }

    /// Returns the number of orders in all statuses.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Returns the counts of a store that contains only this record.
    #[must_use]
    pub fn of_record(record: &Record) -> Self {
        let mut counts = Self::default();
        if let Some(order) = record.as_order()
            && let Some(count) = counts.by_status.get_mut(usize::from(order.status.code()))
        {
            *count = 1;
        }
        let open = record
            .anomalies()
            .iter()
            .filter(|anomaly| anomaly.is_open());
        counts.unclaimed = u64_of(record.unclaimed().count());
        counts.open_anomalies = u64_of(open.count());
        counts
    }

    /// Returns the counts after a record changed from `before` to `after`.
    #[must_use]
    pub fn after(self, before: Option<&Record>, after: &Record) -> Self {
        let removed = before.map(Self::of_record).unwrap_or_default();
        let added = Self::of_record(after);
        self.combine(removed, u64::saturating_sub)
            .combine(added, u64::saturating_add)
    }

    fn combine(mut self, other: Self, by: fn(u64, u64) -> u64) -> Self {
        for (own, other) in self.by_status.iter_mut().zip(other.by_status) {
            *own = by(*own, other);
        }
        self.unclaimed = by(self.unclaimed, other.unclaimed);
        self.open_anomalies = by(self.open_anomalies, other.open_anomalies);
        self
    }
}
