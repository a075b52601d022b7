//! How many orders have each status.

use crate::order::{Record, Status};

/// How many orders stand where. Kept with every write, and equal to a full scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Orders by [`Status::code`].
    pub by_status: [u64; 6],
    /// Payments that wait for their order.
    pub unclaimed: u64,
    /// Anomalies that wait for a person, unclaimed payments included.
    pub open_anomalies: u64,
}

impl Counts {
    /// The orders of a status.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        let place = usize::from(status.code());
        self.by_status.get(place).copied().unwrap_or_default()
    }

    /// All orders.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// What one record counts for.
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
        counts.unclaimed = u64::try_from(record.unclaimed().count()).unwrap_or(u64::MAX);
        counts.open_anomalies = u64::try_from(open.count()).unwrap_or(u64::MAX);
        counts
    }

    /// The counts after a record changed.
    #[must_use]
    pub fn after(self, before: Option<&Record>, after: &Record) -> Self {
        let gone = before.map(Self::of_record).unwrap_or_default();
        let come = Self::of_record(after);
        self.combine(gone, u64::saturating_sub)
            .combine(come, u64::saturating_add)
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
