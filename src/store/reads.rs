//! Methods of the store that only read.

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
    /// Returns the order with this number, or `None` if it was not created. A payment may already
    /// wait for the order.
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

    /// Returns one page of a list of orders.
    ///
    /// The reply is [`Error::InvalidCursor`] for a cursor of another list, and [`Error::Invalid`]
    /// if the page has no rows or more than [`PageRequest::MAX`]. This is the same for all methods
    /// that take a page.
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
        let read = move |pipeline: &Pipeline| query::list(pipeline.engine(), &which);
        self.read(read)
    }

    /// Lists the actions that are due for the server at `now`, oldest first. The store itself
    /// performs no action. `now` is usually [`Store::now`]. Pass the same time to all pages of one
    /// sweep.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// let now = store.now();
    /// for due in store.due(now, PageRequest::of(100)).wait()?.rows {
    ///     println!("{}: {:?}", due.no, due.action);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn due(&self, now: Timestamp, page: PageRequest) -> Call<Page<Due>> {
        let read = move |pipeline: &Pipeline| query::due(pipeline.engine(), now, page);
        self.read(read)
    }

    /// Lists the anomalies that a person must resolve, oldest first.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// assert!(store.open_anomalies(PageRequest::of(20)).wait()?.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn open_anomalies(&self, page: PageRequest) -> Call<Page<OpenAnomaly>> {
        let read = move |pipeline: &Pipeline| query::open_anomalies(pipeline.engine(), page);
        self.read(read)
    }

    /// Lists the refunds that ended without success, newest first: the channel refused or closed
    /// them. Each may need another attempt.
    ///
    /// ```
    /// # use orderstore::{PageRequest, Store};
    /// # let store = Store::memory()?;
    /// assert!(store.closed_refunds(PageRequest::of(20)).wait()?.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn closed_refunds(&self, page: PageRequest) -> Call<Page<ClosedRefund>> {
        let read = move |pipeline: &Pipeline| query::closed_refunds(pipeline.engine(), page);
        self.read(read)
    }

    /// Returns all events of an order number, from version 1 on.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert!(store.history(no).wait()?.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn history(&self, no: OrderNo) -> Call<Vec<Event>> {
        let read = move |pipeline: &Pipeline| {
            let events = pipeline.engine().history(&no).map_err(unreadable)?;
            Ok(events)
        };
        self.read(read)
    }

    /// Returns the events of the change feed after a cursor, in commit order, as an audit trail and
    /// an outbox. At most `limit` events; range: 1 to [`PageRequest::MAX`].
    ///
    /// Ship goods when a consumer reads the event here, not when `confirm` returns `Applied`. If
    /// the server crashes after the commit, the retry of `confirm` returns `Duplicate`.
    ///
    /// ```
    /// # use orderstore::{FeedCursor, Store};
    /// # let store = Store::memory()?;
    /// let mut cursor = FeedCursor::START;
    /// for entry in store.events(cursor, 100).wait()? {
    ///     println!("{:?}", entry.event.what);
    ///     cursor = entry.cursor; // store it durably, together with the effect of the event
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn events(&self, after: FeedCursor, limit: usize) -> Call<Vec<FeedEvent>> {
        let read = move |pipeline: &Pipeline| {
            let limit = PageRequest::of(limit).checked_limit()?;
            let events = pipeline.engine().events(after, limit).map_err(unreadable)?;
            Ok(events)
        };
        self.read(read)
    }

    /// Returns the cursor of the last event of the change feed. Its sequence number is the number of
    /// events, 0 on an empty feed. A consumer that begins here reads only events that are still to
    /// come.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let end = store.feed_end().wait()?;
    /// assert!(store.events(end, 100).wait()?.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn feed_end(&self) -> Call<FeedCursor> {
        self.read(|pipeline| pipeline.engine().feed_end().map_err(unreadable))
    }

    /// Returns the replies that the commands would get now, without writing anything.
    #[cfg(feature = "transfer")]
    pub(crate) fn dry_run(&self, commands: Vec<Command>) -> Call<Vec<Reply<Outcome>>> {
        let read = move |pipeline: &Pipeline| pipeline.dry_run(&commands);
        self.read(read)
    }

    /// Calls `show` with every entry of a list from a time on, oldest first. Includes unclaimed
    /// records: payments and refunds without an order.
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
        let read = move |pipeline: &Pipeline| {
            let rows = pipeline
                .engine()
                .scan(&query, PageRequest::MAX)
                .map_err(unreadable)?;
            Ok(rows)
        };
        self.read(read)
    }

    /// Returns the number of orders in each status, of unclaimed payments and of open anomalies.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert_eq!(store.counts().wait()?.orders(), 0);
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn counts(&self) -> Call<Counts> {
        let read = |pipeline: &Pipeline| pipeline.engine().counts().map_err(unreadable);
        self.read(read)
    }

    /// Returns the totals of payments and refunds within `times`. The end is exclusive. Reads every
    /// order of that period, on the store's background thread.
    ///
    /// ```
    /// # use orderstore::{Store, Timestamp};
    /// # let store = Store::memory()?;
    /// let totals = store.totals(Timestamp::EPOCH..Timestamp::MAX).wait()?;
    /// assert!(totals.paid.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn totals(&self, times: Range<Timestamp>) -> Call<Totals> {
        let read = move |pipeline: &Pipeline| query::totals(pipeline.engine(), &times);
        self.read_long(read)
    }

    /// Reads all stored data and reports every violation of an invariant. Changes nothing. Runs on
    /// the store's background thread.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert!(store.verify().wait()?.is_ok());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn verify(&self) -> Call<VerifyReport> {
        let read = |pipeline: &Pipeline| pipeline.engine().verify().map_err(unreadable);
        self.read_long(read)
    }
}
