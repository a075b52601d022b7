//! Money on its way back.

use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// Whether `other` is the same refund: the same channel and number.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.refund_no == other.refund_no
    }

    /// Whether it gives money of this payment back.
    #[must_use]
    pub fn is_of(&self, payment: &Payment) -> bool {
        self.channel == payment.channel && self.transaction_id == payment.transaction_id
    }

    /// A refund of a part of a payment that the server is about to ask the channel for.
    pub(crate) fn of_payment(
        payment: &Payment,
        (refund_no, amount): (RefundNo, Fen),
        at: Timestamp,
        next_check: Timestamp,
    ) -> Self {
        Self {
            channel: payment.channel,
            refund_no,
            refund_id: None,
            transaction_id: payment.transaction_id.clone(),
            amount,
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

/// How far a refund is. Exhaustive: a new status would be a new format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

    /// Whether it is not known yet how it ends: the channel is to be asked.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Processing | Self::Abnormal)
    }
}

/// Why a refund cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefundError {
    /// Nobody gives nothing back.
    #[error("a refund of 0 fen is none")]
    NothingBack,
}

/// A verified fact: so stands this refund with the channel. *Verified* means what it means
/// of a [`Payment`].
///
/// Its number, transaction and amount say which refund it is; what is optional never
/// decides that, and never makes it refused.
///
/// ```
/// use orderstore::{Fen, RefundFact, RefundNo, RefundState, TransactionId};
///
/// let fact = RefundFact::new(
///     RefundNo::parse("7752501201407033233368018")?,
///     TransactionId::parse("1217752501201407033233368018")?,
///     Fen::new(60)?,
///     RefundState::Processing,
/// )?;
/// assert_eq!(fact.amount().as_u64(), 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct RefundFact {
    channel: Channel,
    refund_no: RefundNo,
    refund_id: Option<RefundId>,
    transaction_id: TransactionId,
    amount: Fen,
    state: RefundState,
    success_at: Option<Timestamp>,
}

impl RefundFact {
    /// A refund through `wechat` by its facts. The `amount` is what goes back to the order
    /// as a whole (`refund`, `refund_fee`), never what the customer's purse receives of it.
    ///
    /// # Errors
    /// [`RefundError::NothingBack`] where `amount` is zero.
    pub fn new(
        refund_no: RefundNo,
        transaction_id: TransactionId,
        amount: Fen,
        state: RefundState,
    ) -> Result<Self, RefundError> {
        if amount.is_zero() {
            return Err(RefundError::NothingBack);
        }
        Ok(Self {
            channel: Channel::WECHAT,
            refund_no,
            refund_id: None,
            transaction_id,
            amount,
            state,
            success_at: None,
        })
    }

    /// What a record says of a refund; `None` where it was only asked for: no channel has
    /// said anything of it.
    pub(crate) fn of(refund: &Refund) -> Option<Self> {
        let state = match refund.status {
            RefundStatus::Requested => return None,
            RefundStatus::Processing => RefundState::Processing,
            RefundStatus::Success => RefundState::Success,
            RefundStatus::Closed => RefundState::Closed,
            RefundStatus::Abnormal => RefundState::Abnormal,
        };
        Some(Self {
            channel: refund.channel,
            refund_no: refund.refund_no.clone(),
            refund_id: refund.refund_id.clone(),
            transaction_id: refund.transaction_id.clone(),
            amount: refund.amount,
            state,
            success_at: refund.success_at,
        })
    }

    /// Where it runs, instead of `wechat`.
    pub const fn with_channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// The channel's number for it.
    pub fn with_refund_id(mut self, refund_id: RefundId) -> Self {
        self.refund_id = Some(refund_id);
        self
    }

    /// When the channel says that the money went back.
    pub const fn with_success_at(mut self, moment: Timestamp) -> Self {
        self.success_at = Some(moment);
        self
    }

    /// Where it runs.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// The merchant's number for it.
    #[must_use]
    pub const fn refund_no(&self) -> &RefundNo {
        &self.refund_no
    }

    /// The channel's number for it, where it said so.
    #[must_use]
    pub const fn refund_id(&self) -> Option<&RefundId> {
        self.refund_id.as_ref()
    }

    /// The transaction whose money goes back.
    #[must_use]
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// How much goes back.
    #[must_use]
    pub const fn amount(&self) -> Fen {
        self.amount
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> RefundState {
        self.state
    }

    /// When the money went back, where the channel said so.
    #[must_use]
    pub const fn success_at(&self) -> Option<Timestamp> {
        self.success_at
    }
}

/// How far the channel says that a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefundState {
    /// `PROCESSING`: it is at it.
    Processing,
    /// `SUCCESS`: the money went back.
    Success,
    /// `CLOSED`, `REFUNDCLOSE`: it will not go back under this number.
    Closed,
    /// `ABNORMAL`, `CHANGE`: it cannot be delivered; a person must act.
    Abnormal,
}

impl From<RefundState> for RefundStatus {
    fn from(state: RefundState) -> Self {
        match state {
            RefundState::Processing => Self::Processing,
            RefundState::Success => Self::Success,
            RefundState::Closed => Self::Closed,
            RefundState::Abnormal => Self::Abnormal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(amount: u64, state: RefundState) -> Result<RefundFact, RefundError> {
        RefundFact::new(
            RefundNo::parse("R").unwrap(),
            TransactionId::parse("X").unwrap(),
            Fen::new(amount).unwrap(),
            state,
        )
    }

    #[test]
    fn nothing_is_not_given_back() {
        let refused = fact(0, RefundState::Success);
        assert_eq!(refused, Err(RefundError::NothingBack));
        let one_fen = fact(1, RefundState::Success).unwrap();
        assert_eq!(one_fen.amount(), Fen::new(1).unwrap());
    }

    #[test]
    fn a_fact_says_what_it_was_told() {
        let other = Channel::parse("other").unwrap();
        let id = RefundId::parse("50200207182018070300011301001").unwrap();
        let fact = fact(60, RefundState::Processing).unwrap();
        assert_eq!(fact.channel(), Channel::WECHAT);
        assert_eq!((fact.refund_id(), fact.success_at()), (None, None));
        let fact = fact
            .with_channel(other)
            .with_refund_id(id.clone())
            .with_success_at(Timestamp::MAX);
        assert_eq!(fact.channel(), other);
        assert_eq!(fact.refund_no().as_str(), "R");
        assert_eq!(fact.transaction_id().as_str(), "X");
        assert_eq!(fact.refund_id(), Some(&id));
        assert_eq!(fact.success_at(), Some(Timestamp::MAX));
        assert_eq!(fact.state(), RefundState::Processing);
    }

    #[test]
    fn of_what_a_channel_says_only_closed_holds_no_money() {
        use RefundState::{Abnormal, Closed, Processing, Success};
        for state in [Processing, Success, Closed, Abnormal] {
            let status = RefundStatus::from(state);
            assert_eq!(format!("{status:?}"), format!("{state:?}"));
            assert_eq!(status.holds_money(), state != Closed);
        }
    }
}
