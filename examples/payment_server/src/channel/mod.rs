//! Requests that the server sends to a payment channel.

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

/// A payment channel. Every request is idempotent: repeating it gives the same result.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// Requests a prepay for the order.
    async fn prepay(&self, order: &Order) -> Result<PrepayValue, ChannelError>;

    /// Queries the state of an order.
    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError>;

    /// Requests the close of an order.
    async fn close(&self, no: OrderNo) -> Result<CloseReply, ChannelError>;

    /// Requests a refund.
    async fn refund(&self, what: &GiveBack) -> Result<RefundAnswer, ChannelError>;

    /// Queries the state of a refund.
    async fn query_refund(&self, refund_no: &RefundNo) -> Result<RefundAnswer, ChannelError>;
}

/// The channel's answer about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAnswer {
    /// Order number in the channel's answer.
    pub no: OrderNo,
    /// State of the refund.
    pub fact: RefundFact,
}

impl RefundAnswer {
    /// Adds the time at which the query was sent.
    pub(crate) fn sent_at(self, moment: Timestamp) -> Self {
        let fact = self.fact.with_query_sent_at(moment);
        Self { fact, ..self }
    }
}

/// A refund to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// Order number.
    pub no: OrderNo,
    /// Refund number.
    pub refund_no: RefundNo,
    /// Transaction to refund.
    pub transaction_id: TransactionId,
    /// Amount to refund.
    pub amount: Fen,
    /// Amount of the original payment.
    pub paid: Fen,
}

/// Kind of request to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Point {
    /// Requests a prepay.
    Prepay,
    /// Queries an order.
    Query,
    /// Closes an order.
    Close,
    /// Requests a refund.
    Refund,
    /// Queries a refund.
    QueryRefund,
}

impl Point {
    /// All kinds of request.
    pub const ALL: [Self; 5] = [
        Self::Prepay,
        Self::Query,
        Self::Close,
        Self::Refund,
        Self::QueryRefund,
    ];
}

/// Reason why a request to the channel failed. More variants may be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// No answer: the connection failed, the time limit passed, or the status was 429 or 5xx. The
    /// channel may have carried out the request.
    #[error("no answer from the channel")]
    Silent,
    /// The channel rejects this merchant, with status 401 or 403. It would also reject every other
    /// request until an operator corrects the keys or permissions.
    #[error(
        "the channel rejects this merchant: HTTP {status}{}; check its keys",
        coded(code.as_ref())
    )]
    Unauthorized {
        /// HTTP status.
        status: u16,
        /// Error code, if the answer has one.
        code: Option<Label>,
    },
    /// The channel rejected this request for good.
    #[error("the channel rejected the request: {code}")]
    Refused {
        /// Error code of the rejection.
        code: Label,
    },
    /// The channel answered, but without a usable result. A repeated request may get the same
    /// answer.
    #[error("unusable answer from the channel: HTTP {status}{}", coded(code.as_ref()))]
    Unusable {
        /// HTTP status.
        status: u16,
        /// Error code, if the answer has one.
        code: Option<Label>,
    },
    /// The channel's answer names another order than the requested one.
    #[error("the channel's answer is about another order")]
    OtherOrder,
    /// The channel does not know the refund.
    #[error("the channel does not know the refund")]
    NoSuchRefund,
}

fn coded(code: Option<&Label>) -> String {
    code.map_or_else(String::new, |code| format!(", {code}"))
}
