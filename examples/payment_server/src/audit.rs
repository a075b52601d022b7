//! Compares the store's orders with the channel's records, to the fen.
//!
//! These must hold once no request is pending:
//! - The store holds every payment that the channel received, with the same order, amount and
//!   transaction, and no other.
//! - Each payment happened once. The feed misses no event, and it has exactly one payment event for
//!   each paid order.
//! - Both sides agree on the refunded amount.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use orderstore::{
    EventKind, FeedCursor, Order, OrderNo, OrderQuery, PageRequest, RefundStatus, Store,
    TransactionId,
};

use crate::stand_in::{StandIn, Trade};

const PAGE: usize = 1000;

/// Result of comparing the store with the channel's records.
#[derive(Debug, Default)]
pub struct Audit {
    /// Number of orders in the store.
    pub orders: usize,
    /// Number of paid orders in the store.
    pub paid: usize,
    /// Total of the paid orders, in fen.
    pub fen: u64,
    /// Total of the refunds, in fen.
    pub given_back: u64,
    /// Differences as text; empty if there are none.
    pub differences: Vec<String>,
}

impl Audit {
    /// Compares the store with the stand-in's records.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of(store: &Store, stand_in: &StandIn) -> Result<Self, orderstore::Error> {
        let orders = orders(store).await?;
        let payments = payments(store).await?;
        let mut audit = Self {
            orders: orders.len(),
            ..Self::default()
        };
        let mut trades: HashMap<OrderNo, Trade> = HashMap::new();
        for trade in stand_in.trades() {
            let order = orders.get(&trade.no);
            audit.compare(&trade, order, payments.get(&trade.no).copied());
            trades.insert(trade.no, trade);
        }
        for order in orders.values() {
            audit.take(order, trades.contains_key(&order.no));
        }
        audit.expect("refunded", stand_in.given_back(), audit.given_back);
        let report = store.verify().await?;
        if !report.is_ok() {
            audit
                .differences
                .push(format!("the store is not sound: {report:?}"));
        }
        Ok(audit)
    }

    /// Returns whether there are no differences.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    fn compare(&mut self, trade: &Trade, order: Option<&Arc<Order>>, payments: Option<u32>) {
        let Some(order) = order else {
            return self.differ(trade.no, "is known only to the channel");
        };
        if order.status.is_paid() != trade.is_paid() {
            self.differ(
                trade.no,
                &format!(
                    "is {} in the store, but not at the channel: {trade:?}",
                    order.status
                ),
            );
        }
        if order.total_fee.as_u64() != trade.total {
            self.differ(trade.no, "has another amount at the channel");
        }
        let own = order.transaction_id().map(TransactionId::as_str);
        if own != trade.transaction_id.as_deref() {
            self.differ(trade.no, "was paid by another transaction at the channel");
        }
        if payments.unwrap_or(0) != u32::from(trade.is_paid()) {
            self.differ(trade.no, &format!("was paid {payments:?} times"));
        }
    }

    /// Adds an order of the store to the totals. Checks that the channel knows the order if it is
    /// paid.
    fn take(&mut self, order: &Order, is_traded: bool) {
        if !order.status.is_paid() {
            return;
        }
        if !is_traded {
            self.differ(order.no, "is paid, but the channel does not know it");
        }
        self.paid += 1;
        self.fen += order.total_fee.as_u64();
        let back = order.refunds.iter();
        let back = back.filter(|refund| refund.status == RefundStatus::Success);
        self.given_back += back.map(|refund| refund.amount.as_u64()).sum::<u64>();
    }

    fn expect(&mut self, what: &str, there: u64, here: u64) {
        if there != here {
            self.differences.push(format!(
                "{what}: {here} in the store, {there} at the channel"
            ));
        }
    }

    fn differ(&mut self, no: OrderNo, how: &str) {
        self.differences.push(format!("order {no} {how}"));
    }
}

async fn orders(store: &Store) -> Result<HashMap<OrderNo, Arc<Order>>, orderstore::Error> {
    let query = OrderQuery::all().page(PageRequest::of(PAGE));
    let orders = store.each_order(query).into_stream();
    orders.map_ok(|order| (order.no, order)).try_collect().await
}

/// Returns the number of payment events of each order.
async fn payments(store: &Store) -> Result<HashMap<OrderNo, u32>, orderstore::Error> {
    let (mut payments, mut place) = (HashMap::new(), FeedCursor::START);
    loop {
        let events = store.events(place, PAGE).await?;
        let Some(last) = events.last() else {
            return Ok(payments);
        };
        place = last.cursor;
        for fed in events {
            if matches!(fed.event.what, EventKind::Paid(_) | EventKind::PaidLate(_)) {
                *payments.entry(fed.event.no).or_default() += 1;
            }
        }
    }
}
