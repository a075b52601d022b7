//! The store's orders against the channel's books, to the fen.
//!
//! What must hold when nothing is under way any more:
//! - What the channel was paid, the store holds as paid: the same order, amount and
//!   transaction. What it was not paid, the store does not hold as paid.
//! - Each payment happened once: the feed, which misses nothing, has one of each.
//! - What went back is the same on both sides.

use std::collections::HashMap;
use std::sync::Arc;

use orderstore::{
    EventKind, FeedCursor, Order, OrderNo, OrderQuery, PageRequest, RefundStatus, Store,
    TransactionId,
};

use crate::stand_in::{StandIn, Trade};

const PAGE: usize = 1000;

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub struct Audit {
    /// The orders of the store.
    pub orders: usize,
    /// How many of them are paid.
    pub paid: usize,
    /// How much was paid, in fen.
    pub fen: u64,
    /// How much went back, in fen.
    pub given_back: u64,
    /// What differs, in words; nothing, where all is well.
    pub differences: Vec<String>,
}

impl Audit {
    /// Compares the store with the channel's books.
    ///
    /// # Errors
    /// Where the store cannot be read.
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
        audit.expect("given back", stand_in.given_back(), audit.given_back);
        let report = store.verify().await?;
        if !report.is_ok() {
            audit.differences.push(format!("the store: {report:?}"));
        }
        Ok(audit)
    }

    /// Nothing differs.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    fn compare(&mut self, trade: &Trade, order: Option<&Arc<Order>>, payments: Option<u32>) {
        let Some(order) = order else {
            return self.differ(trade.no, "is in the channel's books alone");
        };
        if order.status.is_paid() != trade.is_paid() {
            self.differ(trade.no, &format!("is {} here: {trade:?}", order.status));
        }
        if order.total_fee.as_u64() != trade.total {
            self.differ(trade.no, "has another amount there");
        }
        let own = order.transaction_id().map(TransactionId::as_str);
        if own != trade.transaction_id.as_deref() {
            self.differ(trade.no, "was paid by another transaction there");
        }
        if payments.unwrap_or(0) != u32::from(trade.is_paid()) {
            self.differ(trade.no, &format!("was paid {payments:?} times"));
        }
    }

    fn take(&mut self, order: &Order, is_traded: bool) {
        if !order.status.is_paid() {
            return;
        }
        if !is_traded {
            self.differ(order.no, "is paid, and the channel does not know it");
        }
        self.paid += 1;
        self.fen += order.total_fee.as_u64();
        let back = order.refunds.iter();
        let back = back.filter(|refund| refund.status == RefundStatus::Success);
        self.given_back += back.map(|refund| refund.amount.as_u64()).sum::<u64>();
    }

    fn expect(&mut self, what: &str, there: u64, here: u64) {
        if there != here {
            self.differences
                .push(format!("{what}: {here} here, {there} there"));
        }
    }

    fn differ(&mut self, no: OrderNo, how: &str) {
        self.differences.push(format!("order {no} {how}"));
    }
}

async fn orders(store: &Store) -> Result<HashMap<OrderNo, Arc<Order>>, orderstore::Error> {
    let (mut orders, mut page) = (HashMap::new(), PageRequest::of(PAGE));
    loop {
        let found = store.list(OrderQuery::all().page(page)).await?;
        orders.extend(found.rows.into_iter().map(|order| (order.no, order)));
        let Some(next) = found.next else {
            return Ok(orders);
        };
        page = PageRequest::of(PAGE).after(next);
    }
}

/// How often each order was paid.
async fn payments(store: &Store) -> Result<HashMap<OrderNo, u32>, orderstore::Error> {
    let (mut payments, mut place) = (HashMap::new(), FeedCursor::START);
    loop {
        let events = store.events(place, PAGE).await?;
        let Some(last) = events.last() else {
            return Ok(payments);
        };
        place = last.cursor;
        for told in events {
            if matches!(told.event.what, EventKind::Paid(_) | EventKind::PaidLate(_)) {
                *payments.entry(told.event.no).or_default() += 1;
            }
        }
    }
}
