//! Parser for the payment notification of API v2, in XML.
//!
//! Invariant: an event contains a payment only if `return_code` and `result_code` are `SUCCESS`.

use super::error::MessageError;
use super::failure::{Codes, Failure};
use super::fields::{Fields, Form};
use super::notification::{Notification, payment_notice};
use super::payment::FieldNames;
use crate::order::{Command, Payment, Source};
use crate::types::{OrderNo, Timestamp};

/// Payment notification of API v2: XML in snake case. The server must check its `sign` first.
///
/// # Fields
/// - A payment needs `return_code` and `result_code` with the value `SUCCESS`. If one of them is
///   `FAIL`, the event contains no payment, and the server may acknowledge it.
/// - A payment also needs `out_trade_no`, `transaction_id`, `total_fee` (an integer, at least 1)
///   and `time_end` (`yyyyMMddHHmmss`, Beijing time). The default of `fee_type` is `CNY`.
/// - `sub_appid`, `sub_mch_id` and `sub_openid` have priority over `appid`, `mch_id` and `openid`
///   if they are present and not empty. Each may be missing, but not malformed.
/// - The parser drops malformed values of `trade_type`, `bank_type`, `cash_fee` (kept as
///   `payer_total`) and `settlement_total_fee`. It ignores every other field.
///
/// ```
/// use orderstore::wechat::{V2Event, V2Reply};
///
/// let body = b"<xml><return_code><![CDATA[FAIL]]></return_code></xml>";
/// let event = V2Event::from_xml(body)?;
/// assert!(event.into_command().is_none()); // failed: nothing to store
/// assert!(V2Reply::of(true).to_xml().contains("SUCCESS"));
/// # Ok::<(), orderstore::wechat::MessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2Event(Notification);

pub(super) const FORM: Form = Form {
    wanted: "a payment notification",
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
    /// Reads a notification from the body of a request. The parser never refuses a payment because
    /// of an optional field.
    ///
    /// # Errors
    /// - [`MessageError::NotXml`]: the bytes are not plain XML.
    /// - [`MessageError::WrongKind`]: the document has another root element, fields of a refund, or
    ///   the `trade_state` of an unpaid order. A document with none of `return_code`,
    ///   `transaction_id` and `out_trade_no` also causes this error.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a field that the payment depends on is missing or malformed. The
    ///   error names the first such field.
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
        // Reject the answer to a query, which has the same fields and also a `trade_state`. An
        // answer about an unpaid order could otherwise count as a payment.
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
    reason = "used in place of a parser, which can fail"
)]
fn is_success(state: &str) -> Result<bool, super::error::FieldError> {
    Ok(state == "SUCCESS")
}

/// Returns whether the notification has fields of a payment and none of a refund.
fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["return_code", "transaction_id", "out_trade_no"])
        && !fields.has_any(&["out_refund_no", "refund_id", "req_info"])
}

#[cfg(test)]
mod tests;
