//! What the server asks of a payment channel.

mod v3;

use std::fmt::Debug;

use async_trait::async_trait;
use orderstore::{
    ChannelState, CloseReply, Fen, Label, Order, OrderNo, PrepayValue, RefundFact, RefundNo,
    TransactionId,
};
use thiserror::Error;

pub use v3::V3Channel;

/// A payment channel. Every question may be asked again: the channel answers the same.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// Asks for an invitation to pay the order.
    async fn prepay(&self, order: &Order) -> Result<PrepayValue, ChannelError>;

    /// Asks how an order stands.
    async fn query(&self, no: OrderNo) -> Result<ChannelState, ChannelError>;

    /// Asks to close an order. Where there is no answer, it is [`CloseReply::Retry`].
    async fn close(&self, no: OrderNo) -> CloseReply;

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

/// Why a channel did not do what it was asked for. May grow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// There was no answer, or none that says anything: it may have been done.
    #[error("the channel gave no answer")]
    Silent,
    /// It refused, certainly and for good.
    #[error("the channel refused: {code}")]
    Refused {
        /// Its code.
        code: Label,
    },
    /// Its answer is about another order than the one asked about.
    #[error("the channel's answer is about another order")]
    OtherOrder,
    /// It knows no such refund.
    #[error("the channel knows no such refund")]
    NoSuchRefund,
}
