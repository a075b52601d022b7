//! The payment notification of v2: XML.
//!
//! Invariant: a payment is in an event only if both codes say `SUCCESS`.

use super::error::MessageError;
use super::failure::{Codes, Failure};
use super::fields::{Fields, Form};
use super::notification::{Notification, payment_notice};
use super::payment::FieldNames;
use crate::order::{Command, Payment, Source};
use crate::types::{OrderNo, Timestamp};

/// A payment notification of v2: XML in snake case, whose `sign` the server has checked.
///
/// # What is read
/// - `return_code` and `result_code` must both be `SUCCESS` for the event to carry a
///   payment. `FAIL` in either makes it an event without one, which may be acknowledged.
/// - A payment needs `out_trade_no`, `transaction_id`, `total_fee` (an integer, at least 1)
///   and `time_end` (`yyyyMMddHHmmss`, Beijing). `fee_type` is `CNY` unless said otherwise.
/// - `sub_appid`, `sub_mch_id` and `sub_openid` count where they are present and not empty,
///   else `appid`, `mch_id` and `openid`. They may be missing, but not be malformed.
/// - `trade_type`, `bank_type`, `cash_fee` (kept as `payer_total`) and
///   `settlement_total_fee` are dropped if they are malformed. Every other field is ignored.
///
/// ```
/// use orderstore::wechat::{V2Event, V2Reply};
///
/// let body = b"<xml><return_code><![CDATA[FAIL]]></return_code></xml>";
/// let event = V2Event::from_xml(body)?;
/// assert!(event.into_command().is_none()); // it failed: there is nothing to keep
/// assert!(V2Reply::of(true).to_xml().contains("SUCCESS"));
/// # Ok::<(), orderstore::wechat::MessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2Event(Notification);

pub(super) const FORM: Form = Form {
    wanted: "the notification of a payment",
    deciding: &[
        "return_code",
        "result_code",
        "trade_state",
        "transaction_id",
        "out_trade_no",
        "total_fee",
        "fee_type",
        "time_end",
        "appid",
        "sub_appid",
        "mch_id",
        "sub_mch_id",
        "openid",
        "sub_openid",
        "out_refund_no",
        "refund_id",
        "req_info",
    ],
    optional: &[
        "trade_type",
        "bank_type",
        "cash_fee",
        "settlement_total_fee",
        "return_msg",
        "err_code",
        "err_code_des",
    ],
};

pub(super) const WORDS: FieldNames = FieldNames {
    no: "out_trade_no",
    state: "trade_state",
    transaction_id: &["transaction_id"],
    total: "total_fee",
    currency: "fee_type",
    time: "time_end",
    parse_time: Timestamp::parse_compact,
    appid: &["sub_appid", "appid"],
    mch_id: &["sub_mch_id", "mch_id"],
    openid: &["sub_openid", "openid"],
    trade_type: "trade_type",
    bank_type: "bank_type",
    payer_total: "cash_fee",
    settlement_total: "settlement_total_fee",
};

pub(super) const CODES: Codes = Codes {
    return_code: "return_code",
    result_code: "result_code",
    no: "out_trade_no",
    return_msg: "return_msg",
    err_code: "err_code",
    err_code_des: "err_code_des",
};

impl V2Event {
    /// Reads a notification from the body of a request. No optional field can make a
    /// payment refused, whatever stands in it.
    ///
    /// # Errors
    /// [`MessageError::NotXml`] where the bytes are not plain XML;
    /// [`MessageError::WrongKind`] where they are another document, have fields of a refund
    /// or the `trade_state` of an unpaid order, or none of `return_code`, `transaction_id`
    /// and `out_trade_no`; [`MessageError::TooLarge`]; else [`MessageError::Field`] with the
    /// name of the first field that the payment depends on and that is missing or malformed.
    pub fn from_xml(xml: &[u8]) -> Result<Self, MessageError> {
        Self::from_fields(&Fields::from_xml(xml, &FORM)?)
    }

    fn from_fields(fields: &Fields) -> Result<Self, MessageError> {
        if !is_of_payment(fields) {
            return Err(fields.wrong_kind());
        }
        if !CODES.succeeded(fields)? {
            return Ok(Self(Notification::Failed(CODES.failure(fields))));
        }
        // Answers to queries look the same but for their state.
        if fields.given("trade_state", is_success)? == Some(false) {
            return Err(fields.wrong_kind());
        }
        let no = WORDS.order_no(fields)?;
        let payment = WORDS.payment(fields, Source::CALLBACK)?;
        Ok(Self(Notification::Paid(no, Box::new(payment))))
    }
}

payment_notice!(V2Event);

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where parsers of texts do"
)]
fn is_success(state: &str) -> Result<bool, super::error::FieldError> {
    Ok(state == "SUCCESS")
}

fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["return_code", "transaction_id", "out_trade_no"])
        && !fields.has_any(&["out_refund_no", "refund_id", "req_info"])
}

#[cfg(test)]
mod tests;
