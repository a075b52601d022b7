//! Error codes of the channel that say how an order stands. v2 and v3 write them with and
//! without underscores, so these do not count.

use crate::order::{ChannelState, CloseReply};

/// What a code says to whoever asked about an order; `None` where it says nothing of it.
pub(super) fn state(code: &str) -> Option<ChannelState> {
    match plain(code).as_str() {
        "ORDERNOTEXIST" => Some(ChannelState::NoSuchOrder),
        "USERPAYING" => Some(ChannelState::UserPaying),
        _ => None,
    }
}

/// What a code says to whoever asked to close an order. What is not known proves nothing,
/// so the channel is asked again.
pub(super) fn close_reply(code: &str) -> CloseReply {
    match plain(code).as_str() {
        "ORDERPAID" => CloseReply::OrderPaid,
        "ORDERCLOSED" => CloseReply::Closed,
        "ORDERNOTEXIST" => CloseReply::NoSuchOrder,
        _ => CloseReply::Retry,
    }
}

/// Whether a code says that a refund was not taken and will not be taken as it was asked for.
///
/// No other code frees the refund's money here. `INVALID_REQUEST`, `ERROR` and
/// `REFUND_FEE_MISMATCH` also answer a repeat of a request that the channel has taken; codes
/// of signatures, permissions and frequency say nothing about this refund.
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
