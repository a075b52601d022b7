//! Parser for the payment callback that a cloud container receives.
//!
//! Invariant: an event contains a payment only if `returnCode` and `resultCode` are `SUCCESS`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::error::MessageError;
use super::failure::{Codes, Failure};
use super::fields::{Fields, Form};
use super::notification::{Notification, payment_notice};
use super::payment::FieldNames;
use crate::order::{Command, Payment, Source};
use crate::types::{OrderNo, Timestamp};

/// Payment event that the channel sends to a cloud container: JSON in camel case.
///
/// # The event proves nothing
/// The event has no signature. Anyone who can reach the server over HTTP can send one. Use the
/// event as a hint only, unless the network restricts the path to the channel. Query the channel
/// for [`order_no`](Self::order_no), and confirm with the channel's answer.
///
/// # Fields
/// - A payment needs `returnCode` and `resultCode` with the value `SUCCESS`. If one of them is
///   `FAIL`, the event contains no payment, and the server may acknowledge it.
/// - A payment also needs `outTradeNo`, `transactionId`, `totalFee` (an integer, at least 1) and
///   `timeEnd` (`yyyyMMddHHmmss`, Beijing time). The default of `feeType` is `CNY`.
/// - `subAppid`, `subMchId` and `subOpenid` have priority over `appid`, `mchId` and `openid` if
///   they are present and not empty. Each may be missing, but not malformed.
/// - The parser drops malformed values of `tradeType`, `bankType`, `cashFee` (kept as
///   `payer_total`) and `settlementTotalFee`. It ignores every other field.
///
/// ```
/// use orderstore::wechat::{CloudEvent, CloudReply};
///
/// let body = include_bytes!("../../examples/data/cloud_event.json");
/// let event = CloudEvent::from_json(body)?;
/// let reply = match event.into_payment() {
///     Some((no, payment)) => {
///         assert_eq!(no.as_str(), "2021WERUN1647839289398");
///         assert_eq!(payment.paid_fee.as_u64(), 1);
///         // Here the server queries the channel for `no`, confirms the payment of the
///         // channel's answer, and replies `CloudReply::to(&answer)`.
///         CloudReply::of(false)
///     }
///     None => CloudReply::of(true), // the payment failed: nothing to store
/// };
/// assert_ne!(reply.errcode, 0);
/// # Ok::<(), orderstore::wechat::MessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent(Notification);

const FORM: Form = Form {
    wanted: "a payment event",
    deciding: &[
        "returnCode",
        "resultCode",
        "transactionId",
        "outTradeNo",
        "totalFee",
        "feeType",
        "timeEnd",
        "appid",
        "subAppid",
        "mchId",
        "subMchId",
        "openid",
        "subOpenid",
        "outRefundNo",
        "refundId",
    ],
    optional: &[
        "tradeType",
        "bankType",
        "cashFee",
        "settlementTotalFee",
        "returnMsg",
        "errCode",
        "errCodeDes",
    ],
};

pub(super) const WORDS: FieldNames = FieldNames {
    no: "outTradeNo",
    state: "tradeState",
    transaction_id: &["transactionId"],
    total: "totalFee",
    currency: "feeType",
    time: "timeEnd",
    parse_time: Timestamp::parse_compact,
    appid: &["subAppid", "appid"],
    mch_id: &["subMchId", "mchId"],
    openid: &["subOpenid", "openid"],
    trade_type: "tradeType",
    bank_type: "bankType",
    payer_total: "cashFee",
    settlement_total: "settlementTotalFee",
};

pub(super) const CODES: Codes = Codes {
    return_code: "returnCode",
    result_code: "resultCode",
    no: "outTradeNo",
    return_msg: "returnMsg",
    err_code: "errCode",
    err_code_des: "errCodeDes",
};

impl CloudEvent {
    /// Reads an event from the body of a request.
    ///
    /// This function never refuses a payment because of an optional field. `Deserialize` does so if
    /// the format's own parser refuses the value, for example the number `1e999`.
    ///
    /// # Errors
    /// - [`MessageError::NotJson`]: the bytes are not exactly one JSON value.
    /// - [`MessageError::WrongKind`]: the value is not an object, has fields of a refund, or has
    ///   none of `returnCode`, `transactionId` and `outTradeNo`.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a field that the payment depends on is missing or malformed. The
    ///   error names the first such field.
    pub fn from_json(json: &[u8]) -> Result<Self, MessageError> {
        Self::from_fields(&Fields::from_json(json, &FORM)?)
    }

    fn from_fields(fields: &Fields) -> Result<Self, MessageError> {
        if !is_of_payment(fields) {
            return Err(fields.wrong_kind());
        }
        if !CODES.succeeded(fields)? {
            return Ok(Self(Notification::Failed(CODES.failure(fields))));
        }
        let no = WORDS.order_no(fields)?;
        let payment = WORDS.payment(fields, Source::CALLBACK)?;
        Ok(Self(Notification::Paid(no, Box::new(payment))))
    }
}

payment_notice!(CloudEvent);

impl<'de> Deserialize<'de> for CloudEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer, &FORM)?;
        Self::from_fields(&fields).map_err(into_serde_error)
    }
}

/// Converts the error to a serde error, which has one message and no source.
pub(super) fn into_serde_error<E: Error>(error: MessageError) -> E {
    match error {
        MessageError::Field { source, .. } => E::custom(format!("{error}: {source}")),
        other => E::custom(other),
    }
}

/// Returns whether the event has fields of a payment and none of a refund.
fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["returnCode", "transactionId", "outTradeNo"])
        && !fields.has_any(&["outRefundNo", "refundId"])
}

#[cfg(test)]
mod tests;
