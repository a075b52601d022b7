//! Error codes of the channel that prove a state of an order or a refund.
//!
//! API v2 and API v3 write the same code with or without underscores, so a comparison ignores
//! underscores.

use crate::order::{ChannelState, CloseReply};

/// Returns the order state that an error code of a query proves; `None` if the code proves no
/// state.
pub(super) fn state(code: &str) -> Option<ChannelState> {
    match plain(code).as_str() {
        "ORDERNOTEXIST" => Some(ChannelState::NoSuchOrder),
        "USERPAYING" => Some(ChannelState::UserPaying),
        _ => None,
    }
}

/// Returns the close reply that an error code of a close request means. An unknown code proves
/// nothing and gives [`CloseReply::Retry`].
pub(super) fn close_reply(code: &str) -> CloseReply {
    match plain(code).as_str() {
        "ORDERPAID" => CloseReply::OrderPaid,
        "ORDERCLOSED" => CloseReply::Closed,
        "ORDERNOTEXIST" => CloseReply::NoSuchOrder,
        _ => CloseReply::Retry,
    }
}

/// Returns whether an error code proves that the channel refused a refund and would refuse the same
/// request later.
///
/// Only these codes may release the refund's reserved money. The channel also returns
/// `INVALID_REQUEST`, `ERROR` and `REFUND_FEE_MISMATCH` when a server repeats an accepted request.
/// Codes about signatures, permissions and rate limits prove nothing about the refund. If such a
/// code released the money, a second refund could pay it out again.
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

/// Returns the code without underscores.
fn plain(code: &str) -> String {
    code.chars().filter(|c| *c != '_').collect()
}
