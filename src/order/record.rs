//! Record of one order number: an order, or the facts that wait for it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anomaly::{Anomaly, AnomalyId, AnomalyKind};
use super::payment::{Payment, Prepay};
use super::refund::{Refund, RefundFact};
use super::status::Status;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, MchId, Metadata, OpenId, OrderNo,
    Reference, RefundNo, Timestamp, TransactionId,
};

/// Maximum number of unfolded anomalies in one record. To make room for another one, the store
/// folds the ended anomalies: it removes their notes and some payment details.
pub const MAX_ANOMALIES: usize = 64;

/// Number of folded anomalies in one record at which the store folds no more. The last fold can
/// exceed this number.
pub const MAX_FOLDED: usize = 1024;

/// Maximum number of refunds in the record of an order, including closed refunds.
pub const MAX_REFUNDS: usize = 200;

/// Maximum number of payments that wait for one order to be created. The same maximum applies to
/// refunds.
pub const MAX_WAITING: usize = 16;

/// Current state of an order.
///
/// The JSON form uses the names of the WeChat ecosystem: `outTradeNo`, `_openid`, `totalFee`
/// (integer in fen, not in yuan), `payStatus` and `createTime` (Unix milliseconds, like every
/// time).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Order {
    /// The merchant's number of the order, unique in the store.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Payment channel of the order, such as `wechat`.
    pub channel: Channel,
    /// App in which the order was created.
    pub appid: AppId,
    /// Merchant that receives the payment. For a service provider, the merchant in the `sub_`
    /// field.
    pub mch_id: Option<MchId>,
    /// User who created the order, if known.
    #[serde(rename = "_openid")]
    pub openid: Option<OpenId>,
    /// Amount to pay, in the currency's minor unit (fen for CNY).
    pub total_fee: Fen,
    /// Currency of the amount to pay.
    #[serde(rename = "feeType")]
    pub currency: Currency,
    /// Description that the customer reads on the bill.
    pub description: Description,
    /// Text that the channel returns in the notification.
    pub attach: Attach,
    /// The merchant's own id of the purchase.
    pub reference: Option<Reference>,
    /// Metadata: bytes of the caller, which the store does not interpret.
    pub metadata: Metadata,
    /// Status of the order.
    #[serde(rename = "payStatus")]
    pub status: Status,
    /// Whether the payment arrived after the order had been closed or had failed. Stays true when a
    /// person accepts the late payment.
    pub late: bool,
    /// Time when the order was created.
    pub create_time: Timestamp,
    /// Time of the last change. Checks at the channel do not count as a change.
    pub update_time: Timestamp,
    /// Time until which the customer can pay.
    pub expires_at: Timestamp,
    /// Time when the order was closed or failed.
    pub ended_at: Option<Timestamp>,
    /// Latest prepay of the order.
    pub prepay: Option<Prepay>,
    /// Next action of the server for this order, with its time.
    pub next: Option<NextAction>,
    /// Number of checks of the order at the channel so far that made the delay between checks
    /// longer.
    pub checks: u32,
    /// Payment that paid the order. `Some` if and only if the status is `Success` or `LatePaid`.
    pub payment: Option<Payment>,
    /// Refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Anomalies, oldest first, including ended ones.
    pub anomalies: Vec<Anomaly>,
    /// Time when the order was hidden from its user's list. The store keeps the order.
    #[serde(rename = "deleteTime")]
    pub hidden_at: Option<Timestamp>,
    /// Number of events of the order; each event adds 1. `annotate` compares this number with the
    /// caller's before it writes.
    pub version: u64,
}

impl Order {
    /// Returns the prepay with which the customer can still pay at `now`.
    #[must_use]
    pub fn usable_prepay(&self, now: Timestamp) -> Option<&Prepay> {
        let live = |prepay: &&Prepay| prepay.valid_until.is_none_or(|end| now < end);
        self.prepay
            .as_ref()
            .filter(live)
            .filter(|_| self.status == Status::Pending)
    }

    /// Returns the transaction that paid the order.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&TransactionId> {
        self.payment.as_ref().map(|payment| &payment.transaction_id)
    }

    /// Returns the time of the payment, by the channel's clock.
    #[must_use]
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.payment.as_ref().map(|payment| payment.time_end)
    }

    /// Returns the open anomalies, which wait for a person, oldest first.
    pub fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.anomalies.iter().filter(|anomaly| anomaly.is_open())
    }

    /// Returns the approximate memory that the order takes in the queue, in bytes.
    pub(crate) fn footprint(&self) -> usize {
        let texts = self.metadata.as_bytes().len()
            + self.description.as_bytes().len()
            + self.attach.as_bytes().len();
        let anomaly = size_of::<Anomaly>() + 320;
        let facts =
            self.anomalies.len() * anomaly + self.refunds.len() * (size_of::<Refund>() + 192);
        size_of::<Self>() + size_of::<Payment>() + 512 + texts + facts
    }

    /// Returns whether the order owns its `reference`, so that no other order can have it. An
    /// order owns it while `Pending` or `Closing`, and after a payment in time (`Success`).
    #[must_use]
    pub const fn owns_reference(&self) -> bool {
        match self.status {
            Status::Pending | Status::Closing => true,
            Status::Success => !self.late,
            Status::Closed | Status::Failed | Status::LatePaid => false,
        }
    }
}

/// Next action of the server for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NextAction {
    /// Earliest time at which the server should perform the action.
    pub at: Timestamp,
    /// Kind of the action to perform.
    pub action: ActionKind,
}

/// Kind of an action of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ActionKind {
    /// Query the order at the channel and record the result.
    Query,
    /// Ask the channel to close the order and record the reply.
    AskClose,
    /// Query a refund at the channel and record the result.
    QueryRefund,
}

/// Payments and refunds that arrived before their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Waiting {
    /// Order number that the payments and refunds name.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Anomalies, oldest first. Each waiting payment is an open anomaly of kind `Unclaimed`.
    pub anomalies: Vec<Anomaly>,
    /// Refunds without an order, oldest first.
    pub refunds: Vec<Refund>,
    /// Time of the record's last change.
    pub update_time: Timestamp,
    /// Number of events of the record; each event adds 1.
    pub version: u64,
}

/// All data of one order number. The `Arc` is inside the enum, so a reader can share the order
/// without another allocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// Record of an order that exists.
    Order(Arc<Order>),
    /// Record of payments or refunds whose order does not exist yet.
    Waiting(Arc<Waiting>),
}

impl Record {
    /// Returns the order number of the record.
    #[must_use]
    pub fn no(&self) -> OrderNo {
        match self {
            Self::Order(order) => order.no,
            Self::Waiting(waiting) => waiting.no,
        }
    }

    /// Returns the number of events of the record.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Order(order) => order.version,
            Self::Waiting(waiting) => waiting.version,
        }
    }

    /// Returns the time of the last change.
    #[must_use]
    pub fn update_time(&self) -> Timestamp {
        match self {
            Self::Order(order) => order.update_time,
            Self::Waiting(waiting) => waiting.update_time,
        }
    }

    /// Returns the order, if it exists.
    #[must_use]
    pub const fn as_order(&self) -> Option<&Arc<Order>> {
        match self {
            Self::Order(order) => Some(order),
            Self::Waiting(_) => None,
        }
    }

    /// Converts the record to its order, if it exists.
    #[must_use]
    pub fn into_order(self) -> Option<Arc<Order>> {
        match self {
            Self::Order(order) => Some(order),
            Self::Waiting(_) => None,
        }
    }

    /// Returns the anomalies, oldest first, including ended ones.
    #[must_use]
    pub fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Order(order) => &order.anomalies,
            Self::Waiting(waiting) => &waiting.anomalies,
        }
    }

    /// Returns the refunds, oldest first.
    #[must_use]
    pub fn refunds(&self) -> &[Refund] {
        match self {
            Self::Order(order) => &order.refunds,
            Self::Waiting(waiting) => &waiting.refunds,
        }
    }

    /// Returns the refund with this number. Within one record a refund number is unique, even
    /// across channels.
    #[must_use]
    pub fn refund(&self, refund_no: &RefundNo) -> Option<&Refund> {
        let mut refunds = self.refunds().iter();
        refunds.find(|refund| refund.refund_no == *refund_no)
    }

    /// Returns the anomaly with this number.
    #[must_use]
    pub fn anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.anomalies().iter().find(|anomaly| anomaly.id == id)
    }

    /// Returns the number of anomalies that are not folded.
    pub(crate) fn unfolded(&self) -> usize {
        self.anomalies().iter().filter(|a| !a.folded).count()
    }

    /// Returns the largest amount that the channel reported for this transaction, or `None` if
    /// the record has no payment of it. Amounts in another currency than that of the first
    /// payment do not count.
    #[must_use]
    pub fn paid_of(&self, channel: Channel, transaction: &TransactionId) -> Option<Fen> {
        let mut payments = self.payments_of(channel, transaction);
        let first = payments.next()?;
        let same_currency = payments.filter(|payment| payment.currency == first.currency);
        Some(same_currency.fold(first.paid_fee, |most, payment| most.max(payment.paid_fee)))
    }

    /// Returns the refunded and reserved amount of this transaction, or `None` if the sum is
    /// above [`Fen::MAX`].
    #[must_use]
    pub fn held_of(&self, channel: Channel, transaction: &TransactionId) -> Option<Fen> {
        let is_of_transaction =
            |r: &&Refund| r.channel == channel && r.transaction_id == *transaction;
        let mut refunds = self.refunds().iter().filter(is_of_transaction);
        let others = self.held_by_other_numbers(channel, transaction);
        refunds.try_fold(others, |sum, refund| sum.checked_add(refund.held()))
    }

    /// Returns the amount of this transaction that its refunds in the record can use: the paid
    /// amount minus [`Record::held_by_other_numbers`]. If no payment is known, [`Fen::MAX`] counts
    /// as paid.
    pub(crate) fn left_for_refunds(&self, channel: Channel, transaction: &TransactionId) -> Fen {
        let paid = self.paid_of(channel, transaction).unwrap_or(Fen::MAX);
        let others = self.held_by_other_numbers(channel, transaction);
        paid.checked_sub(others).unwrap_or(Fen::ZERO)
    }

    /// Returns the amount of the transaction in `fact` that an earlier report about the refund
    /// `refund_no` already reserves. Only the latest `RefundDiffers` anomaly counts; without one,
    /// the result is zero.
    pub(crate) fn held_by_report(&self, refund_no: &RefundNo, fact: &RefundFact) -> Fen {
        let reported = self.anomalies().iter().filter_map(Anomaly::disputed_report);
        let mut of_transaction = reported.filter(|refund| {
            let same_channel = refund.channel == fact.channel();
            same_channel
                && refund.refund_no == *refund_no
                && refund.transaction_id == *fact.transaction_id()
        });
        of_transaction.next_back().map_or(Fen::ZERO, Refund::held)
    }

    /// Returns the amount that the channel reported as refunded from this transaction under
    /// refund numbers that the store knows for another transaction. The result is at most the
    /// paid amount, and zero while no payment is known.
    fn held_by_other_numbers(&self, channel: Channel, transaction: &TransactionId) -> Fen {
        // Only the latest report of each refund number counts, because the channel may report a
        // refund several times.
        let mut reported: Vec<&Refund> = Vec::new();
        for anomaly in self.anomalies() {
            let Some(refund) = anomaly.disputed_report() else {
                continue;
            };
            let known = self.refund(&refund.refund_no);
            if refund.channel == channel
                && refund.transaction_id == *transaction
                && known.is_some_and(|known| !known.is_of_same(refund))
            {
                reported.retain(|earlier| earlier.refund_no != refund.refund_no);
                reported.push(refund);
            }
        }
        // Cap the sum at the paid amount. A report that arrived before the payment was not limited,
        // so the record could otherwise refund more than was paid.
        let paid = self.paid_of(channel, transaction).unwrap_or(Fen::ZERO);
        let add = |sum: Fen, refund: &&Refund| sum.checked_add(refund.held()).unwrap_or(Fen::MAX);
        reported.iter().fold(Fen::ZERO, add).min(paid)
    }

    /// Returns the payments of this transaction: first the payment of the order, then those of
    /// anomalies.
    fn payments_of<'a, 't>(
        &'a self,
        channel: Channel,
        transaction: &'t TransactionId,
    ) -> impl Iterator<Item = &'a Payment> + use<'a, 't> {
        let of_order = self.as_order().and_then(|order| order.payment.as_ref());
        let of_anomalies = self.anomalies().iter().filter_map(|a| a.payment.as_ref());
        of_order
            .into_iter()
            .chain(of_anomalies)
            .filter(move |paid| paid.channel == channel && paid.transaction_id == *transaction)
    }

    /// Returns the payments that wait for their order, in the order of their arrival.
    pub fn unclaimed(&self) -> impl Iterator<Item = (AnomalyId, &Payment)> {
        self.anomalies()
            .iter()
            .filter(|anomaly| anomaly.is_open() && anomaly.kind == AnomalyKind::Unclaimed)
            .filter_map(|anomaly| Some((anomaly.id, anomaly.payment.as_ref()?)))
    }

    /// Returns the payment of this transaction: the payment of the order, or else the first one
    /// of an anomaly.
    #[must_use]
    pub fn payment_of(&self, channel: Channel, transaction: &TransactionId) -> Option<&Payment> {
        self.payments_of(channel, transaction).next()
    }
}
