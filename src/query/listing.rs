//! The lists of the store, read page by page.

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

/// Which orders, in which order, which page. Newest first, unless the page is reversed.
///
/// ```
/// use orderstore::{OrderQuery, OpenId, PageRequest, Status};
///
/// let user = OpenId::parse("oZWaC4xeOVCUkip5njeEeXi1TEsk")?;
/// let paid = OrderQuery::by_openid(&user).statuses(&[Status::Success]).page(PageRequest::of(10));
/// # Ok::<(), orderstore::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct OrderQuery {
    index: Index,
    statuses: Option<Vec<Status>>,
    with_hidden: bool,
    from: Timestamp,
    until: Option<Timestamp>,
    page: PageRequest,
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

    /// Every order, by its creation.
    pub const fn all() -> Self {
        Self::of(Index::All)
    }

    /// The orders that a user made or paid, by their creation; hidden ones are left out.
    pub fn by_openid(openid: &OpenId) -> Self {
        let mut listing = Self::of(Index::OpenId(openid.clone()));
        listing.with_hidden = false;
        listing
    }

    /// The orders of one status, by the time that matters in it: `Pending` and `Closing`
    /// by creation, `Success` and `LatePaid` by payment, `Closed` and `Failed` by their end.
    pub const fn by_status(status: Status) -> Self {
        Self::of(Index::Status(status))
    }

    /// The orders that know a transaction of WeChat's: first the one that it paid, then
    /// those in whose anomalies it stands.
    pub fn by_transaction(transaction: &TransactionId) -> Self {
        Self::by_transaction_of(Channel::WECHAT, transaction)
    }

    /// The orders that know a transaction of a channel's.
    pub fn by_transaction_of(channel: Channel, transaction: &TransactionId) -> Self {
        Self::of(Index::Transaction(channel, transaction.clone()))
    }

    /// The orders that know a refund number of WeChat's: first the one that owns it.
    pub fn by_refund_no(refund_no: &RefundNo) -> Self {
        Self::by_refund_no_of(Channel::WECHAT, refund_no)
    }

    /// The orders that know a refund number of a channel's.
    pub fn by_refund_no_of(channel: Channel, refund_no: &RefundNo) -> Self {
        Self::of(Index::RefundNo(channel, refund_no.clone()))
    }

    /// All attempts to pay one order of the shop: first the one that holds the reference,
    /// then the others by their creation.
    pub fn by_reference(reference: &Reference) -> Self {
        Self::of(Index::Reference(reference.clone()))
    }

    /// Only orders of these statuses.
    pub fn statuses(mut self, statuses: &[Status]) -> Self {
        let mut statuses = statuses.to_vec();
        statuses.sort_unstable();
        statuses.dedup();
        self.statuses = Some(statuses);
        self
    }

    /// Hidden orders as well: the books instead of the user's list.
    pub const fn with_hidden(mut self) -> Self {
        self.with_hidden = true;
        self
    }

    /// Only orders whose time in this list is within `times`, its end excluded. In a list
    /// by transaction, refund number or reference the owner has no time: it is left out.
    pub fn between(mut self, times: Range<Timestamp>) -> Self {
        self.from = times.start;
        self.until = last_before(times.end);
        self
    }

    /// Which page; the first 20 rows where not said.
    pub const fn page(mut self, page: PageRequest) -> Self {
        self.page = page;
        self
    }

    fn shows(&self, order: &Order) -> bool {
        let hidden = order.hidden_at.is_some() && !self.with_hidden;
        let wanted = self.statuses.as_ref();
        !hidden && wanted.is_none_or(|wanted| wanted.contains(&order.status))
    }

    /// What a cursor is bound to besides the list and its direction.
    fn filter(&self) -> impl Hash + '_ {
        let codes = self.statuses.as_ref();
        let codes = codes.map(|all| all.iter().map(|status| status.code()).collect::<Vec<_>>());
        (codes, self.with_hidden, self.from, self.until)
    }
}

/// The last millisecond before `end`; `None` where there is none.
fn last_before(end: Timestamp) -> Option<Timestamp> {
    let millis = end.as_millis().checked_sub(1)?;
    Timestamp::from_millis(millis).ok()
}

/// One thing that the server must do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// For which order.
    pub no: OrderNo,
    /// Since when.
    pub at: Timestamp,
    /// What.
    pub action: ActionKind,
    /// About which refund, where the action is about one.
    pub refund_no: Option<RefundNo>,
    /// The order; `None` where only its refund is known.
    pub order: Option<Arc<Order>>,
}

/// One anomaly that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenAnomaly {
    /// Under which order number.
    pub no: OrderNo,
    /// What does not fit.
    pub anomaly: Anomaly,
    /// The order; `None` where it was not created yet.
    pub order: Option<Arc<Order>>,
}

/// A refund that ended without success.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedRefund {
    /// Under which order number.
    pub no: OrderNo,
    /// The refund.
    pub refund: Refund,
    /// The order; `None` where it was not created yet.
    pub order: Option<Arc<Order>>,
}

/// How many rows are looked at together once a filter has left some out.
const PORTION: usize = 64;

/// A stretch of one list, and the page of it.
struct Walk<'a> {
    engine: &'a dyn Engine,
    query: IndexQuery,
    /// What its cursors are bound to.
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
            let why = "it is of another query, direction or store";
            return Err(Error::InvalidCursor { why });
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

    /// Reads on until the page is full, the list ends, or enough was looked at.
    fn page<R>(mut self, show: impl Fn(IndexRow) -> Option<R>) -> Result<Page<R>, Error> {
        let mut rows = Vec::new();
        let mut examined = 0;
        loop {
            let missing = self.limit.saturating_sub(rows.len());
            // Where a filter left rows out, the next portion is larger than what is missing.
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

/// The same for the same query in every process of one build: cursors outlive restarts. One
/// of another build may be refused, and its reader begins anew.
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

/// What is due at `now`. A cursor does not depend on `now`, so that a sweep can go on.
pub(crate) fn due(
    engine: &dyn Engine,
    now: Timestamp,
    page: PageRequest,
) -> Result<Page<Due>, Error> {
    let times = (Timestamp::EPOCH, now);
    let walk = Walk::new(engine, Index::Due, times, (page, Direction::Forward), ())?;
    walk.page(|row| due_at(&row))
}

/// The refund that a row of a list of refunds is about.
pub(super) fn refund_at(row: &IndexRow) -> Option<&Refund> {
    let place = usize::try_from(row.position.sub.checked_sub(1)?).ok()?;
    row.record.refunds().get(place)
}

fn due_at(row: &IndexRow) -> Option<Due> {
    let order = row.record.as_order();
    let (action, refund_no) = match row.position.sub.checked_sub(1) {
        None => (order?.next?.action, None),
        Some(_) => (
            ActionKind::QueryRefund,
            Some(refund_at(row)?.refund_no.clone()),
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
        let refund = refund_at(&row)?.clone();
        Some(ClosedRefund {
            no: Record::no(&row.record),
            refund,
            order: row.record.into_order(),
        })
    })
}
