//! Parser for the transaction of API v3, from a decrypted notification or the answer to a query.
//!
//! Invariant: a transaction contains a payment only if its state is a paid one.

use serde::{Deserialize, Deserializer};

use super::cloud::into_serde_error;
use super::error::MessageError;
use super::fields::{Fields, Form};
use super::payment::FieldNames;
use crate::order::{ChannelState, Command, CommandKind, Payment, Source};
use crate::types::{Label, OrderNo, Timestamp};

/// Transaction of API v3: direct, of a service provider, or overseas (`/v3/global/`).
///
/// The message is one of these:
/// - the decrypted `resource` of a notification whose signature the server has checked
/// - the answer to a query
///
/// Use [`CombinedTransaction`](super::CombinedTransaction) for a combined payment.
///
/// # Fields
/// - The message needs `out_trade_no` and `trade_state`.
/// - If the state is `SUCCESS` or `REFUND`, the message also needs `transaction_id` (overseas:
///   `id`), `amount.total` (an integer, at least 1) and `success_time` (RFC 3339). The default of
///   `amount.currency` is `CNY`.
/// - Each identity comes from the first of these fields that is present and not empty:
///   - `sub_appid`, `appid`, `sp_appid`
///   - `sub_mchid`, `mchid`, `sp_mchid`
///   - `payer.sub_openid`, `payer.openid`, `payer.sp_openid`
///
///   An identity may be missing, but not malformed.
/// - The parser drops malformed values of `trade_type`, `bank_type` and `amount.payer_total`. It
///   ignores every other field.
///
/// ```
/// use orderstore::wechat::V3Transaction;
/// use orderstore::Label;
///
/// let decrypted = br#"{
///     "out_trade_no": "1217752501201407033233368018", "trade_state": "SUCCESS",
///     "transaction_id": "1217752501201407033233368018",
///     "success_time": "2018-06-08T10:34:56+08:00", "amount": { "total": 100 }
/// }"#;
/// let transaction = V3Transaction::from_json(decrypted)?;
/// // The `id` of the notification, outside the encrypted part.
/// let id = Label::lossy("EV-2018022511223320873");
/// let (no, payment) = transaction.into_payment(id).ok_or("not paid")?;
/// assert_eq!(payment.paid_fee.as_u64(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V3Transaction {
    no: OrderNo,
    state: Box<ChannelState>,
}

pub(super) const FORM: Form = Form {
    wanted: "a transaction",
    deciding: &[
        "out_trade_no",
        "trade_state",
        "transaction_id",
        "id",
        "amount.total",
        "amount.currency",
        "success_time",
        "sub_appid",
        "appid",
        "sp_appid",
        "sub_mchid",
        "mchid",
        "sp_mchid",
        "payer.sub_openid",
        "payer.openid",
        "payer.sp_openid",
        "out_refund_no",
        "refund_id",
        "refund_status",
    ],
    optional: &["trade_type", "bank_type", "amount.payer_total"],
};

const WORDS: FieldNames = FieldNames {
    no: "out_trade_no",
    state: "trade_state",
    // Overseas transactions call this field `id`.
    transaction_id: &["transaction_id", "id"],
    total: "amount.total",
    currency: "amount.currency",
    time: "success_time",
    parse_time: Timestamp::parse_rfc3339,
    appid: &["sub_appid", "appid", "sp_appid"],
    mch_id: &["sub_mchid", "mchid", "sp_mchid"],
    openid: &["payer.sub_openid", "payer.openid", "payer.sp_openid"],
    trade_type: "trade_type",
    bank_type: "bank_type",
    payer_total: "amount.payer_total",
    // Empty, because these messages have no settlement total.
    settlement_total: "",
};

impl V3Transaction {
    /// Reads a transaction. The parser never refuses a payment because of an optional field.
    ///
    /// # Errors
    /// - [`MessageError::NotJson`]: the bytes are not exactly one JSON value.
    /// - [`MessageError::WrongKind`]: the value is not an object, has fields of a refund, or has
    ///   none of `trade_state`, `transaction_id` and `out_trade_no`.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a field that the state depends on is missing or malformed. The
    ///   error names the first such field.
    pub fn from_json(json: &[u8]) -> Result<Self, MessageError> {
        Self::from_fields(&Fields::from_json(json, &FORM)?)
    }

    fn from_fields(fields: &Fields) -> Result<Self, MessageError> {
        if !is_of_payment(fields) {
            return Err(fields.wrong_kind());
        }
        let no = WORDS.order_no(fields)?;
        Ok(Self::new(no, WORDS.state(fields)?))
    }

    pub(super) fn new(no: OrderNo, state: ChannelState) -> Self {
        let state = Box::new(state);
        Self { no, state }
    }

    /// Returns the order number.
    #[must_use]
    pub const fn order_no(&self) -> OrderNo {
        self.no
    }

    /// Returns the state of the order that the channel reports.
    #[must_use]
    pub const fn state(&self) -> &ChannelState {
        &self.state
    }

    /// Order number and payment of a notification, to pass to `confirm`. `None` if the state is not
    /// a paid one: the server then only acknowledges the notification.
    ///
    /// `notify_id` is the notification's id. The payment's source keeps it.
    #[must_use]
    pub fn into_payment(self, notify_id: Option<Label>) -> Option<(OrderNo, Payment)> {
        let mut payment = match *self.state {
            ChannelState::Success(payment) | ChannelState::Refund(payment) => payment,
            _ => return None,
        };
        payment.source = Source::Callback { notify_id };
        Some((self.no, payment))
    }

    /// Returns the command that confirms the payment of a notification. See
    /// [`into_payment`](Self::into_payment).
    #[must_use]
    pub fn into_command(self, notify_id: Option<Label>) -> Option<Command> {
        let (no, payment) = self.into_payment(notify_id)?;
        let kind = CommandKind::Confirm(Box::new(payment));
        Some(Command { no, kind })
    }

    pub(super) fn into_state(self) -> Box<ChannelState> {
        self.state
    }
}

impl<'de> Deserialize<'de> for V3Transaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer, &FORM)?;
        Self::from_fields(&fields).map_err(into_serde_error)
    }
}

/// Returns whether the message has fields of a payment and none of a refund.
fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["trade_state", "transaction_id", "out_trade_no"])
        && !fields.has_any(&["out_refund_no", "refund_id", "refund_status"])
}

#[cfg(test)]
mod tests;
