//! Money on its way back.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::payment::Payment;
use crate::types::{Channel, Fen, Label, RefundId, RefundNo, Timestamp, TransactionId};

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
    /// How much goes back: what was asked for, or what the channel says instead.
    pub amount: Fen,
    /// What was asked for here, where the channel says another amount.
    pub asked: Option<Fen>,
    /// How far it is.
    pub status: RefundStatus,
    /// Made elsewhere, such as in the merchant's console, and only seen here.
    pub external: bool,
    /// The channel's code where it refused.
    pub code: Option<Label>,
    /// When it was first asked for or seen.
    pub requested_at: Timestamp,
    /// Which attempt under this number is the present one, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// When its present attempt began or its success was recorded, whichever is later;
    /// `None` in a first attempt without success. That it failed is believed only from the
    /// answer to a query sent after this moment.
    pub believed_after: Option<Timestamp>,
    /// When the channel says that the money went back. It stays when the money returns.
    pub success_at: Option<Timestamp>,
    /// When it was last closed, or its money returned; it stays when the refund goes on.
    pub ended_at: Option<Timestamp>,
    /// When the channel should be asked about it next.
    pub next_check: Option<Timestamp>,
    /// How often the channel was asked about it.
    pub checks: u32,
}

const fn first_attempt() -> u32 {
    1
}

impl Refund {
    /// Whether `other` is the same refund: the same channel and number.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.refund_no == other.refund_no
    }

    /// Whether `other` gives money of the same transaction back.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.transaction_id == other.transaction_id
    }

    /// Whether it gives money of this payment back.
    #[must_use]
    pub fn is_of(&self, payment: &Payment) -> bool {
        self.channel == payment.channel && self.transaction_id == payment.transaction_id
    }

    /// What was asked for here, or first seen.
    #[must_use]
    pub fn asked_amount(&self) -> Fen {
        self.asked.unwrap_or(self.amount)
    }

    /// How much of its transaction it holds: until it ends the larger of what was asked for
    /// and what the channel says.
    #[must_use]
    pub fn held(&self) -> Fen {
        match self.status {
            RefundStatus::Requested | RefundStatus::Processing | RefundStatus::Abnormal => {
                self.amount.max(self.asked_amount())
            }
            RefundStatus::Success => self.amount,
            RefundStatus::Closed | RefundStatus::Returned => Fen::ZERO,
        }
    }

    /// The same refund with its next attempt begun at `at`.
    pub(crate) fn retried(&self, at: Timestamp, next_check: Timestamp) -> Self {
        Self {
            amount: self.asked_amount(),
            asked: None,
            status: RefundStatus::Requested,
            external: false,
            code: None,
            attempt: self.attempt.saturating_add(1),
            believed_after: Some(at),
            next_check: Some(next_check),
            checks: 0,
            ..self.clone()
        }
    }

    /// The same refund ended without money held, at `at`; `now` by the raw clock.
    pub(crate) fn ended(&self, status: RefundStatus, at: Timestamp, now: Timestamp) -> Self {
        let returned = status == RefundStatus::Returned;
        Self {
            status,
            believed_after: if returned {
                Some(now)
            } else {
                self.believed_after
            },
            ended_at: Some(at),
            next_check: None,
            ..self.clone()
        }
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
            asked: None,
            status: RefundStatus::Requested,
            external: false,
            code: None,
            requested_at: at,
            attempt: 1,
            believed_after: None,
            success_at: None,
            ended_at: None,
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
    /// The attempt ended without success; what it reserved is free again. The next attempt
    /// under the same number reserves again.
    Closed,
    /// The channel cannot deliver it; a person must act. Its money stays reserved.
    Abnormal,
    /// It had succeeded and then failed: the money came back. A new refund needs a new number.
    Returned,
}

impl RefundStatus {
    /// Whether its amount counts against what was paid: every status but `Closed` and
    /// `Returned`.
    #[must_use]
    pub const fn holds_money(self) -> bool {
        !matches!(self, Self::Closed | Self::Returned)
    }

    /// Whether it is not known yet how it ends: the channel is to be asked.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Processing | Self::Abnormal)
    }
}

/// One attempt of a refund: its number, and which attempt under it, from 1. A number alone
/// means the first attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefundAttempt {
    /// The refund's number.
    pub refund_no: RefundNo,
    /// Which attempt under this number, from 1.
    pub attempt: u32,
}

impl From<RefundNo> for RefundAttempt {
    fn from(refund_no: RefundNo) -> Self {
        Self::from((refund_no, 1))
    }
}

impl From<(RefundNo, u32)> for RefundAttempt {
    fn from((refund_no, attempt): (RefundNo, u32)) -> Self {
        Self { refund_no, attempt }
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
    query_sent_at: Option<Timestamp>,
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
            query_sent_at: None,
        })
    }

    /// What a record says of a refund; `None` where no state of the channel's says the same:
    /// it was only asked for, or its money returned.
    pub(crate) fn of(refund: &Refund) -> Option<Self> {
        let state = match refund.status {
            RefundStatus::Requested | RefundStatus::Returned => return None,
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
            query_sent_at: None,
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

    /// It is the answer to a query that was sent at `moment`, by the store's clock. Without
    /// this the fact is a notification, which may be old. After a retry or a success the
    /// store believes a failure only from the answer to a query sent later than that.
    pub const fn with_query_sent_at(mut self, moment: Timestamp) -> Self {
        self.query_sent_at = Some(moment);
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

    /// When the query was sent that this answers; `None` for a notification.
    #[must_use]
    pub const fn query_sent_at(&self) -> Option<Timestamp> {
        self.query_sent_at
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
