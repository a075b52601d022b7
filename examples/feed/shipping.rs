//! The consumer: reads the feed from the position in the ledger and ships each paid order once.
//!
//! - It ships from the feed, not from the reply to `confirm`. After a crash between `confirm` and
//!   the shipment, the retry returns `Duplicate` instead of `Applied`, and nothing would ship the
//!   order.
//! - The ledger stores the position together with the shipment, so a restart repeats nothing and
//!   skips nothing.
//! - A restored backup is another incarnation of the store and rejects the old position. The
//!   consumer then reads the feed from its start. The ledger knows shipped orders by number, so
//!   none is shipped twice.

use std::io;

use orderstore::{
    AnomalyEndKind, Error, Event, EventKind, FeedCursor, OrderNo, RefundStatus, Status, Store,
};
use thiserror::Error as ThisError;

use super::ledger::Ledger;

#[derive(Debug, ThisError)]
pub(crate) enum ShippingError {
    #[error("the feed could not be read")]
    Store(#[from] Error),
    #[error("the ledger could not be written")]
    Ledger(#[from] io::Error),
}

/// Processes at most `limit` events and returns whether there may be more. A server repeats the
/// call at once while it returns true, and after a pause otherwise.
pub(crate) fn work_off(
    store: &Store,
    ledger: &mut Ledger,
    limit: usize,
) -> Result<bool, ShippingError> {
    let events = match store.events(ledger.place(), limit).wait() {
        Err(Error::InvalidCursor { .. }) => store.events(FeedCursor::START, limit).wait()?,
        events => events?,
    };
    let Some(last) = events.last().map(|sequenced| sequenced.cursor) else {
        return Ok(false);
    };
    for sequenced in &events {
        if let Some(no) = to_ship(store, &sequenced.event)?
            && !ledger.has_shipped(&no)
        {
            ledger.ship(sequenced.cursor, no)?;
        }
    }
    if ledger.place() != last {
        ledger.pass(last)?;
    }
    Ok(true)
}

/// Returns the order to ship for an event, according to its present state: an order whose money was
/// refunded is not shipped. Imported orders were shipped by the system that sold them.
fn to_ship(store: &Store, event: &Event) -> Result<Option<OrderNo>, Error> {
    let may_ship = match &event.what {
        EventKind::Paid(_) => true,
        // A late payment is valid once an operator has accepted it.
        EventKind::AnomalyEnded { how, .. } => *how == AnomalyEndKind::Accepted,
        _ => false,
    };
    if !may_ship {
        return Ok(None);
    }
    let order = store.get(event.no).wait()?;
    let order = order.filter(|order| order.status == Status::Success);
    let kept = order.filter(|order| {
        let back = order
            .refunds
            .iter()
            .filter(|it| it.status != RefundStatus::Closed);
        let back: u64 = back.map(|refund| refund.amount.as_u64()).sum();
        back < order.total_fee.as_u64()
    });
    Ok(kept.map(|order| order.no))
}
