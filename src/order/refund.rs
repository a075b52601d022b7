//! Refunds and the facts that the channel reports about them.

use serde::{Deserialize, Serialize};

use super::payment::Payment;
use crate::types::{
    Channel, Fen, Label, RefundId, RefundNo, Timestamp, TransactionId, ValueError, positive,
};

/// Refund of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refund {
    /// Payment channel of the refund.
    pub channel: Channel,
    /// The merchant's number of the refund, unique in its channel.
    pub refund_no: RefundNo,
    /// The channel's number of the refund; `None` until the channel reports it.
    pub refund_id: Option<RefundId>,
    /// Transaction that is refunded.
    pub transaction_id: TransactionId,
    /// Amount to refund: as requested, or the different amount that the channel reports.
    pub amount: Fen,
    /// Amount that the request named; `None` if it equals `amount`, or if too little of the payment
    /// is left for it.
    pub asked: Option<Fen>,
    /// Status of the refund.
    pub status: RefundStatus,
    /// Whether the refund was requested elsewhere, such as in the merchant's console. The store
    /// knows such a refund only from the channel.
    pub external: bool,
    /// Error code of the channel, if it refused the refund.
    pub code: Option<Label>,
    /// Time of the first request, or of the first report by the channel.
    pub requested_at: Timestamp,
    /// Number of the current attempt under this refund number, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// Time from which on reports about the refund are reliable. A report that contradicts the
    /// refund must come from a query that was sent later.
    ///
    /// The store sets this time when a new attempt starts, when the refund succeeds, when a closed
    /// refund continues and when the money returns. `None` before the first of these events.
    pub believed_after: Option<Timestamp>,
    /// Time of the success, by the channel's clock, or by the store's if the channel does not
    /// report it. This time stays if the money returns later.
    pub success_at: Option<Timestamp>,
    /// Time when the refund was last closed or its money returned. This time stays if a new attempt
    /// starts.
    pub ended_at: Option<Timestamp>,
    /// Time of the next check of the refund at the channel.
    pub next_check: Option<Timestamp>,
    /// Number of checks of the current attempt so far that made the delay between checks longer.
    pub checks: u32,
}

const fn first_attempt() -> u32 {
    1
}

impl Refund {
    /// Returns whether `other` is the same refund: the same channel and refund number.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.refund_no == other.refund_no
    }

    /// Returns whether `other` refunds the same transaction.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        self.channel == other.channel && self.transaction_id == other.transaction_id
    }

    /// Returns whether this refund is for the given payment.
    #[must_use]
    pub fn is_of(&self, payment: &Payment) -> bool {
        self.channel == payment.channel && self.transaction_id == payment.transaction_id
    }

    /// Returns the requested amount, or for an external refund the first reported amount. Returns
    /// `amount` if `asked` is `None`.
    #[must_use]
    pub fn asked_amount(&self) -> Fen {
        self.asked.unwrap_or(self.amount)
    }

    /// Returns the amount of its transaction that the refund has reserved or paid back: for an open
    /// refund the larger of the requested and the reported amount, for a successful one its amount,
    /// for a closed or returned one zero.
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

    /// Returns the refund after the start of its next attempt at the time `at`.
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

    /// Returns the refund with a `status` in which it reserves no money. `at` is the time of the
    /// event; `now` is the time of the store's clock, which may be earlier.
    pub(crate) fn ended(&self, status: RefundStatus, at: Timestamp, now: Timestamp) -> Self {
        let returned = status == RefundStatus::Returned;
        Self {
            status,
            // From now on, an older report of the success must not raise an anomaly. Use the time
            // of the store's clock and not `at`, because the times of queries come from this clock,
            // too.
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

    /// Creates a refund of all or part of a payment, before the server requests it from the
    /// channel.
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

/// Status of a refund. The enum is exhaustive: a new status would change the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum RefundStatus {
    /// The refund was requested here, and the reply of the channel is not known. The server may
    /// send the request again under the same number.
    Requested,
    /// The channel is processing the refund.
    Processing,
    /// The customer has received the money.
    Success,
    /// The attempt ended without success, and its reserved money is free again. The next attempt
    /// under the same number reserves the money again.
    Closed,
    /// The channel cannot deliver the money, and a person must act. The money stays reserved.
    Abnormal,
    /// The refund had succeeded, but the money came back later. A new refund needs a new
    /// number.
    Returned,
}

impl RefundStatus {
    /// Returns whether the refund has reserved or paid back money of its payment: true for every
    /// status except `Closed` and `Returned`.
    #[must_use]
    pub const fn holds_money(self) -> bool {
        !matches!(self, Self::Closed | Self::Returned)
    }

    /// Returns whether the refund has not ended yet, so the server must query the channel.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Processing | Self::Abnormal)
    }
}

/// Attempt of a refund: the refund number and the number of the attempt. A [`RefundNo`] alone
/// means the first attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundAttempt {
    /// Number of the refund.
    pub refund_no: RefundNo,
    /// Number of the attempt under this refund number, from 1.
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

/// Returns the error for a refund of zero.
pub(super) const fn nothing_back() -> ValueError {
    ValueError::zero("refund amount", "a refund needs at least 1 fen")
}

/// Verified fact: the channel reports this state of this refund. *Verified* has the same meaning
/// as for a [`Payment`].
///
/// Channel, refund number, transaction and amount identify the refund. Optional fields have no
/// influence on that, and no missing optional field causes a rejection.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct RefundFact {
    channel: Channel,
    refund_no: RefundNo,
    refund_id: Option<RefundId>,
    transaction_id: TransactionId,
    #[serde(deserialize_with = "positive")]
    amount: Fen,
    state: RefundState,
    success_at: Option<Timestamp>,
    query_sent_at: Option<Timestamp>,
    /// Whether the fact comes from a stored refund, as in an import, and not from a new report.
    is_of_record: bool,
}

impl RefundFact {
    /// Creates a fact about a refund through `wechat`. `amount` is the refunded part of the
    /// order total (`refund`, `refund_fee`), not the smaller amount that the customer receives
    /// when coupons are involved.
    ///
    /// # Errors
    /// [`ValueError`] if `amount` is zero.
    pub fn new(
        refund_no: RefundNo,
        transaction_id: TransactionId,
        amount: Fen,
        state: RefundState,
    ) -> Result<Self, ValueError> {
        if amount.is_zero() {
            return Err(nothing_back());
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
            is_of_record: false,
        })
    }

    /// Converts a recorded refund to a fact. Returns `None` for `Requested` and `Returned`,
    /// which correspond to no state of the channel.
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
            is_of_record: true,
        })
    }

    /// Sets the payment channel. Default: `wechat`.
    pub const fn with_channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Sets the channel's number of the refund.
    pub fn with_refund_id(mut self, refund_id: RefundId) -> Self {
        self.refund_id = Some(refund_id);
        self
    }

    /// Sets the time of the success, by the channel's clock.
    pub const fn with_success_at(mut self, moment: Timestamp) -> Self {
        self.success_at = Some(moment);
        self
    }

    /// Marks the fact as the response to a query that the server sent at `moment`, by the store's
    /// clock: call [`Store::now`](crate::Store::now) before the query. Without this call the fact
    /// counts as a notification, which may be old. After a retry or a success, the store accepts a
    /// failure only from a later query.
    pub const fn with_query_sent_at(mut self, moment: Timestamp) -> Self {
        self.query_sent_at = Some(moment);
        self
    }

    /// Returns whether the fact can be the answer to a query. False for a fact that comes from a
    /// stored refund.
    pub(crate) const fn may_be_answer(&self) -> bool {
        !self.is_of_record
    }

    /// Returns the payment channel of the refund.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// Returns the merchant's number of the refund.
    #[must_use]
    pub const fn refund_no(&self) -> &RefundNo {
        &self.refund_no
    }

    /// Returns the channel's number of the refund, if the channel reported it.
    #[must_use]
    pub const fn refund_id(&self) -> Option<&RefundId> {
        self.refund_id.as_ref()
    }

    /// Returns the transaction that is refunded.
    #[must_use]
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// Returns the amount of the refund.
    #[must_use]
    pub const fn amount(&self) -> Fen {
        self.amount
    }

    /// Returns the state that the channel reports.
    #[must_use]
    pub const fn state(&self) -> RefundState {
        self.state
    }

    /// Returns the time of the success, if the channel reported it.
    #[must_use]
    pub const fn success_at(&self) -> Option<Timestamp> {
        self.success_at
    }

    /// Returns the time when the server sent the query; `None` for a notification.
    #[must_use]
    pub const fn query_sent_at(&self) -> Option<Timestamp> {
        self.query_sent_at
    }
}

/// State of a refund as the channel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RefundState {
    /// `PROCESSING`: the channel is processing the refund.
    Processing,
    /// `SUCCESS`: the customer has received the money.
    Success,
    /// `CLOSED`, `REFUNDCLOSE`: the attempt ended without a refund.
    Closed,
    /// `ABNORMAL`, `CHANGE`: the channel cannot deliver the money, and a person must act.
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
mod tests;
