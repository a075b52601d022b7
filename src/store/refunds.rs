//! The verbs for money on its way back, and the one that takes orders over.

use super::Store;
use crate::commit::Call;
use crate::order::{
    CommandKind, Conflict, Imported, NewRefund, Order, RefundAttempt, RefundFact, RefundRecorded,
    RefundRefused, RefundRequested, RefundUnanswered, Reply,
};
use crate::types::{Label, OrderNo, RefundNo};

impl Store {
    /// Reserves money that is to go back; only then ask the channel for it. What is
    /// requested is reserved at once: two at the same moment cannot give back more than was
    /// paid. While the channel's reply is not known, ask again under the same number, and
    /// say so here: the next check is due later then. After the channel refused or closed
    /// it, request the next [`attempt`](NewRefund::attempt) under the same number: channels
    /// demand that number, for another one might go back as well.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, NewRefund, Payment, RefundNo, RefundRequested, Source, Store, Timestamp, TransactionId};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("1.00")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// # let now = Timestamp::from_system(std::time::SystemTime::now());
    /// # let transaction = TransactionId::parse("4200004561202203217657282768")?;
    /// # let payment = Payment::new(transaction.clone(), Fen::parse_yuan("1.00")?, now, Source::Query)?;
    /// # let _ = store.confirm(no, payment).wait()?;
    /// let part = |number: &str| -> Result<NewRefund, Box<dyn std::error::Error>> {
    ///     let amount = Fen::parse_yuan("0.60")?;
    ///     Ok(NewRefund::new(RefundNo::parse(number)?, transaction.clone(), amount)?)
    /// };
    /// let answer = store.request_refund(no, part("refund-1")?).wait()?;
    /// assert_eq!(answer.outcome, RefundRequested::Requested);
    /// let answer = store.request_refund(no, part("refund-2")?).wait()?;
    /// let available = Fen::parse_yuan("0.40")?;
    /// assert_eq!(answer.outcome, RefundRequested::Exceeds { available });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_refund(&self, no: OrderNo, refund: NewRefund) -> Call<Reply<RefundRequested>> {
        let kind = CommandKind::RequestRefund(Box::new(refund));
        self.command(no, kind)
    }

    /// Takes in how the channel says that a refund stands, by a verified notification or
    /// when it was asked. One that nobody asked for here is adopted. Date the answer to a
    /// query by [`RefundFact::with_query_sent_at`]: a failure that may be older than a retry
    /// or a success is not believed from anything else.
    ///
    /// ```
    /// # use orderstore::{AppId, Fen, NewOrder, Payment, RefundFact, RefundNo, RefundRecorded, RefundState, Source, Store, Timestamp, TransactionId};
    /// # let store = Store::memory()?;
    /// # let no = store.next_order_no().wait()?;
    /// # let new = NewOrder::new(AppId::parse("wxd2565e6a04246fd1")?, Fen::parse_yuan("1.00")?)?;
    /// # let _ = store.create(no, new).wait()?;
    /// # let now = Timestamp::from_system(std::time::SystemTime::now());
    /// # let transaction = TransactionId::parse("4200004561202203217657282768")?;
    /// # let payment = Payment::new(transaction.clone(), Fen::parse_yuan("1.00")?, now, Source::Query)?;
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

    /// The channel refused to take the refund at all: what it reserved is free again. Only
    /// for a refusal that is final; after a time-out or a system error its fate is unknown.
    /// `refund` is the refund's number for its first attempt, `(number, 2)` for the second:
    /// a late refusal of one attempt does not end the next. Anomalies that the refund had
    /// ended are open again.
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

    /// Puts the check of a refund off: the channel was asked about it, and gave no usable
    /// answer (silence, a server error, a refusal that is about the query). The next check
    /// is due later, as after any other check.
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

    /// Takes an order over from other books, in whatever status, with its times, its
    /// payment and its refunds; its history begins with that. What had waited under its
    /// number meets it. What the rules count on and the order does not say is filled in.
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
