//! The consumer: reads the feed from where the ledger ends, and ships each paid order once.
//!
//! - It ships from the feed, never from the answer to `confirm`: a crash between the two
//!   turns `Applied` into `Duplicate`, and an order that is paid and never shipped.
//! - The place is kept with what was done, so that a restart repeats nothing and skips
//!   nothing.
//! - A restored backup is another incarnation of the store: the old place means nothing
//!   there, and is refused. The feed is then read from its beginning, and the ledger, which
//!   knows orders by their numbers, ships none of them again.

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

/// Works off at most `limit` events; whether there may be more. A server calls it again at
/// once while there are, and else after a moment.
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

/// The order that is to be shipped for an event, as it stands by now: one that was given
/// back in the meantime is not. Orders that were imported were shipped by whoever sold them.
fn to_ship(store: &Store, event: &Event) -> Result<Option<OrderNo>, Error> {
    let may_ship = match &event.what {
        EventKind::Paid(_) => true,
        // A late payment counts once a person has accepted it.
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
