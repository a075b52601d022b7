//! The payment callback as a cloud container receives it.
//!
//! Invariant: a payment is in an event only if both codes say `SUCCESS`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::error::MessageError;
use super::failure::{Codes, Failure};
use super::fields::{Fields, Form};
use super::notification::{Notification, payment_notice};
use super::payment::FieldNames;
use crate::order::{Command, Payment, Source};
use crate::types::{OrderNo, Timestamp};

/// A payment callback as a cloud container receives it: JSON in camel case.
///
/// # A hint, not a proof
/// The event carries no signature, so over HTTP anybody who reaches the server can send
/// one. Unless the path is closed to all but the channel, take it as a hint: query the
/// channel for [`order_no`](Self::order_no), and confirm from what the channel answers.
///
/// # What is read
/// - `returnCode` and `resultCode` must both be `SUCCESS` for the event to carry a
///   payment. `FAIL` in either makes it an event without one, which may be acknowledged.
/// - A payment needs `outTradeNo`, `transactionId`, `totalFee` (an integer, at least 1) and
///   `timeEnd` (`yyyyMMddHHmmss`, Beijing). `feeType` is `CNY` unless said otherwise.
/// - `subAppid`, `subMchId` and `subOpenid` count where they are present and not empty,
///   else `appid`, `mchId` and `openid`. They may be missing, but not be malformed.
/// - `tradeType`, `bankType`, `cashFee` (kept as `payer_total`) and `settlementTotalFee`
///   are dropped if they are malformed. Every other field is ignored.
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
///         // Here the server asks the channel about `no`, confirms what it hears, and
///         // replies `CloudReply::to(&answer)`.
///         CloudReply::of(false)
///     }
///     None => CloudReply::of(true), // it failed: there is nothing to keep
/// };
/// assert_ne!(reply.errcode, 0);
/// # Ok::<(), orderstore::wechat::MessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent(Notification);

const FORM: Form = Form {
    wanted: "the event of a payment",
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
    /// No optional field can make a payment refused here, whatever stands in it. Through
    /// `Deserialize` the same holds for every value that the format's own parser takes: a
    /// number such as `1e999` it may not.
    ///
    /// # Errors
    /// [`MessageError::NotJson`] where the bytes are not JSON, or not only that;
    /// [`MessageError::WrongKind`] where they are no object, have fields of a refund, or
    /// none of `returnCode`, `transactionId` and `outTradeNo`; [`MessageError::TooLarge`];
    /// else [`MessageError::Field`] with the name of the first field that the payment
    /// depends on and that is missing or malformed.
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
        Self::from_fields(&fields).map_err(told)
    }
}

/// The error as a format carries it: with one message, and without a source.
pub(super) fn told<E: Error>(error: MessageError) -> E {
    match error {
        MessageError::Field { source, .. } => E::custom(format!("{error}: {source}")),
        other => E::custom(other),
    }
}

fn is_of_payment(fields: &Fields) -> bool {
    fields.has_any(&["returnCode", "transactionId", "outTradeNo"])
        && !fields.has_any(&["outRefundNo", "refundId"])
}

#[cfg(test)]
mod tests;
