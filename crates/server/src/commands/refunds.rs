//! Commands about refunds.

use orderstore::{
    Channel, CommandKind, Fen, Label, NewRefund, RefundAttempt, RefundFact, RefundId, RefundNo,
    RefundRecorded, RefundRefused, RefundRequested, RefundState, RefundUnanswered, Timestamp,
    TransactionId,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Arguments;
use super::amount::exact;

/// Reserves the amount of a refund. Then request the refund from the channel under this number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestRefund {
    /// Your number of the refund.
    refund_no: RefundNo,
    /// Transaction to refund.
    transaction_id: TransactionId,
    /// Amount to refund, in the currency's minor unit. At least 1.
    #[serde(deserialize_with = "exact")]
    amount: Fen,
    /// Payment channel. Default: `wechat`.
    channel: Option<Channel>,
    /// Number of the attempt under this refund number. Default: 1. After the channel refused or
    /// closed attempt n, request attempt n + 1.
    attempt: Option<u32>,
}

impl Arguments for RequestRefund {
    type Outcome = RefundRequested;

    fn into_kind(self) -> Result<CommandKind, String> {
        let refund = NewRefund::new(self.refund_no, self.transaction_id, self.amount);
        let refund = refund
            .map_err(|error| format!("`amount`: {error}"))?
            .channel(self.channel.unwrap_or_default())
            .attempt(self.attempt.unwrap_or(1));
        Ok(CommandKind::RequestRefund(Box::new(refund)))
    }
}

/// Records the state of a refund that the channel reports.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordRefund {
    /// Your number of the refund.
    refund_no: RefundNo,
    /// Transaction that is refunded.
    transaction_id: TransactionId,
    /// Amount of the refund, in the currency's minor unit. At least 1.
    #[serde(deserialize_with = "exact")]
    amount: Fen,
    /// State that the channel reports.
    state: ReportedState,
    /// Payment channel. Default: `wechat`.
    channel: Option<Channel>,
    /// The channel's number of the refund.
    refund_id: Option<RefundId>,
    /// Time of the success, by the channel's clock.
    success_at: Option<Timestamp>,
    /// Time when you sent the query that the channel answered, by the store's clock. Leave it out
    /// for a notification.
    query_sent_at: Option<Timestamp>,
}

/// State of a refund as the channel reports it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ReportedState {
    /// The channel is processing the refund.
    Processing,
    /// The customer has received the money.
    Success,
    /// The attempt ended without a refund.
    Closed,
    /// The channel cannot deliver the money, and a person must act.
    Abnormal,
}

impl Arguments for RecordRefund {
    type Outcome = RefundRecorded;

    fn into_kind(self) -> Result<CommandKind, String> {
        let state = match self.state {
            ReportedState::Processing => RefundState::Processing,
            ReportedState::Success => RefundState::Success,
            ReportedState::Closed => RefundState::Closed,
            ReportedState::Abnormal => RefundState::Abnormal,
        };
        let fact = RefundFact::new(self.refund_no, self.transaction_id, self.amount, state);
        let mut fact = fact
            .map_err(|error| format!("`amount`: {error}"))?
            .with_channel(self.channel.unwrap_or_default());
        if let Some(id) = self.refund_id {
            fact = fact.with_refund_id(id);
        }
        if let Some(moment) = self.success_at {
            fact = fact.with_success_at(moment);
        }
        if let Some(moment) = self.query_sent_at {
            fact = fact.with_query_sent_at(moment);
        }
        Ok(CommandKind::RecordRefund(Box::new(fact)))
    }
}

/// Records that the channel refused the request for a refund. Its reserved money is free again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordRefundRefused {
    /// Your number of the refund.
    refund_no: RefundNo,
    /// Number of the refused attempt under this refund number. Default: 1.
    attempt: Option<u32>,
    /// Error code of the channel, such as `NOTENOUGH`.
    code: Label,
}

impl Arguments for RecordRefundRefused {
    type Outcome = RefundRefused;

    fn into_kind(self) -> Result<CommandKind, String> {
        let refund = RefundAttempt::from((self.refund_no, self.attempt.unwrap_or(1)));
        let code = self.code;
        Ok(CommandKind::RecordRefundRefused { refund, code })
    }
}

/// Records a query of a refund without a usable answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordRefundUnanswered {
    /// Your number of the refund.
    refund_no: RefundNo,
}

impl Arguments for RecordRefundUnanswered {
    type Outcome = RefundUnanswered;

    fn into_kind(self) -> Result<CommandKind, String> {
        let refund_no = self.refund_no;
        Ok(CommandKind::RecordRefundUnanswered { refund_no })
    }
}
