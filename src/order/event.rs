//! Events of a record. Only events change a record.

use serde::{Deserialize, Serialize};

use super::anomaly::{AnomalyEndKind, AnomalyId, AnomalyKind};
use super::payment::{Payment, Prepay};
use super::record::{NextAction, Order};
use super::refund::Refund;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, MchId, Metadata, Note, OpenId, OrderNo,
    Reference, RefundNo, Timestamp,
};

/// Event of one order number. Applying all events of a number in order, from version 1, gives its
/// record byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// Order number that the event belongs to.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// Version of the record after the event.
    pub version: u64,
    /// Time of the event; never before the last update of the record.
    pub at: Timestamp,
    /// Kind of the event, with its data.
    pub what: EventKind,
}

/// Kind of an event, with its data. The data contains every new time and number of the record,
/// because applying an event reads no clock and no policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EventKind {
    /// The order was created.
    Created(Box<OrderCreated>),
    /// The caller's metadata was replaced.
    Annotated(Metadata),
    /// The channel issued a prepay for the order.
    PrepayRecorded(Prepay),
    /// The order was checked at the channel, and only its next action changed.
    Checked {
        /// Next action for the order.
        next: Option<NextAction>,
        /// Whether the check makes the delay before the next check longer.
        counted: bool,
    },
    /// The status changed from `Pending` to `Closing`.
    CloseBegan {
        /// Next action for the order.
        next: NextAction,
    },
    /// The status changed from `Closing` back to `Pending`.
    CloseAborted {
        /// Next action for the order.
        next: NextAction,
    },
    /// The order was closed: no further payment is expected.
    Closed,
    /// The channel revoked the order before any payment.
    Failed,
    /// A payment paid the order.
    Paid(Box<Payment>),
    /// A payment paid the order after it had been closed or had failed.
    PaidLate(Box<Payment>),
    /// The store raised an anomaly.
    AnomalyRaised(Box<AnomalyRaised>),
    /// An `Unclaimed` anomaly got another kind. Its payment arrived before the order was created.
    /// Now the order exists, and `kind` says why the payment does not pay it.
    AnomalyReclassified {
        /// Number of the anomaly within its record.
        id: AnomalyId,
        /// New kind of the anomaly.
        kind: AnomalyKind,
    },
    /// An anomaly ended.
    AnomalyEnded {
        /// Number of the anomaly within its record.
        id: AnomalyId,
        /// Cause that ended the anomaly.
        how: AnomalyEndKind,
        /// Note of the person who ended it; empty if the store ended it.
        note: Note,
    },
    /// An anomaly is open again, because the refund that had ended it did not succeed.
    AnomalyReopened {
        /// Number of the anomaly within its record.
        id: AnomalyId,
        /// Number of the refund that did not succeed.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// Notes and payment details of the ended anomalies were removed (folded) to make room for new
    /// ones.
    AnomaliesFolded,
    /// A person ended the order, because no payment is expected any more.
    EndedByPerson {
        /// Note of the person who ended the order.
        note: Note,
    },
    /// The order was hidden from its user's list.
    Hidden,
    /// The order is visible in its user's list again.
    Unhidden,
    /// A refund was requested, or the channel reported a refund made elsewhere.
    RefundOpened(Box<Refund>),
    /// A refund changed. Contains the whole refund after the change.
    RefundMoved(Box<Refund>),
    /// The order was imported. Contains the order of the source system, with missing fields filled
    /// in.
    Imported(Box<Order>),
    /// A refund was checked at the channel, and only its next check changed.
    RefundChecked {
        /// Payment channel of the refund.
        channel: Channel,
        /// Number of the checked refund.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// Time of the next check; `None` if no check is needed.
        #[serde(rename = "nextCheck")]
        next_check: Option<Timestamp>,
        /// Whether the check makes the delay before the next check longer.
        counted: bool,
    },
}

/// Fields with which an order is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OrderCreated {
    /// Payment channel of the order, such as `wechat`.
    pub channel: Channel,
    /// App in which the order was created.
    pub appid: AppId,
    /// Merchant that receives the payment.
    pub mch_id: Option<MchId>,
    /// User who created the order.
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
    /// Time until which the customer can pay.
    pub expires_at: Timestamp,
    /// First check of the order at the channel.
    pub next: NextAction,
}

/// Anomaly whose number is not assigned yet. The record assigns the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnomalyRaised {
    /// Kind of the anomaly: how the fact contradicts the order.
    pub kind: AnomalyKind,
    /// Payment that the anomaly is about, if any.
    pub payment: Option<Payment>,
    /// Refund that the anomaly is about, if any.
    pub refund: Option<Refund>,
}
