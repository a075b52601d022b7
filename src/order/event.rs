//! What happened: the only thing that changes a record.

use serde::{Deserialize, Serialize};

use super::anomaly::{AnomalyEndKind, AnomalyId, AnomalyKind};
use super::payment::{Payment, Prepay};
use super::record::{NextAction, Order};
use super::refund::Refund;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, MchId, Metadata, Note, OpenId, OrderNo,
    Reference, RefundNo, Timestamp,
};

/// Something that happened to one order number. Folding a number's events, from version 1
/// on, gives its record, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// The number it happened to.
    #[serde(rename = "outTradeNo")]
    pub no: OrderNo,
    /// The record's version after it.
    pub version: u64,
    /// When; never before the record's last update.
    pub at: Timestamp,
    /// What.
    pub what: EventKind,
}

/// What happened. It holds every time and number that the record takes from it: folding
/// reads no clock and knows no policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum EventKind {
    /// The order was created.
    Created(Box<OrderCreated>),
    /// The caller's own bytes were replaced.
    Annotated(Metadata),
    /// The channel handed out an invitation to pay.
    PrepayRecorded(Prepay),
    /// The channel was asked and nothing changed but the time of the next step.
    Checked {
        /// The next step.
        next: Option<NextAction>,
        /// Whether it counts as one more check in the back-off.
        counted: bool,
    },
    /// `Pending` became `Closing`.
    CloseBegan {
        /// The next step.
        next: NextAction,
    },
    /// `Closing` became `Pending` again.
    CloseAborted {
        /// The next step.
        next: NextAction,
    },
    /// The channel confirmed that it cannot be paid any more.
    Closed,
    /// The channel revoked it before any payment.
    Failed,
    /// It was paid.
    Paid(Box<Payment>),
    /// It was paid after it had been closed or had failed.
    PaidLate(Box<Payment>),
    /// Something does not fit.
    AnomalyRaised(Box<AnomalyRaised>),
    /// A waiting payment's order was created, and it does not fit.
    AnomalyReclassified {
        /// Which.
        id: AnomalyId,
        /// Why it does not fit.
        kind: AnomalyKind,
    },
    /// An anomaly ended.
    AnomalyEnded {
        /// Which.
        id: AnomalyId,
        /// By what.
        how: AnomalyEndKind,
        /// The words of whoever ended it.
        note: Note,
    },
    /// An anomaly is open again: the refund that had ended it did not succeed.
    AnomalyReopened {
        /// Which.
        id: AnomalyId,
        /// The refund that did not succeed.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// The ended anomalies were folded, to make room for others.
    AnomaliesFolded,
    /// A person ended the order: no payment is expected any more.
    EndedByPerson {
        /// The person's words.
        note: Note,
    },
    /// Its user deleted it from the list.
    Hidden,
    /// It is back in its user's list.
    Unhidden,
    /// A refund was asked for, or one made elsewhere was seen.
    RefundOpened(Box<Refund>),
    /// A refund moved on: the refund as it stands now.
    RefundMoved(Box<Refund>),
    /// The order was taken over from other books, as it stood there.
    Imported(Box<Order>),
    /// The channel was asked about a refund and nothing changed but the time of the next
    /// check.
    RefundChecked {
        /// Where it runs.
        channel: Channel,
        /// Which.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// When the channel should be asked next; `None` where it need not be asked.
        #[serde(rename = "nextCheck")]
        next_check: Option<Timestamp>,
        /// Whether it counts as one more check in the back-off.
        counted: bool,
    },
}

/// The fields with which an order is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OrderCreated {
    /// Where it is to be paid.
    pub channel: Channel,
    /// The app it was made in.
    pub appid: AppId,
    /// The merchant it is to be paid to.
    pub mch_id: Option<MchId>,
    /// Who made it.
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
    /// The last moment to pay.
    pub expires_at: Timestamp,
    /// When the channel is first asked.
    pub next: NextAction,
}

/// An anomaly as it is raised; its number follows from the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnomalyRaised {
    /// What does not fit.
    pub kind: AnomalyKind,
    /// The payment in question.
    pub payment: Option<Payment>,
    /// The refund in question.
    pub refund: Option<Refund>,
}
