//! The store: every verb, each a lazy [`Call`].

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::builder::Builder;
use crate::engine::{Counts, FeedCursor, Recovery, Sequenced};
use crate::error::Error;
use crate::flow::{Ask, Call, Flow, Health, Hear, Refused, Said, Stats, Threads, Ticket, unread};
use crate::order::{
    Annotated, AnomalyId, Answered, Asked, ChannelState, CloseAnswer, CloseReply, Command,
    Confirmed, Created, Event, New, Order, Outcome, Payment, Prepaid, Prepay, Queried, Resolution,
    Resolved, Visible,
};
use crate::query::{self, Due, Listing, OpenAnomaly, Page, PageOf, Totals};
use crate::value::{Metadata, Note, OrderNo, Timestamp};
use crate::verify::Report;

/// A store of payment orders. Clones are cheap and share one store; they can be sent to
/// and used from any thread or task.
///
/// Every verb returns a [`Call`]: `.wait()` for it from a thread, `.await` it in a task, or
/// `.submit()` it and keep the ticket. Logical refusals are answers; see [`Error`] for what
/// each failure says of the data.
///
/// The last clone that is dropped shuts the store down and waits for that: what was handed
/// over is worked off, long reads too, and the directory is free again. How it went is told
/// by [`Store::shutdown`] alone.
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// What the last clone ends.
#[derive(Debug)]
struct Handle {
    flow: Arc<Flow>,
    threads: Mutex<Option<Threads>>,
    opened: Opened,
    recovery: Recovery,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to be told how it ended: whoever wants to know calls `shutdown`.
        let ending = Call::new(Arc::clone(&self.flow), Ask::ShutDown, hear_done).submit();
        drop(ending);
        if let Some(threads) = self.threads.lock().take() {
            threads.join();
        }
    }
}

/// How the store came to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// It was made now, and is empty.
    Made,
    /// It was there.
    Found,
}

/// Takes the answer of one kind of command.
macro_rules! hear {
    ($kind:path) => {
        |said| match said {
            Said::Answer(answered) => answered.try_map(|outcome| match outcome {
                $kind(outcome) => Some(outcome),
                _ => None,
            }),
            _ => None,
        }
    };
}

/// Takes what one kind of read found.
macro_rules! find {
    ($kind:path) => {
        |said| match said {
            $kind(found) => Some(found),
            _ => None,
        }
    };
}

fn hear_done(said: Said) -> Option<()> {
    match said {
        Said::Done => Some(()),
        _ => None,
    }
}

impl Store {
    /// Makes a store in `dir`, which is missing or empty or holds one whose making was
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`], [`Error::Foreign`], [`Error::Locked`], [`Error::Unopened`].
    pub fn init(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().init(dir)
    }

    /// Opens the store in `dir`, and makes nothing: a volume that is not mounted must not
    /// look like a fresh shop.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Empty`], [`Error::Foreign`], [`Error::Incomplete`],
    /// [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(dir)
    }

    /// Opens the store in `dir`, or makes one where the directory is missing or empty;
    /// [`Store::opened`] says which.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::NewerFormat`], [`Error::Locked`], [`Error::Unopened`].
    pub fn open_or_init(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open_or_init(dir)
    }

    /// A store that lives in memory and is gone when it ends: for tests and examples.
    ///
    /// # Errors
    /// [`Error::NotApplied`] where the machine has no randomness or no thread to give.
    pub fn memory() -> Result<Self, Error> {
        Self::builder().memory()
    }

    /// Settings, before the store is opened.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn run(flow: Arc<Flow>, opened: Opened, recovery: Recovery) -> Result<Self, Error> {
        let threads = Threads::start(&flow).map_err(|error| Error::NotApplied(error.into()))?;
        Ok(Self {
            handle: Arc::new(Handle {
                flow,
                threads: Mutex::new(Some(threads)),
                opened,
                recovery,
            }),
        })
    }

    fn call<T>(&self, ask: Ask, hear: Hear<T>) -> Call<T> {
        Call::new(Arc::clone(&self.handle.flow), ask, hear)
    }

    fn command<T>(&self, no: OrderNo, ask: Asked, hear: Hear<T>) -> Call<T> {
        self.call(Ask::Command(Command { no, ask }), hear)
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&Flow) -> Result<Said, Error> + Send + 'static,
        hear: Hear<T>,
    ) -> Call<T> {
        self.call(Ask::Read(Box::new(look)), hear)
    }

    fn read_long<T>(
        &self,
        look: impl FnOnce(&Flow) -> Result<Said, Error> + Send + 'static,
        hear: Hear<T>,
    ) -> Call<T> {
        self.call(Ask::Long(Box::new(look)), hear)
    }

    /// A 32-digit order number that no call, process, crash or clock repeats. It waits for
    /// a write only while no reserved block is at hand.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert_eq!(no.as_str().len(), 32);
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn next_order_no(&self) -> Call<OrderNo> {
        self.call(Ask::Number, find!(Said::Number))
    }

    /// Creates the order `no`. The amount comes from the server's own price list, never
    /// from the client. A payment that arrived before the order pays it at once.
    ///
    /// ```
    /// # use orderstore::{AppId, Created, Fen, New, Store};
    /// # let store = Store::memory()?;
    /// let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// let no = store.next_order_no().wait()?;
    /// assert_eq!(store.create(no, new.clone()).wait()?.outcome, Created::Created);
    /// assert_eq!(store.create(no, new).wait()?.outcome, Created::Exists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(&self, no: OrderNo, new: New) -> Call<Answered<Created>> {
        self.command(no, Asked::Create(Box::new(new)), hear!(Outcome::Create))
    }

    /// Replaces the caller's own bytes, if the order is still at `version`.
    ///
    /// ```
    /// # use orderstore::{Annotated, AppId, Fen, Metadata, New, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let shelf = Metadata::new("shelf 7")?;
    /// assert_eq!(store.annotate(no, 1, shelf.clone()).wait()?.outcome, Annotated::Annotated);
    /// let late = store.annotate(no, 1, shelf).wait()?;
    /// assert_eq!(late.outcome, Annotated::VersionMoved { now: 2 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn annotate(
        &self,
        no: OrderNo,
        version: u64,
        metadata: Metadata,
    ) -> Call<Answered<Annotated>> {
        let ask = Asked::Annotate { version, metadata };
        self.command(no, ask, hear!(Outcome::Annotate))
    }

    /// Keeps what the channel handed out so that the customer can pay. Paying again reuses
    /// the same number: [`Order::usable_prepay`].
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, New, Prepaid, Prepay, PrepayKind, PrepayValue, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let prepay = Prepay::new(PrepayKind::Jsapi, PrepayValue::parse("wx201410272009395522657a69")?);
    /// assert_eq!(store.record_prepay(no, prepay).wait()?.outcome, Prepaid::Recorded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_prepay(&self, no: OrderNo, prepay: Prepay) -> Call<Answered<Prepaid>> {
        let ask = Asked::RecordPrepay(Box::new(prepay));
        self.command(no, ask, hear!(Outcome::RecordPrepay))
    }

    /// Takes a verified payment in: applied, recognised, or kept as an anomaly, never
    /// thrown away. [`Answered::should_acknowledge`] says what the channel may be told.
    ///
    /// ```
    /// # use orderstore::{AppId, Confirmed, Fen, New, Payment, Source, Store, Timestamp, TransactionId};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let payment = Payment::new(
    ///     TransactionId::parse("4200004561202203217657282768")?,
    ///     Fen::parse_yuan("0.01")?,
    ///     Timestamp::parse_compact("20220321132007")?,
    ///     Source::Query,
    /// )?;
    /// let answer = store.confirm(no, payment.clone()).wait()?;
    /// assert_eq!(answer.outcome, Confirmed::Applied);
    /// assert!(answer.should_acknowledge());
    /// assert_eq!(store.confirm(no, payment).wait()?.outcome, Confirmed::Duplicate);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn confirm(&self, no: OrderNo, payment: Payment) -> Call<Answered<Confirmed>> {
        let ask = Asked::Confirm(Box::new(payment));
        self.command(no, ask, hear!(Outcome::Confirm))
    }

    /// Takes in what the channel said when it was asked about the order.
    ///
    /// ```
    /// # use orderstore::{AppId, ChannelState, Fen, New, Queried, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_query(no, ChannelState::NotPay).wait()?;
    /// assert_eq!(answer.outcome, Queried::StillPending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_query(&self, no: OrderNo, state: ChannelState) -> Call<Answered<Queried>> {
        let ask = Asked::RecordQuery(Box::new(state));
        self.command(no, ask, hear!(Outcome::RecordQuery))
    }

    /// Announces that the order is to be closed: no new prepay from now on, and
    /// [`Store::due`] says when to ask the channel. A payment still wins.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, CloseReply, Fen, New, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.begin_close(no).wait()?.outcome, CloseAnswer::Closing);
    /// let answer = store.record_close(no, CloseReply::NoSuchOrder).wait()?;
    /// assert_eq!(answer.outcome, CloseAnswer::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_close(&self, no: OrderNo) -> Call<Answered<CloseAnswer>> {
        self.command(no, Asked::BeginClose, hear!(Outcome::Close))
    }

    /// Takes in what the channel said when it was asked to close the order.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, CloseReply, Fen, New, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_close(no, CloseReply::OrderPaid).wait()?;
    /// assert_eq!(answer.outcome, CloseAnswer::MustQuery);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_close(&self, no: OrderNo, reply: CloseReply) -> Call<Answered<CloseAnswer>> {
        self.command(no, Asked::RecordClose(reply), hear!(Outcome::Close))
    }

    /// Takes the announcement back: the order can be paid again.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, Fen, New, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.abort_close(no).wait()?.outcome, CloseAnswer::NotClosing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort_close(&self, no: OrderNo) -> Call<Answered<CloseAnswer>> {
        self.command(no, Asked::AbortClose, hear!(Outcome::Close))
    }

    /// Ends an anomaly by a person's decision.
    ///
    /// ```
    /// # use orderstore::{AnomalyId, AppId, Fen, New, Note, Resolution, Resolved, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// let why = Note::parse("seen with the customer")?;
    /// let answer = store.resolve(no, AnomalyId(1), Resolution::Dismiss, why).wait()?;
    /// assert_eq!(answer.outcome, Resolved::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(
        &self,
        no: OrderNo,
        anomaly: AnomalyId,
        how: Resolution,
        note: Note,
    ) -> Call<Answered<Resolved>> {
        let ask = Asked::Resolve { anomaly, how, note };
        self.command(no, ask, hear!(Outcome::Resolve))
    }

    /// Takes an ended order out of its user's list. The books keep it.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, New, Store, Visible};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.hide(no).wait()?.outcome, Visible::NotEnded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hide(&self, no: OrderNo) -> Call<Answered<Visible>> {
        self.command(no, Asked::Hide, hear!(Outcome::Visibility))
    }

    /// Puts an order back into its user's list.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, New, Store, Visible};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// assert_eq!(store.unhide(no).wait()?.outcome, Visible::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unhide(&self, no: OrderNo) -> Call<Answered<Visible>> {
        self.command(no, Asked::Unhide, hear!(Outcome::Visibility))
    }

    /// Hands many commands over, all or none. They are not one transaction: each has its
    /// own answer, and repeating the whole is safe command by command.
    ///
    /// # Errors
    /// [`Refused`] gives the commands back: [`Error::Overloaded`] where they do not fit
    /// now, [`Error::BatchTooLarge`] where they never will.
    ///
    /// ```
    /// # use orderstore::{AppId, Asked, Command, Fen, New, Store};
    /// # let store = Store::memory()?;
    /// let new = New::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// let no = store.next_order_no().wait()?;
    /// let create = Command { no, ask: Asked::Create(Box::new(new)) };
    /// for ticket in store.submit_all(vec![create.clone(), create])? {
    ///     assert!(ticket.wait()?.should_acknowledge());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Ticket<Answered<Outcome>>>, Refused<Vec<Command>>> {
        self.handle.flow.enqueue_all(commands)
    }

    /// The order under a number; `None` where none was created, even if a payment waits.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert!(store.get(no).wait()?.is_none());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn get(&self, no: OrderNo) -> Call<Option<Arc<Order>>> {
        self.call(Ask::Get(no), find!(Said::Order))
    }

    /// One page of a list of orders. Besides what reading can fail with, it answers
    /// [`Error::InvalidCursor`] to a cursor of another list, and [`Error::Invalid`] to a
    /// page of no or too many rows; so do the other verbs that take a page.
    ///
    /// ```
    /// # use orderstore::{Listing, PageOf, Store};
    /// # let store = Store::memory()?;
    /// let mut page = PageOf::of(100);
    /// loop {
    ///     let orders = store.list(Listing::all().page(page)).wait()?;
    ///     for order in &orders.rows { println!("{} {}", order.no, order.status); }
    ///     let Some(cursor) = orders.next else { break };
    ///     page = page.after(cursor);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn list(&self, which: Listing) -> Call<Page<Arc<Order>>> {
        let look = move |flow: &Flow| query::list(flow.engine(), &which).map(Said::Orders);
        self.read(look, find!(Said::Orders))
    }

    /// What the server must do next, oldest first. It lists, it never acts. Pass the same
    /// `now` for a whole sweep.
    ///
    /// ```
    /// # use orderstore::{PageOf, Store, Timestamp};
    /// # let store = Store::memory()?;
    /// let now = Timestamp::from_system(std::time::SystemTime::now());
    /// for due in store.due(now, PageOf::of(100)).wait()?.rows {
    ///     println!("{}: {:?}", due.no, due.action);
    /// }
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn due(&self, now: Timestamp, page: PageOf) -> Call<Page<Due>> {
        let look = move |flow: &Flow| query::due(flow.engine(), now, page).map(Said::Dues);
        self.read(look, find!(Said::Dues))
    }

    /// What waits for a person, oldest first.
    ///
    /// ```
    /// # use orderstore::{PageOf, Store};
    /// # let store = Store::memory()?;
    /// assert!(store.open_anomalies(PageOf::of(20)).wait()?.rows.is_empty());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn open_anomalies(&self, page: PageOf) -> Call<Page<OpenAnomaly>> {
        let look =
            move |flow: &Flow| query::open_anomalies(flow.engine(), page).map(Said::Anomalies);
        self.read(look, find!(Said::Anomalies))
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
        let look = move |flow: &Flow| {
            let events = flow.engine().history(&no).map_err(unread)?;
            Ok(Said::History(events))
        };
        self.read(look, find!(Said::History))
    }

    /// At most `limit` events, 1 to [`PageOf::MAX`], behind a place in the order of
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
    pub fn events(&self, after: FeedCursor, limit: usize) -> Call<Vec<Sequenced>> {
        let look = move |flow: &Flow| {
            let limit = PageOf::of(limit).checked_limit()?;
            let events = flow.engine().events(after, limit).map_err(unread)?;
            Ok(Said::Feed(events))
        };
        self.read(look, find!(Said::Feed))
    }

    /// How many orders stand where.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert_eq!(store.counts().wait()?.orders(), 0);
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn counts(&self) -> Call<Counts> {
        let look = |flow: &Flow| flow.engine().counts().map(Said::Counts).map_err(unread);
        self.read(look, find!(Said::Counts))
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
        let look = move |flow: &Flow| query::totals(flow.engine(), &times).map(Said::Totals);
        self.read_long(look, find!(Said::Totals))
    }

    /// Looks at everything and reports what breaks an invariant. It changes nothing, and
    /// runs on a thread of the store's own.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// assert!(store.verify().wait()?.is_ok());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn verify(&self) -> Call<Report> {
        let look = |flow: &Flow| flow.engine().verify().map(Said::Report).map_err(unread);
        self.read_long(look, find!(Said::Report))
    }

    /// Writes what waits in memory to where it stays, on a thread of the store's own. It
    /// makes nothing more durable than it is: what was answered survives a crash without
    /// it. It makes the next opening quicker.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// store.flush().wait()?;
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn flush(&self) -> Call<()> {
        self.read_long(|flow| flow.flush().map(|()| Said::Done), hear_done)
    }

    /// Ends the store, for all clones: what waits is answered, then the directory is free.
    /// Calls that come later get [`Error::ShutDown`].
    ///
    /// ```
    /// # use orderstore::{Error, Store};
    /// let store = Store::memory()?;
    /// store.shutdown().wait()?;
    /// assert!(matches!(store.counts().wait(), Err(Error::ShutDown)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown(&self) -> Call<()> {
        self.call(Ask::ShutDown, hear_done)
    }

    /// Whether the store takes commands. Cheap: no I/O.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.flow.health()
    }

    /// What the store has done since it was opened. Cheap: no I/O.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.flow.stats()
    }

    /// What the opening found in the journal; nothing where the store was made, or lives on
    /// an engine without one.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.handle.recovery
    }

    /// How the store came to be open.
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.handle.opened
    }
}
