//! Iterators and streams over all pages of a list and over the feed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::vec;

use futures_core::Stream;

use super::Store;
use crate::commit::{Call, CallFuture, Pipeline, Ticket};
use crate::contract::{FeedCursor, FeedEvent};
use crate::engine::{Engine, unreadable};
use crate::error::Error;
use crate::order::Order;
use crate::query::{self, ClosedRefund, Due, OpenAnomaly, OrderQuery, Page, PageRequest};
use crate::types::Timestamp;

/// Iterator over the rows of a list, page by page. Each `next` may read from the disk. In a task,
/// use [`Rows::into_stream`].
///
/// If a read fails, the last item is the error. A list can change while it is read: each page shows
/// the list at the time of its read. The iterator does not keep the store open.
#[must_use = "an iterator does nothing until it is used"]
pub struct Rows<R> {
    read: Box<dyn FnMut(PageRequest) -> Call<Page<R>> + Send>,
    /// Request for the next page, or `None` at the end.
    next: Option<PageRequest>,
    rows: vec::IntoIter<R>,
    reading: Option<CallFuture<Page<R>>>,
}

/// Iterator over the events of the feed. It ends at the last event, and continues if `next` is
/// called later. In a task, use [`Feed::into_stream`].
///
/// If a read fails, the last item is the error; begin again at [`Feed::cursor`]. The iterator does
/// not keep the store open.
#[must_use = "an iterator does nothing until it is used"]
pub struct Feed {
    pipeline: Arc<Pipeline>,
    cursor: FeedCursor,
    events: vec::IntoIter<FeedEvent>,
    step: Step,
}

/// Progress of a stream of the feed.
enum Step {
    Idle,
    /// The ticket is older than the read, so the two together miss no event.
    Reading(CallFuture<Vec<FeedEvent>>, Ticket<()>),
    Waiting(Ticket<()>),
    /// A read failed, so the iterator has ended.
    Over,
}

/// Stream of the items of [`Rows`] or [`Feed`], for any runtime.
///
/// The stream of a feed does not end at the last event: it waits for the next one. Dropping it
/// ends the wait. After a shutdown its last item is [`Error::ShutDown`].
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct IntoStream<T>(T);

impl Store {
    /// Returns an iterator over all orders of a list. The page of the query sets the start, the
    /// direction and the number of rows per read.
    ///
    /// ```
    /// # use orderstore::{OrderQuery, Store};
    /// # let store = Store::memory()?;
    /// for order in store.each_order(OrderQuery::all()) {
    ///     println!("{}", order?.no);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn each_order(&self, which: OrderQuery) -> Rows<Arc<Order>> {
        self.each(which.page, move |engine, page| {
            query::list(engine, &which.clone().page(page))
        })
    }

    /// Returns an iterator over all actions that are due at `now`: see [`Store::due`].
    pub fn each_due(&self, now: Timestamp, page: PageRequest) -> Rows<Due> {
        self.each(page, move |engine, page| query::due(engine, now, page))
    }

    /// Returns an iterator over all open anomalies: see [`Store::open_anomalies`].
    pub fn each_open_anomaly(&self, page: PageRequest) -> Rows<OpenAnomaly> {
        self.each(page, query::open_anomalies)
    }

    /// Returns an iterator over all refunds that ended without success: see
    /// [`Store::closed_refunds`].
    pub fn each_closed_refund(&self, page: PageRequest) -> Rows<ClosedRefund> {
        self.each(page, query::closed_refunds)
    }

    fn each<R: Send + 'static>(
        &self,
        first: PageRequest,
        read: impl Fn(&dyn Engine, PageRequest) -> Result<Page<R>, Error> + Send + Sync + 'static,
    ) -> Rows<R> {
        let (pipeline, read) = (self.pipeline(), Arc::new(read));
        let read = move |page| {
            let read = Arc::clone(&read);
            let look = move |pipeline: &Pipeline| read(pipeline.engine(), page);
            Call::read(Arc::clone(&pipeline), look)
        };
        Rows {
            read: Box::new(read),
            next: Some(first),
            rows: Vec::new().into_iter(),
            reading: None,
        }
    }

    /// Returns an iterator over the events of the feed after a cursor: see [`Store::events`].
    ///
    /// ```
    /// # use orderstore::{FeedCursor, Store};
    /// # use std::time::Duration;
    /// # let store = Store::memory()?;
    /// let mut feed = store.feed(FeedCursor::START);
    /// while let Some(entry) = feed.wait(Duration::from_millis(10))? {
    ///     println!("{:?}", entry.event.what);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn feed(&self, after: FeedCursor) -> Feed {
        Feed {
            pipeline: self.pipeline(),
            cursor: after,
            events: Vec::new().into_iter(),
            step: Step::Idle,
        }
    }
}

impl<R> Rows<R> {
    /// Converts the iterator to a stream.
    pub const fn into_stream(self) -> IntoStream<Self> {
        IntoStream(self)
    }

    /// Stores a page that was read. After an error there is no next page.
    fn arrived(&mut self, page: Result<Page<R>, Error>) -> Result<(), Error> {
        let request = self.next.take();
        let page = page?;
        let next = request.zip(page.next);
        self.next = next.map(|(request, cursor)| request.after(cursor));
        self.rows = page.rows.into_iter();
        Ok(())
    }
}

impl<R: Send + 'static> Iterator for Rows<R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let page = (self.read)(self.next?).wait();
            if let Err(error) = self.arrived(page) {
                return Some(Err(error));
            }
        }
    }
}

impl<R: Send + Unpin + 'static> Stream for IntoStream<Rows<R>> {
    type Item = Result<R, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let rows = &mut self.0;
        loop {
            if let Some(row) = rows.rows.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            let Some(request) = rows.next else {
                return Poll::Ready(None);
            };
            let read = &mut rows.read;
            let begin = || read(request).into_future();
            let page = ready!(Pin::new(rows.reading.get_or_insert_with(begin)).poll(context));
            rows.reading = None;
            if let Err(error) = rows.arrived(page) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Feed {
    /// Returns the cursor after the last returned event.
    #[must_use]
    pub const fn cursor(&self) -> FeedCursor {
        self.cursor
    }

    /// Converts the iterator to a stream, which waits for new events.
    pub const fn into_stream(self) -> IntoStream<Self> {
        IntoStream(self)
    }

    /// Returns the next event, and waits for it at most `limit`. Returns `None` after that time.
    ///
    /// A commit of this store wakes the caller. On a PostgreSQL cluster other processes write, too,
    /// so a waiting store looks at the feed four times a second.
    ///
    /// # Errors
    /// [`Error::ShutDown`] if the store was shut down, before or during the wait. Otherwise the
    /// errors of [`Store::events`]. A later call tries again.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<FeedEvent>, Error> {
        self.step = Step::Idle;
        let deadline = Instant::now().checked_add(limit);
        loop {
            if let Some(event) = self.take() {
                return Ok(Some(event));
            }
            let changed = self.pipeline.next_change()?;
            if let Some(event) = self.next().transpose()? {
                return Ok(Some(event));
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
            match changed.wait_timeout(left) {
                Ok(woken) => woken?,
                Err(_) => return Ok(None),
            }
        }
    }

    /// Takes the next event that was already read.
    fn take(&mut self) -> Option<FeedEvent> {
        let event = self.events.next()?;
        self.cursor = event.cursor;
        Some(event)
    }

    fn read(&self) -> Call<Vec<FeedEvent>> {
        let after = self.cursor;
        let look = move |pipeline: &Pipeline| {
            let events = pipeline.engine().events(after, PageRequest::MAX);
            events.map_err(unreadable)
        };
        Call::read(Arc::clone(&self.pipeline), look)
    }

    /// Ends the iterator with an error.
    fn fail<T>(&mut self, error: Error) -> Option<Result<T, Error>> {
        self.step = Step::Over;
        Some(Err(error))
    }

    fn begin(&self) -> Result<Step, Error> {
        let changed = self.pipeline.next_change()?;
        Ok(Step::Reading(self.read().into_future(), changed))
    }

    /// Takes one step of the stream. Returns an item if the step brought one.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.step = match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Reading(mut read, changed) => match Pin::new(&mut read).poll(context) {
                Poll::Pending => {
                    self.step = Step::Reading(read, changed);
                    return Poll::Pending;
                }
                Poll::Ready(events) => {
                    self.events = events?.into_iter();
                    match self.events.len() {
                        0 => Step::Waiting(changed),
                        _ => Step::Idle,
                    }
                }
            },
            Step::Waiting(mut changed) => match Pin::new(&mut changed).poll(context) {
                Poll::Pending => {
                    self.step = Step::Waiting(changed);
                    return Poll::Pending;
                }
                Poll::Ready(woken) => woken.map(|()| Step::Idle)?,
            },
            Step::Idle | Step::Over => self.begin()?,
        };
        Poll::Ready(Ok(()))
    }
}

impl Iterator for Feed {
    type Item = Result<FeedEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.step, Step::Over) {
            return None;
        }
        if self.events.len() == 0 {
            match self.read().wait() {
                Ok(events) => self.events = events.into_iter(),
                Err(error) => return self.fail(error),
            }
        }
        self.take().map(Ok)
    }
}

impl Stream for IntoStream<Feed> {
    type Item = Result<FeedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let feed = &mut self.0;
        loop {
            if let Some(event) = feed.take() {
                return Poll::Ready(Some(Ok(event)));
            }
            if matches!(feed.step, Step::Over) {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(feed.step(context)) {
                return Poll::Ready(feed.fail(error));
            }
        }
    }
}

impl<R> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = &self.next;
        f.debug_struct("Rows")
            .field("next", next)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cursor = &self.cursor;
        f.debug_struct("Feed")
            .field("cursor", cursor)
            .finish_non_exhaustive()
    }
}
