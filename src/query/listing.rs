//! Lists of orders, due actions, anomalies and refunds, read page by page.

use serde::Serialize;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::EXAMINED_MAX;
use super::page::{Cursor, Page, PageRequest};
use crate::contract::{Direction, IndexQuery, IndexRow};
use crate::engine::{Engine, unreadable};
use crate::error::Error;
use crate::order::{ActionKind, Anomaly, AnomalyId, Order, Record, Refund, Status};
use crate::rules::Index;
use crate::types::{Channel, OpenId, OrderNo, Reference, RefundNo, Timestamp, TransactionId};

/// Query for orders: list, filters and page. Newest orders first, unless the page is reversed.
///
/// ```
/// use orderstore::{OrderQuery, OpenId, PageRequest, Status};
///
/// let user = OpenId::parse("oZWaC4xeOVCUkip5njeEeXi1TEsk")?;
/// let paid = OrderQuery::by_openid(&user).statuses(&[Status::Success]).page(PageRequest::of(10));
/// # Ok::<(), orderstore::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OrderQuery {
    index: Index,
    statuses: Option<Vec<Status>>,
    with_hidden: bool,
    from: Timestamp,
    until: Option<Timestamp>,
    pub(crate) page: PageRequest,
}

impl OrderQuery {
    const fn of(index: Index) -> Self {
        Self {
            index,
            statuses: None,
            with_hidden: true,
            from: Timestamp::EPOCH,
            until: Some(Timestamp::MAX),
            page: PageRequest::of(20),
        }
    }

    /// Lists all orders by creation time.
    pub const fn all() -> Self {
        Self::of(Index::All)
    }

    /// Lists the orders that a user created or paid, by creation time. Hidden orders are left out.
    pub fn by_openid(openid: &OpenId) -> Self {
        let mut listing = Self::of(Index::OpenId(openid.clone()));
        listing.with_hidden = false;
        listing
    }

    /// Lists the orders of one status. The sort time depends on the status: creation time for
    /// `Pending` and `Closing`, payment time for `Success` and `LatePaid`, end time for `Closed`
    /// and `Failed`.
    pub const fn by_status(status: Status) -> Self {
        Self::of(Index::Status(status))
    }

    /// Lists the orders that contain a WeChat transaction: first the order that the transaction
    /// paid or whose refunds hold its money, then the orders with an anomaly about it.
    pub fn by_transaction(transaction: &TransactionId) -> Self {
        Self::by_transaction_of(Channel::WECHAT, transaction)
    }

    /// Lists the orders that contain a transaction of the given channel.
    pub fn by_transaction_of(channel: Channel, transaction: &TransactionId) -> Self {
        Self::of(Index::Transaction(channel, transaction.clone()))
    }

    /// Lists the orders that contain a WeChat refund number: first the order that has the refund,
    /// then the orders with an anomaly about it.
    pub fn by_refund_no(refund_no: &RefundNo) -> Self {
        Self::by_refund_no_of(Channel::WECHAT, refund_no)
    }

    /// Lists the orders that contain a refund number of the given channel.
    pub fn by_refund_no_of(channel: Channel, refund_no: &RefundNo) -> Self {
        Self::of(Index::RefundNo(channel, refund_no.clone()))
    }

    /// Lists all orders with the same merchant reference: first the order that owns the reference,
    /// then the others by creation time.
    pub fn by_reference(reference: &Reference) -> Self {
        Self::of(Index::Reference(reference.clone()))
    }

    /// Keeps only orders with one of these statuses.
    pub fn statuses(mut self, statuses: &[Status]) -> Self {
        let mut statuses = statuses.to_vec();
        statuses.sort_unstable();
        statuses.dedup();
        self.statuses = Some(statuses);
        self
    }

    /// Includes hidden orders, for example for accounting.
    pub const fn with_hidden(mut self) -> Self {
        self.with_hidden = true;
        self
    }

    /// Keeps only orders whose time in this list is within `times` (end exclusive). In a list by
    /// transaction, refund number or reference, the order that owns the key has no time and is left
    /// out.
    pub fn between(mut self, times: Range<Timestamp>) -> Self {
        self.from = times.start;
        self.until = last_before(times.end);
        self
    }

    /// Sets the page to return. Default: the first 20 rows.
    pub const fn page(mut self, page: PageRequest) -> Self {
        self.page = page;
        self
    }

    fn shows(&self, order: &Order) -> bool {
        let hidden = order.hidden_at.is_some() && !self.with_hidden;
        let wanted = self.statuses.as_ref();
        !hidden && wanted.is_none_or(|wanted| wanted.contains(&order.status))
    }

    /// Returns the filters of the query. A cursor is valid only for the same filters, list and
    /// direction.
    fn filter(&self) -> impl Hash + '_ {
        let codes = self.statuses.as_ref();
        let codes = codes.map(|all| all.iter().map(|status| status.code()).collect::<Vec<_>>());
        (codes, self.with_hidden, self.from, self.until)
    }
}

/// Returns the last millisecond before `end`, or `None` if `end` is the first possible time.
fn last_before(end: Timestamp) -> Option<Timestamp> {
    let millis = end.as_millis().checked_sub(1)?;
    Timestamp::from_millis(millis).ok()
}

/// Action that the server must do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Due {
    /// Number of the order.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Time from which on the action is due.
    pub at: Timestamp,
    /// Kind of the action to perform.
    pub action: ActionKind,
    /// Refund number, if the action concerns a refund.
    pub refund_no: Option<RefundNo>,
    /// The order, or `None` if the store has only a refund for this order number.
    pub order: Option<Arc<Order>>,
}

/// Anomaly that a person must resolve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OpenAnomaly {
    /// Order number that the anomaly belongs to.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Open anomaly of this order number.
    pub anomaly: Anomaly,
    /// The order, or `None` if it was not created yet.
    pub order: Option<Arc<Order>>,
}

/// Refund that ended without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClosedRefund {
    /// Order number that the refund belongs to.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Refund that the channel refused or closed.
    pub refund: Refund,
    /// The order, or `None` if it was not created yet.
    pub order: Option<Arc<Order>>,
}

/// Minimum number of rows that one read requests from the engine after a filter has dropped rows of
/// the page.
const PORTION: usize = 64;

/// Reader of one page of a list.
struct Walk<'a> {
    engine: &'a dyn Engine,
    query: IndexQuery,
    /// Fingerprint of the query, which its cursors contain. A cursor with another fingerprint is
    /// rejected.
    bound_to: u64,
    limit: usize,
}

impl<'a> Walk<'a> {
    fn new(
        engine: &'a dyn Engine,
        index: Index,
        times: (Timestamp, Timestamp),
        (page, usual): (PageRequest, Direction),
        filter: impl Hash,
    ) -> Result<Self, Error> {
        let direction = page.direction(usual);
        let store = engine.identity().store_id;
        let bound_to = fingerprint(&(&index, direction, filter, store));
        if page.after.is_some_and(|cursor| cursor.query != bound_to) {
            let why = "it is from another query, direction or store";
            return Err(Error::InvalidCursor { why: why.into() });
        }
        Ok(Self {
            engine,
            query: IndexQuery {
                index,
                from: times.0,
                until: times.1,
                direction,
                after: page.after.map(|cursor| cursor.position),
            },
            bound_to,
            limit: page.checked_limit()?,
        })
    }

    /// Reads until the page is full, the list ends, or [`EXAMINED_MAX`] rows were examined.
    fn page<R>(mut self, show: impl Fn(IndexRow) -> Option<R>) -> Result<Page<R>, Error> {
        let mut rows = Vec::new();
        let mut examined = 0;
        loop {
            let missing = self.limit.saturating_sub(rows.len());
            // The first read requests exactly the rows of the page. If the filter dropped some of
            // them, later reads request at least `PORTION` rows, because small reads with few
            // matches would need many calls of the engine.
            let portion = if examined == 0 {
                missing
            } else {
                missing.max(PORTION)
            };
            let part = self.engine.scan(&self.query, portion).map_err(unreadable)?;
            let mut left = part.rows.into_iter();
            while rows.len() < self.limit && examined < EXAMINED_MAX {
                let Some(row) = left.next() else { break };
                examined += 1;
                self.query.after = Some(row.position);
                rows.extend(show(row));
            }
            let more = part.more || left.next().is_some();
            if !more {
                return Ok(Page { rows, next: None });
            }
            if rows.len() >= self.limit || examined >= EXAMINED_MAX {
                let query = self.bound_to;
                let next = self.query.after.map(|position| Cursor { query, position });
                return Ok(Page { rows, next });
            }
        }
    }
}

/// Hashes a query, with fixed keys. Every process of one build gets the same result, so cursors
/// remain valid after a restart. Another build may refuse the cursors; the reader must then start
/// again with the first page.
fn fingerprint(query: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6f72_6465_7273, 0x6375_7273_6f72);
    query.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn list(engine: &dyn Engine, listing: &OrderQuery) -> Result<Page<Arc<Order>>, Error> {
    let Some(until) = listing.until else {
        return Ok(Page {
            rows: Vec::new(),
            next: None,
        });
    };
    let times = (listing.from, until);
    let page = (listing.page, Direction::Backward);
    let walk = Walk::new(engine, listing.index.clone(), times, page, listing.filter())?;
    walk.page(|row| row.record.into_order().filter(|order| listing.shows(order)))
}

/// Lists the actions due at `now`. A cursor does not depend on `now`, so a reader can continue with
/// the next page at a later time.
pub(crate) fn due(
    engine: &dyn Engine,
    now: Timestamp,
    page: PageRequest,
) -> Result<Page<Due>, Error> {
    let times = (Timestamp::EPOCH, now);
    let walk = Walk::new(engine, Index::Due, times, (page, Direction::Forward), ())?;
    walk.page(|row| due_at(&row))
}

fn due_at(row: &IndexRow) -> Option<Due> {
    let order = row.record.as_order();
    let (action, refund_no) = match row.position.sub.checked_sub(1) {
        None => (order?.next?.action, None),
        Some(_) => (
            ActionKind::QueryRefund,
            Some(row.refund()?.refund_no.clone()),
        ),
    };
    Some(Due {
        no: row.record.no(),
        at: row.position.time,
        action,
        refund_no,
        order: order.cloned(),
    })
}

pub(crate) fn open_anomalies(
    engine: &dyn Engine,
    page: PageRequest,
) -> Result<Page<OpenAnomaly>, Error> {
    let times = (Timestamp::EPOCH, Timestamp::MAX);
    let page = (page, Direction::Forward);
    let walk = Walk::new(engine, Index::Anomalies, times, page, ())?;
    walk.page(|row| {
        let anomaly = row.record.anomaly(AnomalyId(row.position.sub))?.clone();
        Some(OpenAnomaly {
            no: Record::no(&row.record),
            anomaly,
            order: row.record.into_order(),
        })
    })
}

pub(crate) fn closed_refunds(
    engine: &dyn Engine,
    page: PageRequest,
) -> Result<Page<ClosedRefund>, Error> {
    let times = (Timestamp::EPOCH, Timestamp::MAX);
    let page = (page, Direction::Backward);
    let walk = Walk::new(engine, Index::ClosedRefunds, times, page, ())?;
    walk.page(|row| {
        let refund = row.refund()?.clone();
        Some(ClosedRefund {
            no: Record::no(&row.record),
            refund,
            order: row.record.into_order(),
        })
    })
}
