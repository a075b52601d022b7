//! Methods that change an order, and the generator of order numbers.

use super::Store;
use crate::commit::{Call, Rejected, Ticket};
use crate::order::{
    Annotated, AnomalyRef, ChannelState, CloseOutcome, CloseReply, Command, CommandKind, Confirmed,
    Created, NewOrder, Outcome, Payment, Prepaid, Prepay, Queried, Reply, Resolution, Resolved,
    Visible,
};
use crate::types::{Metadata, Note, OrderNo};

impl Store {
    /// Generates an order number of 32 digits. The store never issues it again, whatever happens to
    /// the process or the clock. The call waits for a write only if no reserved block is left.
    ///
    /// ```
    /// # let store = orderstore::Store::memory()?;
    /// let no = store.next_order_no().wait()?;
    /// assert_eq!(no.as_str().len(), 32);
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn next_order_no(&self) -> Call<OrderNo> {
        Call::number(self.pipeline())
    }

    /// Creates the order `no`. Take the amount from the server's own price list, never from the
    /// client. If a payment that fits is already waiting, it pays the order at once.
    ///
    /// ```
    /// # use orderstore::{AppId, Created, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// let no = store.next_order_no().wait()?;
    /// assert_eq!(store.create(no, new.clone()).wait()?.outcome, Created::Created);
    /// assert_eq!(store.create(no, new).wait()?.outcome, Created::Exists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(&self, no: OrderNo, new: NewOrder) -> Call<Reply<Created>> {
        self.command(no, CommandKind::Create(Box::new(new)))
    }

    /// Replaces the metadata of the order, the bytes for the caller's own use. Returns the outcome
    /// [`Annotated::VersionMoved`] if the order is no longer at `version`.
    ///
    /// ```
    /// # use orderstore::{Annotated, AppId, Fen, Metadata, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
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
    ) -> Call<Reply<Annotated>> {
        let kind = CommandKind::Annotate { version, metadata };
        self.command(no, kind)
    }

    /// Records the prepay that the channel returned, such as a `prepay_id`. If the customer tries
    /// to pay again, use the same order number and
    /// [`Order::usable_prepay`](crate::Order::usable_prepay).
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Prepaid, Prepay, PrepayKind, PrepayValue, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let prepay = Prepay::new(PrepayKind::Jsapi,
    /// PrepayValue::parse("wx201410272009395522657a69")?); assert_eq!(store.record_prepay(no,
    /// prepay).wait()?.outcome, Prepaid::Recorded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_prepay(&self, no: OrderNo, prepay: Prepay) -> Call<Reply<Prepaid>> {
        let kind = CommandKind::RecordPrepay(Box::new(prepay));
        self.command(no, kind)
    }

    /// Records a verified payment. The store applies it, recognizes a duplicate, or raises an
    /// anomaly that keeps it. If the record is full, the store refuses the payment.
    /// [`Reply::should_acknowledge`] returns whether the server may acknowledge the channel's
    /// notification.
    ///
    /// ```
    /// # use orderstore::{AppId, Confirmed, Fen, NewOrder, Payment, Source, Store, Timestamp};
    /// # use orderstore::TransactionId;
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
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
    pub fn confirm(&self, no: OrderNo, payment: Payment) -> Call<Reply<Confirmed>> {
        let kind = CommandKind::Confirm(Box::new(payment));
        self.command(no, kind)
    }

    /// Records the channel's response to a query about the order.
    ///
    /// ```
    /// # use orderstore::{AppId, ChannelState, Fen, NewOrder, Queried, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_query(no, ChannelState::NotPay).wait()?;
    /// assert_eq!(answer.outcome, Queried::StillPending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_query(&self, no: OrderNo, state: ChannelState) -> Call<Reply<Queried>> {
        let kind = CommandKind::RecordQuery(Box::new(state));
        self.command(no, kind)
    }

    /// Records a query about the order without a usable response: a timeout, a server error, or a
    /// refusal of the query itself. A due action moves to a later time, as after any other check.
    /// For a close request without a response, pass [`CloseReply::Retry`] to
    /// [`Store::record_close`].
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Queried, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_unanswered(no).wait()?;
    /// assert_eq!(answer.outcome, Queried::StillPending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_unanswered(&self, no: OrderNo) -> Call<Reply<Queried>> {
        self.command(no, CommandKind::RecordUnanswered)
    }

    /// Begins to close the order. The order accepts no new prepay from now on. [`Store::due`] lists
    /// the close request when the server must send it to the channel. A payment that arrives in the
    /// meantime still counts.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseOutcome, CloseReply, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.begin_close(no).wait()?.outcome, CloseOutcome::Closing);
    /// let answer = store.record_close(no, CloseReply::NoSuchOrder).wait()?;
    /// assert_eq!(answer.outcome, CloseOutcome::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_close(&self, no: OrderNo) -> Call<Reply<CloseOutcome>> {
        self.command(no, CommandKind::BeginClose)
    }

    /// Records the channel's response to a request to close the order.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseOutcome, CloseReply, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_close(no, CloseReply::OrderPaid).wait()?;
    /// assert_eq!(answer.outcome, CloseOutcome::MustQuery);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_close(&self, no: OrderNo, reply: CloseReply) -> Call<Reply<CloseOutcome>> {
        self.command(no, CommandKind::RecordClose(reply))
    }

    /// Cancels [`Store::begin_close`]: the order can be paid again.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseOutcome, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.abort_close(no).wait()?.outcome, CloseOutcome::NotClosing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort_close(&self, no: OrderNo) -> Call<Reply<CloseOutcome>> {
        self.command(no, CommandKind::AbortClose)
    }

    /// Ends an unpaid order by a person's decision, and releases its reference.
    ///
    /// The order can end after its expiry plus the policy's `grace`. It can end earlier if the
    /// channel accepts only one payment per order number, and that payment was dismissed or
    /// refunded. It cannot end while an anomaly is open or a refund is under way.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseOutcome, Fen, NewOrder, Note, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let why = Note::parse("the customer came to the counter")?;
    /// let answer = store.end_order(no, why).wait()?;
    /// assert!(matches!(answer.outcome, CloseOutcome::TooEarly { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end_order(&self, no: OrderNo, note: Note) -> Call<Reply<CloseOutcome>> {
        self.command(no, CommandKind::EndOrder { note })
    }

    /// Resolves an anomaly by a person's decision. `anomaly` is its
    /// [`AnomalyId`](crate::AnomalyId), or an [`AnomalyRef`] if the anomaly was reopened. If the
    /// anomaly was reopened after the decision, the decision does not resolve it. The caller can
    /// therefore retry a decision safely.
    ///
    /// ```
    /// # use orderstore::{AnomalyId, AppId, Fen, NewOrder, Note, Resolution, Resolved, Store};
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
        anomaly: impl Into<AnomalyRef>,
        how: Resolution,
        note: Note,
    ) -> Call<Reply<Resolved>> {
        let anomaly = anomaly.into();
        let kind = CommandKind::Resolve { anomaly, how, note };
        self.command(no, kind)
    }

    /// Hides an ended order from its user's list. All other lists still contain it.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Store, Visible};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.hide(no).wait()?.outcome, Visible::NotEnded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hide(&self, no: OrderNo) -> Call<Reply<Visible>> {
        self.command(no, CommandKind::Hide)
    }

    /// Shows a hidden order in its user's list again.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Store, Visible};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// assert_eq!(store.unhide(no).wait()?.outcome, Visible::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unhide(&self, no: OrderNo) -> Call<Reply<Visible>> {
        self.command(no, CommandKind::Unhide)
    }

    /// Submits many commands: the queue accepts all of them or none. They are not one transaction.
    /// Each command has its own reply, and a retry of the whole batch is as safe as a retry of each
    /// command.
    ///
    /// # Errors
    /// [`Rejected`] returns the commands with the reason.
    /// [`Error::Overloaded`](crate::Error::Overloaded) means that they do not fit into the queue
    /// now, [`Error::BatchTooLarge`](crate::Error::BatchTooLarge) that they never will.
    ///
    /// ```
    /// # use orderstore::{AppId, Command, CommandKind, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// let no = store.next_order_no().wait()?;
    /// let create = Command { no, kind: CommandKind::Create(Box::new(new)) };
    /// for ticket in store.submit_all(vec![create.clone(), create])? {
    ///     assert!(ticket.wait()?.should_acknowledge());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Ticket<Reply<Outcome>>>, Rejected<Vec<Command>>> {
        self.handle.pipeline.enqueue_all(commands)
    }
}
