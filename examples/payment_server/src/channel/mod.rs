//! What the server asks of a payment channel.

mod v3;

use std::fmt::Debug;

use async_trait::async_trait;
use orderstore::{
    ChannelState, CloseReply, Fen, Label, Order, OrderNo, PrepayValue, RefundFact, RefundNo,
    Timestamp, TransactionId,
};
use serde::Serialize;
use thiserror::Error;

pub use v3::V3Channel;

/// A payment channel. Every question may be asked again: the channel answers the same.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// Asks for an invitation to pay the order.
    async fn prepay(&self, order: &Order) -> Result<PrepayValue, ChannelError>;

    /// Asks how an order stands.
    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError>;

    /// Asks to close an order.
    async fn close(&self, no: OrderNo) -> Result<CloseReply, ChannelError>;

    /// Asks to give money back.
    async fn refund(&self, what: &GiveBack) -> Result<RefundAnswer, ChannelError>;

    /// Asks how a refund stands.
    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError>;
}

/// The channel's answer about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAnswer {
    /// The order that the channel names in its answer.
    pub no: OrderNo,
    /// The state of the refund.
    pub fact: RefundFact,
}

impl RefundAnswer {
    /// Dates the answer by when its question was sent.
    pub(crate) fn sent_at(self, moment: Timestamp) -> Self {
        let fact = self.fact.with_query_sent_at(moment);
        Self { fact, ..self }
    }
}

/// Money that is to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// Of which order.
    pub no: OrderNo,
    /// Under which number.
    pub refund_no: RefundNo,
    /// Of which payment.
    pub transaction_id: TransactionId,
    /// How much.
    pub amount: Fen,
    /// How much that payment was.
    pub paid: Fen,
}

/// A question to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Point {
    /// For an invitation to pay.
    Prepay,
    /// How an order stands.
    Query,
    /// To close an order.
    Close,
    /// To give money back.
    Refund,
    /// How a refund stands.
    QueryRefund,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Prepay,
        Self::Query,
        Self::Close,
        Self::Refund,
        Self::QueryRefund,
    ];
}

/// Why a channel did not do what it was asked for. May grow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel is silent: the connection failed, no answer came in time, or the status
    /// was 429 or 5xx. The request may have been carried out.
    #[error("the channel gave no answer")]
    Silent,
    /// The channel refuses this merchant, with status 401 or 403. Every other question
    /// would be refused, too, until a person has put the keys or permissions right.
    #[error("the channel refuses this merchant: HTTP {status}{}", coded(code.as_ref()))]
    Unauthorized {
        /// HTTP status.
        status: u16,
        /// Code, where the answer has one.
        code: Option<Label>,
    },
    /// The channel refused this request for good.
    #[error("the channel refused: {code}")]
    Refused {
        /// Its code.
        code: Label,
    },
    /// The channel answered, and the answer says nothing usable of what was asked about.
    /// The same question may be answered in the same way for ever.
    #[error("the channel's answer cannot be used: HTTP {status}{}", coded(code.as_ref()))]
    Unusable {
        /// HTTP status.
        status: u16,
        /// Code, where the answer has one.
        code: Option<Label>,
    },
    /// The channel's answer is about another order than the one asked about.
    #[error("the channel's answer is about another order")]
    OtherOrder,
    /// The channel knows no such refund.
    #[error("the channel knows no such refund")]
    NoSuchRefund,
}

fn coded(code: Option<&Label>) -> String {
    code.map_or_else(String::new, |code| format!(", {code}"))
}
