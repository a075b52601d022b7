//! Everything known under one order number.

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

/// The most anomalies that one record keeps whole. Where the next one needs room, the ended
/// ones are folded.
pub const MAX_ANOMALIES: usize = 64;

/// The most folded anomalies that one record keeps.
pub const MAX_FOLDED: usize = 1024;

/// The most refunds, closed ones included, that one order's record keeps.
pub const MAX_REFUNDS: usize = 200;

/// The most payments, and the most refunds, that wait under one number for their order.
pub const MAX_WAITING: usize = 16;

/// An order as it stands.
///
/// In JSON it bears the names of the ecosystem: `outTradeNo`, `_openid`, `totalFee` (integer
/// fen, never yuan), `payStatus`, `createTime` (Unix milliseconds, as every time).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Order {
    /// The merchant's number for the order, unique in the store.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Where it is to be paid.
    pub channel: Channel,
    /// The app it was made in.
    pub appid: AppId,
    /// The merchant it is to be paid to; with a service provider, the `sub_` one.
    pub mch_id: Option<MchId>,
    /// Who made it, where that was known.
    #[serde(rename = "_openid")]
    pub openid: Option<OpenId>,
    /// What is to be paid.
    pub total_fee: Fen,
    /// In which currency.
    #[serde(rename = "feeType")]
    pub currency: Currency,
    /// What the customer reads on the bill.
    pub description: Description,
    /// What the channel hands back with the notification.
    pub attach: Attach,
    /// The shop's own order id.
    pub reference: Option<Reference>,
    /// The caller's own bytes.
    pub metadata: Metadata,
    /// Where it stands.
    #[serde(rename = "payStatus")]
    pub status: Status,
    /// It was paid after it had been closed or had failed; stays when that is accepted.
    pub late: bool,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it last changed; checks of the channel leave it alone.
    pub update_time: Timestamp,
    /// The last moment to pay.
    pub expires_at: Timestamp,
    /// When it was closed or failed.
    pub ended_at: Option<Timestamp>,
    /// The customer's invitation to pay, the latest.
    pub prepay: Option<Prepay>,
    /// What is to be done next, and when.
    pub next: Option<NextAction>,
    /// How often the channel was asked about it.
    pub checks: u32,
    /// The payment that stands; there if and only if the status is a paid one.
    pub payment: Option<Payment>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// What does not fit, oldest first, ended ones included.
    pub anomalies: Vec<Anomaly>,
    /// When its user deleted it from the list; the books keep it.
    #[serde(rename = "deleteTime")]
    pub hidden_at: Option<Timestamp>,
    /// How many events made it: +1 for each. Compare-and-set is on it.
    pub version: u64,
}

impl Order {
    /// The prepay that a customer can still pay with at `now`.
    #[must_use]
    pub fn usable_prepay(&self, now: Timestamp) -> Option<&Prepay> {
        let live = |prepay: &&Prepay| prepay.valid_until.is_none_or(|end| now < end);
        self.prepay
            .as_ref()
            .filter(live)
            .filter(|_| self.status == Status::Pending)
    }

    /// The transaction that paid it.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&TransactionId> {
        self.payment.as_ref().map(|payment| &payment.transaction_id)
    }

    /// When it was paid, by the channel's clock.
    #[must_use]
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.payment.as_ref().map(|payment| payment.time_end)
    }

    /// What waits for a person.
    pub fn open_anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.anomalies.iter().filter(|anomaly| anomaly.is_open())
    }

    /// About how many bytes it holds in the queue.
    pub(crate) fn footprint(&self) -> usize {
        let texts = self.metadata.as_bytes().len()
            + self.description.as_str().len()
            + self.attach.as_str().len();
        let anomaly = size_of::<Anomaly>() + 320;
        let facts =
            self.anomalies.len() * anomaly + self.refunds.len() * (size_of::<Refund>() + 192);
        size_of::<Self>() + size_of::<Payment>() + 512 + texts + facts
    }

    /// It holds the shop's `reference` for itself: `Pending`, `Closing`, or `Success` in time.
    #[must_use]
    pub const fn holds_reference(&self) -> bool {
        match self.status {
            Status::Pending | Status::Closing => true,
            Status::Success => !self.late,
            Status::Closed | Status::Failed | Status::LatePaid => false,
        }
    }
}

/// What the server must do next for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextAction {
    /// From when on.
    pub at: Timestamp,
    /// What.
    pub action: ActionKind,
}

/// What the server must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ActionKind {
    /// Ask the channel how the order stands, and tell the store.
    Query,
    /// Ask the channel to close the order, and tell the store.
    AskClose,
    /// Ask the channel how a refund stands, and tell the store.
    QueryRefund,
}

/// Payments and refunds that arrived before their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Waiting {
    /// The number they name.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// The payments, each an anomaly of kind `Unclaimed`, in the order of their arrival.
    pub anomalies: Vec<Anomaly>,
    /// The refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// When it last changed.
    pub update_time: Timestamp,
    /// How many events made it.
    pub version: u64,
}

/// All that is known under one number. The `Arc` is inside, so that a reader takes the
/// order out without a second allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The order was created.
    Order(Arc<Order>),
    /// Only money facts are known; for most purposes there is no order.
    Waiting(Arc<Waiting>),
}

impl Record {
    /// The number that everything here is about.
    #[must_use]
    pub fn no(&self) -> OrderNo {
        match self {
            Self::Order(order) => order.no,
            Self::Waiting(waiting) => waiting.no,
        }
    }

    /// How many events made it.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Order(order) => order.version,
            Self::Waiting(waiting) => waiting.version,
        }
    }

    /// When it last changed.
    #[must_use]
    pub fn update_time(&self) -> Timestamp {
        match self {
            Self::Order(order) => order.update_time,
            Self::Waiting(waiting) => waiting.update_time,
        }
    }

    /// The order, if it was created.
    #[must_use]
    pub const fn as_order(&self) -> Option<&Arc<Order>> {
        match self {
            Self::Order(order) => Some(order),
            Self::Waiting(_) => None,
        }
    }

    /// The order, if it was created.
    #[must_use]
    pub fn into_order(self) -> Option<Arc<Order>> {
        match self {
            Self::Order(order) => Some(order),
            Self::Waiting(_) => None,
        }
    }

    /// What does not fit, oldest first, ended ones included.
    #[must_use]
    pub fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Order(order) => &order.anomalies,
            Self::Waiting(waiting) => &waiting.anomalies,
        }
    }

    /// The refunds, oldest first.
    #[must_use]
    pub fn refunds(&self) -> &[Refund] {
        match self {
            Self::Order(order) => &order.refunds,
            Self::Waiting(waiting) => &waiting.refunds,
        }
    }

    /// One refund by its number. Within one record a number names one refund, whatever the
    /// channel.
    #[must_use]
    pub fn refund(&self, refund_no: &RefundNo) -> Option<&Refund> {
        let mut refunds = self.refunds().iter();
        refunds.find(|refund| refund.refund_no == *refund_no)
    }

    /// One anomaly by its number.
    #[must_use]
    pub fn anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.anomalies().iter().find(|anomaly| anomaly.id == id)
    }

    /// How many anomalies are kept whole.
    pub(crate) fn unfolded(&self) -> usize {
        self.anomalies().iter().filter(|a| !a.folded).count()
    }

    /// The most that the channel said was paid by this transaction; `None` where no payment
    /// of it is known. Amounts in another currency than the first one's are left out.
    #[must_use]
    pub fn paid_of(&self, channel: Channel, transaction: &TransactionId) -> Option<Fen> {
        let mut told = self.payments_of(channel, transaction);
        let first = told.next()?;
        let same = told.filter(|payment| payment.currency == first.currency);
        Some(same.fold(first.paid_fee, |most, one| most.max(one.paid_fee)))
    }

    /// What went back or is reserved of this transaction; `None` where it is beyond all money.
    #[must_use]
    pub fn held_of(&self, channel: Channel, transaction: &TransactionId) -> Option<Fen> {
        let of_it = |r: &&Refund| r.channel == channel && r.transaction_id == *transaction;
        let mut refunds = self.refunds().iter().filter(of_it);
        let others = self.held_by_others(channel, transaction);
        refunds.try_fold(others, |sum, refund| sum.checked_add(refund.held()))
    }

    /// What this transaction paid, less what went back of it under numbers of other refunds.
    pub(crate) fn left_for_refunds(&self, channel: Channel, transaction: &TransactionId) -> Fen {
        let paid = self.paid_of(channel, transaction).unwrap_or(Fen::MAX);
        let others = self.held_by_others(channel, transaction);
        paid.checked_sub(others).unwrap_or(Fen::ZERO)
    }

    /// What this refund is counted with already of the transaction that `fact` names.
    pub(crate) fn told_of(&self, refund_no: &RefundNo, fact: &RefundFact) -> Fen {
        let told = self
            .anomalies()
            .iter()
            .filter_map(Anomaly::told_differently);
        let mut of_it = told.filter(|told| {
            let same = told.channel == fact.channel();
            same && told.refund_no == *refund_no && told.transaction_id == *fact.transaction_id()
        });
        of_it.next_back().map_or(Fen::ZERO, Refund::held)
    }

    /// What the channel says went back of this transaction under the number of a refund of
    /// another one. It cannot be measured, so it counts up to what was paid.
    fn held_by_others(&self, channel: Channel, transaction: &TransactionId) -> Fen {
        let mut told: Vec<&Refund> = Vec::new();
        for anomaly in self.anomalies() {
            let Some(refund) = anomaly.told_differently() else {
                continue;
            };
            let known = self.refund(&refund.refund_no);
            if refund.channel == channel
                && refund.transaction_id == *transaction
                && known.is_some_and(|known| !known.is_of_same(refund))
            {
                told.retain(|earlier| earlier.refund_no != refund.refund_no);
                told.push(refund);
            }
        }
        let paid = self.paid_of(channel, transaction).unwrap_or(Fen::ZERO);
        let add = |sum: Fen, refund: &&Refund| sum.checked_add(refund.held()).unwrap_or(Fen::MAX);
        told.iter().fold(Fen::ZERO, add).min(paid)
    }

    /// The payments of this transaction: the one that stands, then those of anomalies.
    fn payments_of<'a, 't>(
        &'a self,
        channel: Channel,
        transaction: &'t TransactionId,
    ) -> impl Iterator<Item = &'a Payment> + use<'a, 't> {
        let standing = self.as_order().and_then(|order| order.payment.as_ref());
        let doubtful = self.anomalies().iter().filter_map(|a| a.payment.as_ref());
        standing
            .into_iter()
            .chain(doubtful)
            .filter(move |one| one.channel == channel && one.transaction_id == *transaction)
    }

    /// The payments that wait for their order, in the order of their arrival.
    pub fn unclaimed(&self) -> impl Iterator<Item = (AnomalyId, &Payment)> {
        self.anomalies()
            .iter()
            .filter(|anomaly| anomaly.is_open() && anomaly.kind == AnomalyKind::Unclaimed)
            .filter_map(|anomaly| Some((anomaly.id, anomaly.payment.as_ref()?)))
    }

    /// The payment of this transaction: the one that stands, or one of an anomaly.
    #[must_use]
    pub fn payment_of(&self, channel: Channel, transaction: &TransactionId) -> Option<&Payment> {
        self.payments_of(channel, transaction).next()
    }
}
