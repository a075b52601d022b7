//! Refund that the server is about to request from the channel.

use serde::{Deserialize, Serialize};

use super::refund::nothing_back;
use crate::types::{Channel, Fen, RefundNo, TransactionId, ValueError, positive};

/// Fields of a refund to request. The refunded transaction paid the order, is in one of the order's
/// anomalies, or is an unclaimed payment.
///
/// ```
/// use orderstore::{Fen, NewRefund, RefundNo, TransactionId};
///
/// let refund = NewRefund::new(
///     RefundNo::parse("7752501201407033233368018")?,
///     TransactionId::parse("4200004561202203217657282768")?,
///     Fen::parse_yuan("0.60")?,
/// )?;
/// assert_eq!(refund.amount().as_u64(), 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct NewRefund {
    pub(crate) channel: Channel,
    pub(crate) refund_no: RefundNo,
    pub(crate) transaction_id: TransactionId,
    #[serde(deserialize_with = "positive")]
    pub(crate) amount: Fen,
    pub(crate) attempt: u32,
}

impl NewRefund {
    /// Creates a refund of `amount` of a payment through `wechat`. `refund_no` is a number of
    /// the merchant that no other refund has.
    ///
    /// # Errors
    /// [`ValueError`] if `amount` is zero.
    pub fn new(
        refund_no: RefundNo,
        transaction_id: TransactionId,
        amount: Fen,
    ) -> Result<Self, ValueError> {
        if amount.is_zero() {
            return Err(nothing_back());
        }
        Ok(Self {
            channel: Channel::WECHAT,
            refund_no,
            transaction_id,
            amount,
            attempt: 1,
        })
    }

    /// Sets the payment channel. Default: `wechat`.
    pub const fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Sets the number of the attempt under this refund number, from 1. Default: 1. After the
    /// channel refused or closed attempt n, attempt n + 1 reserves the money again.
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Returns the merchant's number of the refund.
    #[must_use]
    pub const fn refund_no(&self) -> &RefundNo {
        &self.refund_no
    }

    /// Returns the transaction to refund.
    #[must_use]
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// Returns the amount to refund.
    #[must_use]
    pub const fn amount(&self) -> Fen {
        self.amount
    }
}
