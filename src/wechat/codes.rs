//! Error codes of the channel that prove a state of an order or a refund.
//!
//! v2 and v3 write the same code with or without underscores, so a comparison ignores them.

use crate::order::{ChannelState, CloseReply};

/// Order state that a code in the answer to a query proves; `None` if it proves none.
pub(super) fn state(code: &str) -> Option<ChannelState> {
    match plain(code).as_str() {
        "ORDERNOTEXIST" => Some(ChannelState::NoSuchOrder),
        "USERPAYING" => Some(ChannelState::UserPaying),
        _ => None,
    }
}

/// Meaning of a code in the answer to a close request. An unknown code proves nothing, so the
/// result is [`CloseReply::Retry`].
pub(super) fn close_reply(code: &str) -> CloseReply {
    match plain(code).as_str() {
        "ORDERPAID" => CloseReply::OrderPaid,
        "ORDERCLOSED" => CloseReply::Closed,
        "ORDERNOTEXIST" => CloseReply::NoSuchOrder,
        _ => CloseReply::Retry,
    }
}

/// Whether a code proves that the channel did not accept a refund, and will not accept the same
/// request later.
///
/// Only these codes may release the refund's reserved money. The channel also returns
/// `INVALID_REQUEST`, `ERROR` and `REFUND_FEE_MISMATCH` when a server repeats a request that the
/// channel has accepted. Codes about signatures, permissions and rate limits say nothing about the
/// refund. If one of these released the money, it could be refunded twice.
pub(super) fn refuses_refund(code: &str) -> bool {
    matches!(
        plain(code).as_str(),
        "INVALIDTRANSACTIONID"
            | "NOTENOUGH"
            | "ORDERNOTEXIST"
            | "PARAMERROR"
            | "REQUESTBLOCKED"
            | "RESOURCENOTEXISTS"
            | "TRADEOVERDUE"
            | "USERACCOUNTABNORMAL"
    )
}

fn plain(code: &str) -> String {
    code.chars().filter(|c| *c != '_').collect()
}
