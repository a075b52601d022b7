//! A refund that the server is about to ask the channel for.

use super::refund::RefundError;
use crate::types::{Channel, Fen, RefundNo, TransactionId};

/// Money that is to go back. It names its transaction: the order's own, or that of an
/// anomaly or of a payment that waits for its order.
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
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct NewRefund {
    pub(crate) channel: Channel,
    pub(crate) refund_no: RefundNo,
    pub(crate) transaction_id: TransactionId,
    pub(crate) amount: Fen,
    pub(crate) attempt: u32,
}

impl NewRefund {
    /// A refund of `amount` of a payment through `wechat`, under a number of the merchant's
    /// own that no other refund bears.
    ///
    /// # Errors
    /// [`RefundError::NothingBack`] where `amount` is zero.
    pub fn new(
        refund_no: RefundNo,
        transaction_id: TransactionId,
        amount: Fen,
    ) -> Result<Self, RefundError> {
        if amount.is_zero() {
            return Err(RefundError::NothingBack);
        }
        Ok(Self {
            channel: Channel::WECHAT,
            refund_no,
            transaction_id,
            amount,
            attempt: 1,
        })
    }

    /// Where it was paid, instead of `wechat`.
    pub const fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Which attempt under this number it is, from 1, which is the default. After the
    /// channel refused or closed attempt n, attempt n + 1 reserves the money again.
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The merchant's number for it.
    #[must_use]
    pub const fn refund_no(&self) -> &RefundNo {
        &self.refund_no
    }

    /// The transaction whose money is to go back.
    #[must_use]
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// How much is to go back.
    #[must_use]
    pub const fn amount(&self) -> Fen {
        self.amount
    }
}
