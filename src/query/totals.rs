//! Sums over a stretch of time.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::contract::{Direction, IndexQuery, IndexRow};
use crate::engine::{Engine, unreadable};
use crate::error::Error;
use crate::order::{Order, Status};
use crate::query::listing::refund_at;
use crate::rules::Index;
use crate::types::{Currency, Fen, Timestamp};

/// What came and went within a stretch of time, by currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Orders paid, by the channel's time of payment, late ones included.
    pub paid: BTreeMap<Currency, Subtotal>,
    /// Those of them that were paid after their end, accepted ones included.
    pub late: BTreeMap<Currency, Subtotal>,
    /// Refunds that went through, by the channel's time of success.
    pub refunded: BTreeMap<Currency, Subtotal>,
    /// Refunds whose money came back after their success, by when the store recorded that.
    /// They stay in `refunded` of the day on which they succeeded: no past day changes.
    pub returned: BTreeMap<Currency, Subtotal>,
}

/// How many, and how much together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subtotal {
    /// How many.
    pub count: u64,
    /// How much, in minor units. Wider than any one amount: sums do not overflow.
    pub minor_units: u128,
}

impl Subtotal {
    const fn add(&mut self, fee: Fen) {
        self.count = self.count.saturating_add(1);
        self.minor_units = self.minor_units.saturating_add(fee.as_u64() as u128);
    }
}

/// How many rows are read at once: the sum holds no more than that in memory.
const STEP: usize = 1000;

/// The sums of `times`, its end excluded.
pub(crate) fn totals(engine: &dyn Engine, times: &Range<Timestamp>) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    // While this runs, a late order may be accepted: it then moves from the first list to
    // the second, never back, and counts where it was met first.
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
    if let Some(refund) = refund_at(row) {
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
