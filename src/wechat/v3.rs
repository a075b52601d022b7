//! The transaction of v3: in notifications, once decrypted, and in answers to queries.
//!
//! Invariant: there is a payment in it only if its state is a paid one.

use serde::{Deserialize, Deserializer};

use super::cloud::told;
use super::error::MessageError;
use super::fields::{Fields, Form};
use super::payment::FieldNames;
use crate::order::{ChannelState, Command, CommandKind, Payment, Source};
use crate::types::{Label, OrderNo, Timestamp};

/// A transaction of v3, direct, of a service provider or overseas (`/v3/global/`): the
/// decrypted `resource` of a notification whose signature the server has checked, or the
/// answer to a query. A combined payment is a
/// [`CombinedTransaction`](super::CombinedTransaction).
///
/// # What is read
/// - `out_trade_no` and `trade_state` always.
/// - Where that is `SUCCESS` or `REFUND`: `transaction_id` (overseas: `id`), `amount.total`
///   (an integer, at least 1) and `success_time` (RFC 3339). `amount.currency` is `CNY`
///   unless said otherwise.
/// - `sub_appid`, `sub_mchid` and `payer.sub_openid` count where they are present and not
///   empty, else `appid`, `mchid` and `payer.openid`, else `sp_appid`, `sp_mchid` and
///   `payer.sp_openid`. They may be missing, but not be malformed.
/// - `trade_type`, `bank_type` and `amount.payer_total` are dropped if they are malformed.
///   Every other field is ignored.
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
/// // The notification's own `id`, from around what was encrypted.
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
    // Overseas transactions call it `id`.
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
    // This protocol does not tell.
    settlement_total: "",
};

impl V3Transaction {
    /// Reads a transaction. No optional field can make a payment refused, whatever stands
    /// in it.
    ///
    /// # Errors
    /// [`MessageError::NotJson`] where the bytes are not JSON, or not only that;
    /// [`MessageError::WrongKind`] where they are no object, have fields of a refund, or
    /// none of `trade_state`, `transaction_id` and `out_trade_no`;
    /// [`MessageError::TooLarge`]; else [`MessageError::Field`] with the name of the first
    /// field that the state depends on and that is missing or malformed.
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

    /// The order's number.
    #[must_use]
    pub const fn order_no(&self) -> OrderNo {
        self.no
    }

    /// How the trade stands.
    #[must_use]
    pub const fn state(&self) -> &ChannelState {
        &self.state
    }

    /// Taken as a notification: the order's number and the payment, as `confirm` takes
    /// them, from the notification of this id. `None` where it was not paid: there is
    /// nothing to do but to acknowledge.
    #[must_use]
    pub fn into_payment(self, notify_id: Option<Label>) -> Option<(OrderNo, Payment)> {
        let mut payment = match *self.state {
            ChannelState::Success(payment) | ChannelState::Refund(payment) => payment,
            _ => return None,
        };
        payment.source = Source::Callback { notify_id };
        Some((self.no, payment))
    }

    /// Taken as a notification: the same as a command.
    #[must_use]
    pub fn into_command(self, notify_id: Option<Label>) -> Option<Command> {
        let (no, payment) = self.into_payment(notify_id)?;
        let ask = CommandKind::Confirm(Box::new(payment));
        Some(Command { no, kind: ask })
    }

    pub(super) fn into_state(self) -> Box<ChannelState> {
        self.state
    }
}

impl<'de> Deserialize<'de> for V3Transaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer, &FORM)?;
        Self::from_fields(&fields).map_err(told)
    }
}

fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["trade_state", "transaction_id", "out_trade_no"])
        && !fields.has_any(&["out_refund_no", "refund_id", "refund_status"])
}

#[cfg(test)]
mod tests;
