//! The verbs that only look.

use std::ops::Range;
use std::sync::Arc;

use super::Store;
use crate::commit::{Call, Pipeline};
use crate::contract::{Counts, FeedCursor, FeedEvent};
#[cfg(any(feature = "transfer", feature = "wechat"))]
use crate::contract::{Direction, IndexPage, IndexQuery, IndexRow};
use crate::engine::unreadable;
#[cfg(any(feature = "transfer", feature = "wechat"))]
use crate::error::Error;
#[cfg(feature = "transfer")]
use crate::order::{Command, Outcome, Reply};
use crate::order::{Event, Order};
use crate::query::{self, ClosedRefund, Due, OpenAnomaly, OrderQuery, Page, PageRequest, Totals};
#[cfg(any(feature = "transfer", feature = "wechat"))]
use crate::rules::Index;
use crate::types::{OrderNo, Timestamp};
use crate::verify::VerifyReport;

impl Store {
    /// The order under a number; `None` where none was created, even if a payment waits.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert!(store.get(no).wait()?.is_none());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn get(&self, no: OrderNo) -> Call<Option<Arc<Order>>> {
        Call::get(self.pipeline(), no)
    }

    /// One page of a list of orders. Besides what reading can fail with, it answers
    /// [`Error::InvalidCursor`] to a cursor of another list, and [`Error::Invalid`] to a
    /// page of no or too many rows; so do the other verbs that take a page.
    ///
    /// ```
    /// # use orderstore::{OrderQuery, PageRequest, Store};
    /// # let store = Store::memory()?;
    /// let mut page = PageRequest::of(100);
    /// loop {
    ///     let orders = store.list(OrderQuery::all().page(page)).wait()?;
    ///     for order in &orders.rows { println!("{} {}", order.no, order.status); }
    ///     let Some(cursor) = orders.next else { break };
    ///     page = page.after(cursor);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn list(&self, which: OrderQuery) -> Call<Page<Arc<Order>>> {
        let look = move |flow: &Pipeline| query::list(flow.engine(), &which);
        self.read(look)
    }

    /// What the server must do next, oldest first. It lists, it never acts. Pass the same
    /// `now` for a whole sweep.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store, Timestamp};
    /// # let store = Store::memory()?;
    /// let now = Timestamp::from_system(std::time::SystemTime::now());
    /// for due in store.due(now, PageRequest::of(100)).wait()?.rows {
    ///     println!("{}: {:?}", due.no, due.action);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn due(&self, now: Timestamp, page: PageRequest) -> Call<Page<Due>> {
        let look = move |flow: &Pipeline| query::due(flow.engine(), now, page);
        self.read(look)
    }

    /// What waits for a person, oldest first.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// assert!(store.open_anomalies(PageRequest::of(20)).wait()?.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn open_anomalies(&self, page: PageRequest) -> Call<Page<OpenAnomaly>> {
        let look = move |flow: &Pipeline| query::open_anomalies(flow.engine(), page);
        self.read(look)
    }

    /// Refunds that ended without success, newest first: the channel refused them, or closed
    /// them. Each may need another attempt.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// assert!(store.closed_refunds(PageRequest::of(20)).wait()?.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn closed_refunds(&self, page: PageRequest) -> Call<Page<ClosedRefund>> {
        let look = move |flow: &Pipeline| query::closed_refunds(flow.engine(), page);
        self.read(look)
    }

    /// Everything that happened under a number, from version 1 on.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert!(store.history(no).wait()?.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn history(&self, no: OrderNo) -> Call<Vec<Event>> {
        let look = move |flow: &Pipeline| {
            let events = flow.engine().history(&no).map_err(unreadable)?;
            Ok(events)
        };
        self.read(look)
    }

    /// At most `limit` events, 1 to [`PageRequest::MAX`], behind a place in the order of
    /// commits: an audit trail and an outbox. Ship goods from here, not from the answer of
    /// `confirm`: a crash after the commit turns `Applied` into `Duplicate`.
    ///
    /// ```
    /// # use orderstore::{FeedCursor, Store};
    /// # let store = Store::memory()?;
    /// let mut place = FeedCursor::START;
    /// for sequenced in store.events(place, 100).wait()? {
    ///     println!("{:?}", sequenced.event.what);
    ///     place = sequenced.cursor; // keep it durably, with what was done
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn events(&self, after: FeedCursor, limit: usize) -> Call<Vec<FeedEvent>> {
        let look = move |flow: &Pipeline| {
            let limit = PageRequest::of(limit).checked_limit()?;
            let events = flow.engine().events(after, limit).map_err(unreadable)?;
            Ok(events)
        };
        self.read(look)
    }

    /// What commands would be answered. Nothing is written.
    #[cfg(feature = "transfer")]
    pub(crate) fn dry_run(&self, commands: Vec<Command>) -> Call<Vec<Reply<Outcome>>> {
        let look = move |flow: &Pipeline| flow.dry_run(&commands);
        self.read(look)
    }

    /// Shows every place of a list from a time on, oldest first, with its record, those that
    /// only wait included.
    #[cfg(any(feature = "transfer", feature = "wechat"))]
    pub(crate) fn each_row<E: From<Error>>(
        &self,
        index: Index,
        from: Timestamp,
        mut show: impl FnMut(&IndexRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut query = IndexQuery {
            index,
            from,
            until: Timestamp::MAX,
            direction: Direction::Forward,
            after: None,
        };
        loop {
            let part = self.rows(query.clone()).wait()?;
            part.rows.iter().try_for_each(&mut show)?;
            query.after = part.rows.last().map(|row| row.position);
            if !part.more {
                return Ok(());
            }
        }
    }

    #[cfg(any(feature = "transfer", feature = "wechat"))]
    fn rows(&self, query: IndexQuery) -> Call<IndexPage> {
        let look = move |flow: &Pipeline| {
            let rows = flow
                .engine()
                .scan(&query, PageRequest::MAX)
                .map_err(unreadable)?;
            Ok(rows)
        };
        self.read(look)
    }

    /// How many orders stand where.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert_eq!(store.counts().wait()?.orders(), 0);
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn counts(&self) -> Call<Counts> {
        let look = |flow: &Pipeline| flow.engine().counts().map_err(unreadable);
        self.read(look)
    }

    /// What was paid and refunded within `times`, its end excluded. It reads every order
    /// of that stretch, on a thread of the store's own.
    ///
    /// ```
    /// # use orderstore::{Store, Timestamp};
    /// # let store = Store::memory()?;
    /// let totals = store.totals(Timestamp::EPOCH..Timestamp::MAX).wait()?;
    /// assert!(totals.paid.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn totals(&self, times: Range<Timestamp>) -> Call<Totals> {
        let look = move |flow: &Pipeline| query::totals(flow.engine(), &times);
        self.read_long(look)
    }

    /// Looks at everything and reports what breaks an invariant. It changes nothing, and
    /// runs on a thread of the store's own.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert!(store.verify().wait()?.is_ok());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn verify(&self) -> Call<VerifyReport> {
        let look = |flow: &Pipeline| flow.engine().verify().map_err(unreadable);
        self.read_long(look)
    }
}
