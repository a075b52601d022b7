//! Methods for refunds, and for the import of orders.

use super::Store;
use crate::commit::Call;
use crate::order::{
    CommandKind, Conflict, Imported, NewRefund, Order, RefundAttempt, RefundFact, RefundRecorded,
    RefundRefused, RefundRequested, RefundUnanswered, Reply,
};
use crate::types::{Label, OrderNo, RefundNo};

impl Store {
    /// Reserves the amount of a refund. Call this method first, then request the refund from the
    /// channel.
    ///
    /// The amount is reserved at once, so that two requests at the same time cannot refund more
    /// than was paid.
    ///
    /// - If the channel's reply is unknown, repeat the request to the channel under the same refund
    ///   number. Repeat this call, too; it moves the next check to a later time.
    /// - If the channel refused or closed the refund, request the next
    ///   [`attempt`](NewRefund::attempt) under the same refund number. Channels require the same
    ///   number: with a new number, the money could go back twice.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, NewRefund, Payment, RefundNo, RefundRefusal};
    /// # use orderstore::{RefundRequested, Source, Store, Timestamp, TransactionId};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("1.00")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// # let now = Timestamp::now();
    /// # let transaction = TransactionId::parse("4200004561202203217657282768")?;
    /// # let paid = Fen::parse_yuan("1.00")?;
    /// # let payment = Payment::new(transaction.clone(), paid, now, Source::Query)?;
    /// # let _ = store.confirm(no, payment).wait()?;
    /// let part = |number: &str| -> Result<NewRefund, Box<dyn std::error::Error>> {
    ///     let amount = Fen::parse_yuan("0.60")?;
    ///     Ok(NewRefund::new(RefundNo::parse(number)?, transaction.clone(), amount)?)
    /// };
    /// let answer = store.request_refund(no, part("refund-1")?).wait()?;
    /// assert_eq!(answer.outcome, RefundRequested::Requested);
    /// let answer = store.request_refund(no, part("refund-2")?).wait()?;
    /// let available = Fen::parse_yuan("0.40")?;
    /// assert_eq!(answer.outcome, RefundRequested::Refused(RefundRefusal::Exceeds { available }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_refund(&self, no: OrderNo, refund: NewRefund) -> Call<Reply<RefundRequested>> {
        let kind = CommandKind::RequestRefund(Box::new(refund));
        self.command(no, kind)
    }

    /// Records the state of a refund that the channel reports, in a verified notification or in a
    /// response to a query. The store adopts a refund that was requested elsewhere.
    ///
    /// For a response to a query, set its time with [`RefundFact::with_query_sent_at`]. After a
    /// retry or a success, the store accepts a failure only from a later query. The store treats a
    /// report without that time as possibly older.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Payment, RefundFact, RefundNo, RefundRecorded};
    /// # use orderstore::{RefundState, Source, Store, Timestamp, TransactionId};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("1.00")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// # let now = Timestamp::now();
    /// # let transaction = TransactionId::parse("4200004561202203217657282768")?;
    /// # let paid = Fen::parse_yuan("1.00")?;
    /// # let payment = Payment::new(transaction.clone(), paid, now, Source::Query)?;
    /// # let _ = store.confirm(no, payment).wait()?;
    /// let from_the_console = RefundFact::new(
    ///     RefundNo::parse("50300407072024030152500000001")?,
    ///     transaction,
    ///     Fen::parse_yuan("0.60")?,
    ///     RefundState::Success,
    /// )?;
    /// let answer = store.record_refund(no, from_the_console.clone()).wait()?;
    /// assert_eq!(answer.outcome, RefundRecorded::Adopted);
    /// assert!(answer.should_acknowledge());
    /// let answer = store.record_refund(no, from_the_console).wait()?;
    /// assert_eq!(answer.outcome, RefundRecorded::Duplicate);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_refund(&self, no: OrderNo, fact: RefundFact) -> Call<Reply<RefundRecorded>> {
        let kind = CommandKind::RecordRefund(Box::new(fact));
        self.command(no, kind)
    }

    /// Records that the channel refused the request for a refund. The reserved amount is free
    /// again. Anomalies that the refund had resolved are open again.
    ///
    /// Use this method only for a final refusal. After a timeout or a system error, the outcome of
    /// the request is unknown.
    ///
    /// `refund` is the refund number for the first attempt, or `(number, 2)` for the second. A late
    /// refusal of one attempt does not end the next attempt.
    ///
    /// ```
    /// # use orderstore::{Label, RefundNo, RefundRefused, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// let refund_no = RefundNo::parse("refund-1")?;
    /// let answer = store.record_refund_refused(no, refund_no, Label::parse("NOTENOUGH")?).wait()?;
    /// assert_eq!(answer.outcome, RefundRefused::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_refund_refused(
        &self,
        no: OrderNo,
        refund: impl Into<RefundAttempt>,
        code: Label,
    ) -> Call<Reply<RefundRefused>> {
        let refund = refund.into();
        let kind = CommandKind::RecordRefundRefused { refund, code };
        self.command(no, kind)
    }

    /// Records a query about a refund without a usable response: a timeout, a server error, or a
    /// refusal of the query itself. A due check moves to a later time, as after any other check.
    ///
    /// ```
    /// # use orderstore::{RefundNo, RefundUnanswered, Store};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// let refund_no = RefundNo::parse("refund-1")?;
    /// let answer = store.record_refund_unanswered(no, refund_no).wait()?;
    /// assert_eq!(answer.outcome, RefundUnanswered::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_refund_unanswered(
        &self,
        no: OrderNo,
        refund_no: RefundNo,
    ) -> Call<Reply<RefundUnanswered>> {
        let kind = CommandKind::RecordRefundUnanswered { refund_no };
        self.command(no, kind)
    }

    /// Imports an order from another system, in any status, with its times, its payment and its
    /// refunds. The history of the order begins with the import. Payments and refunds that wait
    /// under its number are then matched with the order. If the order lacks a value that the rules
    /// need, the store adds it.
    ///
    /// ```
    /// # use orderstore::{AppId, Conflict, Fen, Imported, NewOrder, Order, Store};
    /// # let (old, store) = (Store::memory()?, Store::memory()?);
    /// # let no = old.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("1.00")?)?;
    /// # let _ = old.create(no, new).wait()?;
    /// let exported = serde_json::to_string(&*old.get(no).wait()?.ok_or("no such order")?)?;
    /// let order: Order = serde_json::from_str(&exported)?;
    /// let answer = store.import(order.clone(), Conflict::Skip).wait()?;
    /// assert_eq!(answer.outcome, Imported::Imported);
    /// let answer = store.import(order, Conflict::Advance).wait()?;
    /// assert_eq!(answer.outcome, Imported::Exists);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import(&self, order: Order, conflict: Conflict) -> Call<Reply<Imported>> {
        let no = order.no;
        let order = Box::new(order);
        let kind = CommandKind::Import { order, conflict };
        self.command(no, kind)
    }
}
