//! The verbs that change an order, and the one that numbers it.

use super::Store;
use crate::commit::{Call, Rejected, Ticket};
use crate::order::{
    Annotated, AnomalyRef, ChannelState, CloseAnswer, CloseReply, Command, CommandKind, Confirmed,
    Created, NewOrder, Outcome, Payment, Prepaid, Prepay, Queried, Reply, Resolution, Resolved,
    Visible,
};
use crate::types::{Metadata, Note, OrderNo};

impl Store {
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
        Call::number(self.pipeline())
    }

    /// Creates the order `no`. The amount comes from the server's own price list, never
    /// from the client. A payment that arrived before the order pays it at once.
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

    /// Replaces the caller's own bytes, if the order is still at `version`.
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

    /// Keeps what the channel handed out so that the customer can pay. Paying again reuses
    /// the same number: [`Order::usable_prepay`](crate::Order::usable_prepay).
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Prepaid, Prepay, PrepayKind, PrepayValue, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let prepay = Prepay::new(PrepayKind::Jsapi, PrepayValue::parse("wx201410272009395522657a69")?);
    /// assert_eq!(store.record_prepay(no, prepay).wait()?.outcome, Prepaid::Recorded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_prepay(&self, no: OrderNo, prepay: Prepay) -> Call<Reply<Prepaid>> {
        let kind = CommandKind::RecordPrepay(Box::new(prepay));
        self.command(no, kind)
    }

    /// Takes a verified payment in: applied, recognised, or kept as an anomaly, never
    /// thrown away. [`Reply::should_acknowledge`] says what the channel may be told.
    ///
    /// ```
    /// # use orderstore::{AppId, Confirmed, Fen, NewOrder, Payment, Source, Store, Timestamp, TransactionId};
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

    /// Takes in what the channel said when it was asked about the order.
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

    /// Puts the check of an order off: the channel was asked about it, and gave no usable
    /// answer (silence, a server error, a refusal that is about the query). What is due
    /// stays due, later, as after any other check. For a close that got no answer there is
    /// [`CloseReply::Retry`].
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

    /// Announces that the order is to be closed: no new prepay from now on, and
    /// [`Store::due`] says when to ask the channel. A payment still wins.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, CloseReply, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.begin_close(no).wait()?.outcome, CloseAnswer::Closing);
    /// let answer = store.record_close(no, CloseReply::NoSuchOrder).wait()?;
    /// assert_eq!(answer.outcome, CloseAnswer::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_close(&self, no: OrderNo) -> Call<Reply<CloseAnswer>> {
        self.command(no, CommandKind::BeginClose)
    }

    /// Takes in what the channel said when it was asked to close the order.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, CloseReply, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let answer = store.record_close(no, CloseReply::OrderPaid).wait()?;
    /// assert_eq!(answer.outcome, CloseAnswer::MustQuery);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_close(&self, no: OrderNo, reply: CloseReply) -> Call<Reply<CloseAnswer>> {
        self.command(no, CommandKind::RecordClose(reply))
    }

    /// Takes the announcement back: the order can be paid again.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// assert_eq!(store.abort_close(no).wait()?.outcome, CloseAnswer::NotClosing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort_close(&self, no: OrderNo) -> Call<Reply<CloseAnswer>> {
        self.command(no, CommandKind::AbortClose)
    }

    /// Ends an unpaid order by a person's decision, and frees its reference. That is possible
    /// once its time and the policy's grace are over; and earlier where the channel takes one
    /// payment for a number, and the only payment was dismissed or went back. Never while an
    /// anomaly is open or a refund is under way.
    ///
    /// ```
    /// # use orderstore::{AppId, CloseAnswer, Fen, NewOrder, Note, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// let why = Note::parse("the customer came to the counter")?;
    /// let answer = store.end_order(no, why).wait()?;
    /// assert!(matches!(answer.outcome, CloseAnswer::TooEarly { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end_order(&self, no: OrderNo, note: Note) -> Call<Reply<CloseAnswer>> {
        self.command(no, CommandKind::EndOrder { note })
    }

    /// Ends an anomaly by a person's decision. `anomaly` is its [`AnomalyId`](crate::AnomalyId), or the
    /// [`AnomalyRef`] of one that was reopened: a decision is about one opening, so that a
    /// repeat of an old decision does not meet a new question.
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

    /// Takes an ended order out of its user's list. The books keep it.
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

    /// Puts an order back into its user's list.
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

    /// Hands many commands over, all or none. They are not one transaction: each has its
    /// own answer, and repeating the whole is safe command by command.
    ///
    /// # Errors
    /// [`Rejected`] gives the commands back: [`Error::Overloaded`](crate::Error::Overloaded) where they do not fit
    /// now, [`Error::BatchTooLarge`](crate::Error::BatchTooLarge) where they never will.
    ///
    /// ```
    /// # use orderstore::{AppId, Asked, Command, Fen, NewOrder, Store};
    /// # let store = Store::memory()?;
    /// let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("0.01")?)?;
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
    ) -> Result<Vec<Ticket<Reply<Outcome>>>, Rejected<Vec<Command>>> {
        self.handle.flow.enqueue_all(commands)
    }
}
