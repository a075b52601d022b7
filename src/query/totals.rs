//! Totals of payments and refunds over a period.

use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::contract::{Direction, IndexQuery, IndexRow};
use crate::engine::{Engine, unreadable};
use crate::error::Error;
use crate::order::{Order, Status};
use crate::rules::Index;
use crate::types::{Currency, Fen, Timestamp};

/// Payments and refunds in a period, by currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// Paid orders, by the channel's payment time. Late payments are included.
    pub paid: BTreeMap<Currency, Subtotal>,
    /// Orders in `paid` whose payment arrived after the order had ended. Accepted late payments are
    /// included.
    pub late: BTreeMap<Currency, Subtotal>,
    /// Successful refunds, by the channel's success time.
    pub refunded: BTreeMap<Currency, Subtotal>,
    /// Refunds whose money came back after their success, by the time when the store recorded the
    /// return. They also stay in `refunded` of the day of their success, so totals of past days do
    /// not change.
    pub returned: BTreeMap<Currency, Subtotal>,
}

/// Number of payments or refunds, and the sum of their amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Subtotal {
    /// Number of payments or refunds.
    pub count: u64,
    /// Sum of the amounts in minor units, such as fen. 128 bits, so the sum does not overflow.
    pub minor_units: u128,
}

impl Subtotal {
    const fn add(&mut self, fee: Fen) {
        self.count = self.count.saturating_add(1);
        self.minor_units = self.minor_units.saturating_add(fee.as_u64() as u128);
    }
}

/// Number of rows that the calculation reads at a time.
const STEP: usize = 1000;

/// Calculates the totals of payments and refunds within `times`. The end of the range is exclusive.
pub(crate) fn totals(engine: &dyn Engine, times: &Range<Timestamp>) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    // Read `LatePaid` before `Success`. If another thread accepts a late payment meanwhile, the
    // order moves from the first list to the second, and never back. This function therefore finds
    // the order at least once, and the set `late` prevents counting it twice.
    let mut late = HashSet::new();
    for status in [Status::LatePaid, Status::Success] {
        walk(engine, Index::Status(status), times, |row| {
            if let Some(order) = row.record.as_order()
                && (!order.late || late.insert(order.no))
            {
                totals.add_paid(order);
            }
        })?;
    }
    walk(engine, Index::Refunded, times, |row| {
        add_refund(&mut totals.refunded, row);
    })?;
    walk(engine, Index::Returned, times, |row| {
        add_refund(&mut totals.returned, row);
    })?;
    Ok(totals)
}

impl Totals {
    fn add_paid(&mut self, order: &Order) {
        self.paid
            .entry(order.currency)
            .or_default()
            .add(order.total_fee);
        if order.late {
            self.late
                .entry(order.currency)
                .or_default()
                .add(order.total_fee);
        }
    }
}

fn add_refund(sums: &mut BTreeMap<Currency, Subtotal>, row: &IndexRow) {
    if let Some(refund) = row.refund() {
        let (channel, transaction) = (refund.channel, &refund.transaction_id);
        let payment = row.record.payment_of(channel, transaction);
        let currency = payment.map(|payment| payment.currency).unwrap_or_default();
        sums.entry(currency).or_default().add(refund.amount);
    }
}

fn walk(
    engine: &dyn Engine,
    index: Index,
    times: &Range<Timestamp>,
    mut each: impl FnMut(&IndexRow),
) -> Result<(), Error> {
    let Some(until) = times.end.as_millis().checked_sub(1) else {
        return Ok(());
    };
    let mut query = IndexQuery {
        index,
        from: times.start,
        until: Timestamp::from_millis(until).unwrap_or(Timestamp::EPOCH),
        direction: Direction::Forward,
        after: None,
    };
    if times.is_empty() {
        return Ok(());
    }
    loop {
        let part = engine.scan(&query, STEP).map_err(unreadable)?;
        part.rows.iter().for_each(&mut each);
        query.after = part.rows.last().map(|row| row.position);
        if !part.more {
            return Ok(());
        }
    }
}
