//! Anomalies: payment and refund facts that do not fit their order.
//!
//! The store keeps an anomaly open until a person resolves it or a later fact settles it.

use serde::{Deserialize, Serialize};

use super::payment::Payment;
use super::refund::Refund;
use crate::types::{Fen, Note, OrderNo, RefundNo, Timestamp, TransactionId};

/// Number of an anomaly within its record, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct AnomalyId(pub u32);

impl std::fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Payment or refund fact that does not fit its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Anomaly {
    /// Number of the anomaly within the record.
    pub id: AnomalyId,
    /// Kind of the anomaly: how the fact contradicts the order.
    pub kind: AnomalyKind,
    /// Payment that the anomaly is about, if any.
    pub payment: Option<Payment>,
    /// Refund that the anomaly is about, if any.
    pub refund: Option<Refund>,
    /// Time when the store raised the anomaly.
    pub raised_at: Timestamp,
    /// When and why the anomaly was last reopened; `None` if it never was.
    pub reopening: Option<Reopening>,
    /// Whether the anomaly is folded: the store has removed its note and some payment details. A
    /// folded anomaly does not count towards `MAX_ANOMALIES`.
    #[serde(default)]
    pub folded: bool,
    /// End of the anomaly; `None` while it is open.
    pub end: Option<AnomalyEnd>,
}

/// Time and reason of the reopening of an ended anomaly. The reason is always that the refund that
/// had ended the anomaly did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Reopening {
    /// How often the anomaly was reopened so far, including this time.
    pub count: u32,
    /// Time when the anomaly was reopened.
    pub at: Timestamp,
    /// Number of the refund that did not succeed.
    pub refund_no: RefundNo,
}

/// Reference to an anomaly, with the number of reopenings that a person saw. An [`AnomalyId`] alone
/// refers to an anomaly that was never reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyRef {
    /// Number of the anomaly within its record.
    pub id: AnomalyId,
    /// How often the anomaly had been reopened when the person saw it, from 0.
    pub reopenings: u32,
}

impl From<AnomalyId> for AnomalyRef {
    fn from(id: AnomalyId) -> Self {
        Self { id, reopenings: 0 }
    }
}

impl From<&Anomaly> for AnomalyRef {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            id: anomaly.id,
            reopenings: anomaly.reopenings(),
        }
    }
}

impl Anomaly {
    /// Returns whether the anomaly has not ended yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Returns how often the anomaly was reopened.
    #[must_use]
    pub fn reopenings(&self) -> u32 {
        self.reopening.as_ref().map_or(0, |last| last.count)
    }

    /// Returns the time when the anomaly was raised or last reopened. The list of open
    /// anomalies is sorted by this time.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.reopening
            .as_ref()
            .map_or(self.raised_at, |last| last.at)
    }

    /// Returns whether this refund ended the anomaly. The refund must be of the anomaly's
    /// payment, and the anomaly must have ended as `Refunded` with the number of the refund.
    pub(crate) fn is_ended_by_refund(&self, refund: &Refund) -> bool {
        let has_this_number = |end: &AnomalyEnd| match &end.how {
            AnomalyEndKind::Refunded { refund_no } => *refund_no == refund.refund_no,
            AnomalyEndKind::Accepted | AnomalyEndKind::Dismissed | AnomalyEndKind::Settled => false,
        };
        let payment = self.payment.as_ref();
        payment.is_some_and(|own| refund.is_of(own))
            && self.end.as_ref().is_some_and(has_this_number)
    }

    /// Returns the refund as the channel reported it, if the report differs from the request
    /// (`RefundDiffers`) and no person has dismissed the report.
    pub(crate) fn disputed_report(&self) -> Option<&Refund> {
        let dismissed = |end: &AnomalyEnd| end.how == AnomalyEndKind::Dismissed;
        match self.kind {
            AnomalyKind::RefundDiffers { .. } if !self.end.as_ref().is_some_and(dismissed) => {
                self.refund.as_ref()
            }
            _ => None,
        }
    }

    /// Folds the anomaly: removes the note and the optional details of the payment. The remaining
    /// fields are enough to recognize a repeated fact and to show how the anomaly ended.
    pub(crate) fn fold(&mut self) {
        self.folded = true;
        if let Some(end) = &mut self.end {
            end.note = Note::default();
        }
        if let Some(payment) = &mut self.payment {
            payment.trade_type = None;
            payment.bank_type = None;
            payment.payer_total = None;
            payment.settlement_total = None;
        }
    }

    /// Returns whether the anomaly is about this payment with the same amount and currency.
    #[must_use]
    pub fn matches_payment(&self, payment: &Payment) -> bool {
        let same = |own: &Payment| {
            let money = (own.paid_fee, own.currency) == (payment.paid_fee, payment.currency);
            own.is_same(payment) && money
        };
        self.payment.as_ref().is_some_and(same)
    }

    /// Returns whether the anomaly is about this payment, regardless of amount and currency.
    #[must_use]
    pub fn concerns(&self, payment: &Payment) -> bool {
        self.payment
            .as_ref()
            .is_some_and(|own| own.is_same(payment))
    }
}

/// Kind of an anomaly: how the fact contradicts the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// A payment arrived before its order was created (unclaimed payment).
    Unclaimed,
    /// The transaction already paid another order.
    TransactionTaken {
        /// Number of the order that the transaction paid.
        by: OrderNo,
    },
    /// The payer, app, merchant or channel of the payment differs from that of the order.
    IdentityMismatch {
        /// First identity field in which payment and order differ.
        field: IdentityField,
    },
    /// The amount or currency of the payment differs from that of the order.
    AmountMismatch {
        /// Total of the order, in minor units such as fen.
        expected: Fen,
        /// Amount of the payment, in minor units such as fen.
        found: Fen,
    },
    /// A second transaction paid the order, so a refund is due.
    DoublePayment {
        /// Transaction that paid the order first.
        first: TransactionId,
    },
    /// The payment arrived after the order had been closed or had failed.
    LatePayment,
    /// The channel reports a refund of the order that the store does not know.
    RefundUnknown,
    /// The channel revoked the payment of the order.
    Reversed,
    /// The channel reports a state that a paid order cannot have.
    ChannelDisagrees {
        /// State that the channel reports.
        state: TradeState,
    },
    /// The facts of a refund in the channel's report differ from those of its request.
    RefundDiffers {
        /// Number of the refund whose facts differ.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// A refund is larger than the amount of its transaction that is not refunded or reserved yet.
    RefundExceeds {
        /// Number of the refund that is too large.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// Amount of the transaction that was still available for the refund.
        available: Fen,
    },
    /// A refund has the number of a refund of another order.
    RefundNoTaken {
        /// Refund number that two orders use.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// Number of the order that uses this refund number.
        by: OrderNo,
    },
    /// The transaction does not pay the order, because a refund of it is under way or was
    /// successful.
    GivenBack {
        /// Number of the other record that has the refund; `None` if this record has it.
        by: Option<OrderNo>,
    },
    /// The channel reports that a refund failed, but in the store it succeeded, or the reverse.
    RefundDisagrees {
        /// Number of the refund that the channel reports differently.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// The channel reports a refund of a transaction that belongs to another record.
    RefundedElsewhere {
        /// Number of the refund that the channel reports.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// Number of the record that the transaction paid, or that refunds it.
        by: OrderNo,
    },
}

impl AnomalyKind {
    /// Returns whether both anomalies are of the same kind. Kinds that name a refund must name
    /// the same refund number, and `ChannelDisagrees` must have the same state. Other fields
    /// may differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ChannelDisagrees { state }, Self::ChannelDisagrees { state: other }) => {
                state == other
            }
            _ => {
                let same = std::mem::discriminant(self) == std::mem::discriminant(other);
                same && self.refund_no() == other.refund_no()
            }
        }
    }

    /// Returns the number of the refund that the anomaly is about, if any.
    #[must_use]
    pub const fn refund_no(&self) -> Option<&RefundNo> {
        match self {
            Self::RefundDiffers { refund_no }
            | Self::RefundExceeds { refund_no, .. }
            | Self::RefundNoTaken { refund_no, .. }
            | Self::RefundDisagrees { refund_no }
            | Self::RefundedElsewhere { refund_no, .. } => Some(refund_no),
            _ => None,
        }
    }
}

/// Identity field in which a payment must match its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum IdentityField {
    /// Payment channel, such as `wechat`.
    Channel,
    /// App in which the customer paid.
    Appid,
    /// Merchant that received the payment.
    MchId,
    /// User who paid.
    Openid,
}

/// Trade state with the names of WeChat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TradeState {
    /// The order is paid.
    Success,
    /// The order was paid, and at least part of the money was refunded since.
    Refund,
    /// The order is not paid yet.
    NotPay,
    /// The customer is entering the password.
    UserPaying,
    /// The channel accepted the payment and has not yet deducted the money.
    Accept,
    /// The order is closed.
    Closed,
    /// The payment failed, but the channel may still charge the order.
    PayError,
    /// The order was revoked.
    Revoked,
    /// The channel does not know the order.
    NoSuchOrder,
}

/// End of an anomaly: its time, cause and note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnomalyEnd {
    /// Time when the anomaly ended.
    pub at: Timestamp,
    /// Cause that ended the anomaly.
    pub how: AnomalyEndKind,
    /// Note of the person who ended the anomaly. Empty if the store ended it, and after
    /// folding.
    pub note: Note,
}

/// Cause that ended an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AnomalyEndKind {
    /// A person accepted the fact that raised the anomaly.
    Accepted,
    /// A person decided to refund the money. The store also uses this kind when a new refund
    /// returns the payment of a reopened anomaly.
    Refunded {
        /// Number of the refund that returns the money.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// A person decided that no action is needed.
    Dismissed,
    /// A later fact settled the anomaly without a person.
    Settled,
}
