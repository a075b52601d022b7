//! Money facts that do not fit, kept until a person or a refund ends them.

use serde::{Deserialize, Serialize};

use super::payment::Payment;
use super::refund::Refund;
use crate::types::{Fen, Note, OrderNo, RefundNo, Timestamp, TransactionId};

/// An anomaly's number within its record, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnomalyId(pub u32);

impl std::fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A money fact that does not fit its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Anomaly {
    /// Its number within the record.
    pub id: AnomalyId,
    /// What does not fit.
    pub kind: AnomalyKind,
    /// The payment in question, where there is one.
    pub payment: Option<Payment>,
    /// The refund in question, where there is one.
    pub refund: Option<Refund>,
    /// When the store saw it.
    pub raised_at: Timestamp,
    /// Its last reopening, where the refund that had ended it did not succeed.
    pub reopening: Option<Reopening>,
    /// It was reduced to what answers repeats, and takes no place in the record any more.
    #[serde(default)]
    pub folded: bool,
    /// How it ended; `None` while it is open.
    pub end: Option<AnomalyEnd>,
}

/// An ended anomaly was opened again: the refund that had ended it did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Reopening {
    /// How often it was opened again, this time included.
    pub count: u32,
    /// When.
    pub at: Timestamp,
    /// The refund that did not succeed.
    pub refund_no: RefundNo,
}

/// An anomaly and how often it had been reopened when a person looked at it. An
/// [`AnomalyId`] alone means one that was never reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnomalyRef {
    /// The anomaly's number within its record.
    pub id: AnomalyId,
    /// How often it had been reopened, from 0.
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
    /// Nobody ended it yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// How often it was opened again.
    #[must_use]
    pub fn reopenings(&self) -> u32 {
        self.reopening.as_ref().map_or(0, |last| last.count)
    }

    /// When it was raised or last opened again: its time in the list of open anomalies.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.reopening
            .as_ref()
            .map_or(self.raised_at, |last| last.at)
    }

    /// A person decided to give its money back under this number, and that stands.
    pub(crate) fn is_ended_by_refund(&self, refund: &Refund) -> bool {
        let is_it = |end: &AnomalyEnd| match &end.how {
            AnomalyEndKind::Refunded { refund_no } => *refund_no == refund.refund_no,
            AnomalyEndKind::Accepted | AnomalyEndKind::Dismissed | AnomalyEndKind::Settled => false,
        };
        let payment = self.payment.as_ref();
        payment.is_some_and(|own| refund.is_of(own)) && self.end.as_ref().is_some_and(is_it)
    }

    /// What the channel said of a refund with other facts than it was asked with, unless a
    /// person did not believe it.
    pub(crate) fn told_differently(&self) -> Option<&Refund> {
        let dismissed = |end: &AnomalyEnd| end.how == AnomalyEndKind::Dismissed;
        match self.kind {
            AnomalyKind::RefundDiffers { .. } if !self.end.as_ref().is_some_and(dismissed) => {
                self.refund.as_ref()
            }
            _ => None,
        }
    }

    /// Leaves what answers repeats: the facts by which they are known, and how it ended.
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

    /// It is about this payment, with the amount and currency that it had then.
    #[must_use]
    pub fn is_told(&self, payment: &Payment) -> bool {
        let same = |own: &Payment| {
            let money = (own.paid_fee, own.currency) == (payment.paid_fee, payment.currency);
            own.is_same(payment) && money
        };
        self.payment.as_ref().is_some_and(same)
    }

    /// It is about this payment.
    #[must_use]
    pub fn concerns(&self, payment: &Payment) -> bool {
        self.payment
            .as_ref()
            .is_some_and(|own| own.is_same(payment))
    }
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// A payment waits for its order to be created.
    Unclaimed,
    /// The transaction already paid another order.
    TransactionTaken {
        /// The order that it paid.
        by: OrderNo,
    },
    /// It was paid by somebody else, in another app or to another merchant.
    IdentityMismatch {
        /// The first field that differs.
        field: IdentityField,
    },
    /// Another amount or currency than the order's was paid.
    AmountMismatch {
        /// The order's total.
        expected: Fen,
        /// What was paid.
        found: Fen,
    },
    /// The order was paid a second time: a refund is due.
    DoublePayment {
        /// The transaction that paid it first.
        first: TransactionId,
    },
    /// It was paid after it had been closed or had failed.
    LatePayment,
    /// The channel says that it was refunded; no refund is known here.
    RefundUnknown,
    /// The channel revoked a payment that stands here.
    Reversed,
    /// The channel says something that cannot be of a paid order.
    ChannelDisagrees {
        /// What it says.
        state: TradeState,
    },
    /// A refund came back with other facts than it was asked with.
    RefundDiffers {
        /// The refund's number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// More went back than was there.
    RefundExceeds {
        /// The refund's number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// What was there.
        available: Fen,
    },
    /// A refund bears the number of another order's refund.
    RefundNoTaken {
        /// The refund's number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// The order that it is used in.
        by: OrderNo,
    },
    /// Money of this transaction goes back, or went back: it does not pay.
    GivenBack {
        /// The other record that gives it back; `None` where this record does.
        by: Option<OrderNo>,
    },
    /// The channel says that a refund failed which succeeded here, or the reverse.
    RefundDisagrees {
        /// The refund's number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// A refund of a transaction whose money is another record's.
    RefundedElsewhere {
        /// The refund's number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
        /// The record that paid with it or gives it back.
        by: OrderNo,
    },
}

impl AnomalyKind {
    /// Whether both are anomalies of one kind, whatever they carry; of refunds, whether
    /// they are about one number.
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

    /// The refund that it is about, where it is about one.
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

/// A part of an order's identity that a payment must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum IdentityField {
    /// Where it was paid.
    Channel,
    /// The app it was paid in.
    Appid,
    /// The merchant it was paid to.
    MchId,
    /// Who paid it.
    Openid,
}

/// A trade state as WeChat names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TradeState {
    /// Paid.
    Success,
    /// Paid, and at least partly refunded since.
    Refund,
    /// Not paid yet.
    NotPay,
    /// The customer is typing the password.
    UserPaying,
    /// Accepted, waiting for the deduction.
    Accept,
    /// Closed.
    Closed,
    /// The payment failed; the order may yet be charged.
    PayError,
    /// Revoked.
    Revoked,
    /// The channel knows no such order.
    NoSuchOrder,
}

/// How an anomaly ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnomalyEnd {
    /// When.
    pub at: Timestamp,
    /// By what.
    pub how: AnomalyEndKind,
    /// The words of whoever ended it.
    pub note: Note,
}

/// What ended an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AnomalyEndKind {
    /// A person accepted the fact.
    Accepted,
    /// A person decided to give the money back.
    Refunded {
        /// Under this number.
        #[serde(rename = "refundNo")]
        refund_no: RefundNo,
    },
    /// A person decided that nothing is to be done.
    Dismissed,
    /// The fact found its place without a person.
    Settled,
}
