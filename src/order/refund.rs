//! Money on its way back.

use serde::{Deserialize, Serialize};

use super::payment::Payment;
use crate::value::{Channel, Fen, Label, RefundId, RefundNo, Timestamp, TransactionId};

/// One refund of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refund {
    /// Where it runs.
    pub channel: Channel,
    /// Our number for it, unique in its channel.
    pub refund_no: RefundNo,
    /// The channel's number for it, once known.
    pub refund_id: Option<RefundId>,
    /// The transaction whose money goes back.
    pub transaction_id: TransactionId,
    /// How much goes back.
    pub amount: Fen,
    /// How far it is.
    pub status: RefundStatus,
    /// Made elsewhere, such as in the merchant's console, and only seen here.
    pub external: bool,
    /// The channel's code where it refused.
    pub code: Option<Label>,
    /// When it was asked for or first seen.
    pub requested_at: Timestamp,
    /// When the channel says the money went back.
    pub success_at: Option<Timestamp>,
    /// When the channel should be asked about it next.
    pub next_check: Option<Timestamp>,
    /// How often the channel was asked about it.
    pub checks: u32,
}

impl Refund {
    /// Whether it gives money of this payment back.
    #[must_use]
    pub fn is_of(&self, payment: &Payment) -> bool {
        self.channel == payment.channel && self.transaction_id == payment.transaction_id
    }

    /// A refund of a whole payment that the server is about to ask the channel for.
    pub(crate) fn of_payment(
        payment: &Payment,
        refund_no: RefundNo,
        at: Timestamp,
        next_check: Timestamp,
    ) -> Self {
        Self {
            channel: payment.channel,
            refund_no,
            refund_id: None,
            transaction_id: payment.transaction_id.clone(),
            amount: payment.paid_fee,
            status: RefundStatus::Requested,
            external: false,
            code: None,
            requested_at: at,
            success_at: None,
            next_check: Some(next_check),
            checks: 0,
        }
    }
}

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RefundStatus {
    /// Asked for here; the channel's reply is not known. The same number may be sent again.
    Requested,
    /// The channel is at it.
    Processing,
    /// The money went back.
    Success,
    /// It will not go back under this number; what it reserved is free again.
    Closed,
    /// The channel cannot deliver it; a person must act. Its money stays reserved.
    Abnormal,
}

impl RefundStatus {
    /// Whether its amount counts against what was paid: every status but `Closed`.
    #[must_use]
    pub const fn holds_money(self) -> bool {
        !matches!(self, Self::Closed)
    }
}
