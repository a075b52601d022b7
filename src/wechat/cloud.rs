//! The payment callback as a cloud container receives it.
//!
//! Invariants:
//! - A payment is in an event only if both codes say `SUCCESS`.
//! - The amount is `totalFee` and nothing else: coupons make `cashFee` smaller.
//! - Where a service provider is involved, identity is the `sub` one. An identity that is
//!   there and malformed is refused and not dropped: dropped, it would not be compared.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::error::{CloudEventError, FieldError};
use super::fields::Fields;
use crate::order::{Payment, Source};
use crate::value::{
    AppId, Currency, IdError, Label, MchId, Note, OpenId, OrderNo, Timestamp, TransactionId,
};

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
/// # Ok::<(), orderstore::wechat::CloudEventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Paid(OrderNo, Box<Payment>),
    Failed(CloudFailure),
}

/// What an event without a payment says. Every field is missing where the event has none
/// or a malformed one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloudFailure {
    /// The order's number: `outTradeNo`.
    pub order_no: Option<OrderNo>,
    /// What went wrong with the call itself, in words: `returnMsg`.
    pub return_msg: Option<Note>,
    /// The code of what went wrong with the trade: `errCode`.
    pub err_code: Option<Label>,
    /// What went wrong with the trade, in words: `errCodeDes`.
    pub err_code_des: Option<Note>,
}

impl CloudEvent {
    /// Reads an event from the body of a request.
    ///
    /// No optional field can make a payment refused here, whatever stands in it. Through
    /// `Deserialize` the same holds for every value that the format's own parser takes: a
    /// number such as `1e999` it may not.
    ///
    /// # Errors
    /// [`CloudEventError::NotJson`] where the bytes are not JSON, or not only that;
    /// [`CloudEventError::WrongKind`] where they are no object, have fields of a refund, or
    /// none of `returnCode`, `transactionId` and `outTradeNo`; else
    /// [`CloudEventError::Field`] with the name of the first field that the payment depends
    /// on and that is missing or malformed.
    pub fn from_json(json: &[u8]) -> Result<Self, CloudEventError> {
        Self::from_fields(&Fields::from_json(json)?)
    }

    /// The order's number. An event without a payment may have none.
    #[must_use]
    pub const fn order_no(&self) -> Option<OrderNo> {
        match &self.0 {
            Kind::Paid(no, _) => Some(*no),
            Kind::Failed(failure) => failure.order_no,
        }
    }

    /// The payment, if both codes say so.
    #[must_use]
    pub const fn payment(&self) -> Option<&Payment> {
        match &self.0 {
            Kind::Paid(_, payment) => Some(payment),
            Kind::Failed(_) => None,
        }
    }

    /// The order's number and the payment, as `confirm` takes them.
    #[must_use]
    pub fn into_payment(self) -> Option<(OrderNo, Payment)> {
        match self.0 {
            Kind::Paid(no, payment) => Some((no, *payment)),
            Kind::Failed(_) => None,
        }
    }

    /// What failed, if the event carries no payment.
    #[must_use]
    pub const fn failure(&self) -> Option<&CloudFailure> {
        match &self.0 {
            Kind::Paid(..) => None,
            Kind::Failed(failure) => Some(failure),
        }
    }

    fn from_fields(fields: &Fields) -> Result<Self, CloudEventError> {
        if !is_of_payment(fields) {
            return Err(CloudEventError::WrongKind);
        }
        let paid = succeeded(fields, "returnCode")? && succeeded(fields, "resultCode")?;
        if !paid {
            return Ok(Self(Kind::Failed(failure(fields))));
        }
        let no = fields.required("outTradeNo", OrderNo::parse)?;
        Ok(Self(Kind::Paid(no, Box::new(payment(fields)?))))
    }
}

impl<'de> Deserialize<'de> for CloudEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        Self::from_fields(&fields).map_err(|error| match error {
            // The format's error keeps one message and no source.
            CloudEventError::Field { source, .. } => D::Error::custom(format!("{error}: {source}")),
            other => D::Error::custom(other),
        })
    }
}

fn is_of_payment(fields: &Fields) -> bool {
    let any = |names: &[&'static str]| names.iter().any(|name| fields.has(name));
    any(&["returnCode", "transactionId", "outTradeNo"]) && !any(&["outRefundNo", "refundId"])
}

fn succeeded(fields: &Fields, name: &'static str) -> Result<bool, CloudEventError> {
    fields.required(name, |code| match code {
        "SUCCESS" => Ok(true),
        "FAIL" => Ok(false),
        _ => Err(FieldError::NotCode),
    })
}

fn failure(fields: &Fields) -> CloudFailure {
    CloudFailure {
        order_no: fields.lossy("outTradeNo", OrderNo::parse),
        return_msg: fields.lossy("returnMsg", Note::parse),
        err_code: fields.lossy("errCode", Label::parse),
        err_code_des: fields.lossy("errCodeDes", Note::parse),
    }
}

fn payment(fields: &Fields) -> Result<Payment, CloudEventError> {
    let mut payment = Payment::new(
        fields.required("transactionId", TransactionId::parse)?,
        fields.amount("totalFee")?,
        fields.required("timeEnd", Timestamp::parse_compact)?,
        Source::CALLBACK,
    )
    .map_err(|error| FieldError::from(error).of("totalFee"))?;
    let currency = fields.given("feeType", Currency::parse)?;
    payment.currency = currency.unwrap_or_default();
    payment.appid = identity(fields, ["subAppid", "appid"], AppId::parse)?;
    payment.mch_id = identity(fields, ["subMchId", "mchId"], MchId::parse)?;
    payment.openid = identity(fields, ["subOpenid", "openid"], OpenId::parse)?;
    payment.trade_type = fields.lossy("tradeType", Label::parse);
    payment.bank_type = fields.lossy("bankType", Label::parse);
    payment.payer_total = fields.lossy_amount("cashFee");
    payment.settlement_total = fields.lossy_amount("settlementTotalFee");
    Ok(payment)
}

/// The merchant's own identity where there is one, else the plain one.
fn identity<T>(
    fields: &Fields,
    [sub, plain]: [&'static str; 2],
    parse: fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, CloudEventError> {
    match fields.given(sub, parse)? {
        Some(own) => Ok(Some(own)),
        None => fields.given(plain, parse),
    }
}

#[cfg(test)]
mod tests;
