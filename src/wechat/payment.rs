//! Reader of a payment from the fields of a message, for every protocol.
//!
//! Invariants:
//! - The amount is always the order's total. The amount that the customer paid in cash is smaller
//!   if the customer used coupons.
//! - With a service provider, the app, merchant and payer come from the `sub_` fields.
//! - The parser refuses a malformed app, merchant or payer. If it dropped the value, the store
//!   could not compare it with that of the order.

use super::error::{FieldError, MessageError};
use super::fields::Fields;
use crate::order::{ChannelState, Payment, Source, TradeState};
use crate::types::{
    AppId, Currency, Label, MchId, OpenId, OrderNo, Timestamp, TransactionId, ValueError,
};

/// Names of a payment's fields in one protocol. If a field has several names, the parser uses the
/// first one that the message has.
#[derive(Debug)]
pub(super) struct FieldNames {
    pub(super) no: &'static str,
    pub(super) state: &'static str,
    pub(super) transaction_id: &'static [&'static str],
    pub(super) total: &'static str,
    pub(super) currency: &'static str,
    pub(super) time: &'static str,
    pub(super) parse_time: fn(&str) -> Result<Timestamp, ValueError>,
    pub(super) appid: &'static [&'static str],
    pub(super) mch_id: &'static [&'static str],
    pub(super) openid: &'static [&'static str],
    pub(super) trade_type: &'static str,
    pub(super) bank_type: &'static str,
    pub(super) payer_total: &'static str,
    pub(super) settlement_total: &'static str,
}

impl FieldNames {
    /// Reads the order number.
    pub(super) fn order_no(&self, fields: &Fields) -> Result<OrderNo, MessageError> {
        fields.required(self.no, OrderNo::parse)
    }

    /// Reads the payment of a message that reports one.
    pub(super) fn payment(&self, fields: &Fields, source: Source) -> Result<Payment, MessageError> {
        let mut payment = Payment::new(
            fields.required_first(self.transaction_id, TransactionId::parse)?,
            fields.amount(self.total)?,
            fields.required(self.time, self.parse_time)?,
            source,
        )
        .map_err(|error| FieldError::from(error).of(self.total))?;
        let currency = fields.given(self.currency, Currency::parse)?;
        payment.currency = currency.unwrap_or_default();
        payment.appid = fields.first_given(self.appid, AppId::parse)?;
        payment.mch_id = fields.first_given(self.mch_id, MchId::parse)?;
        payment.openid = fields.first_given(self.openid, OpenId::parse)?;
        payment.trade_type = fields.lossy(self.trade_type, Label::parse);
        payment.bank_type = fields.lossy(self.bank_type, Label::parse);
        payment.payer_total = fields.lossy_amount(self.payer_total);
        payment.settlement_total = fields.lossy_amount(self.settlement_total);
        Ok(payment)
    }

    /// Reads the state of the order. A paid state includes the payment.
    pub(super) fn state(&self, fields: &Fields) -> Result<ChannelState, MessageError> {
        let paid = || self.payment(fields, Source::Query);
        Ok(match fields.required(self.state, trade_state)? {
            TradeState::Success => ChannelState::Success(paid()?),
            TradeState::Refund => ChannelState::Refund(paid()?),
            TradeState::NotPay => ChannelState::NotPay,
            TradeState::UserPaying => ChannelState::UserPaying,
            TradeState::Accept => ChannelState::Accept,
            TradeState::Closed => ChannelState::Closed,
            TradeState::PayError => ChannelState::PayError,
            TradeState::Revoked => ChannelState::Revoked,
            TradeState::NoSuchOrder => ChannelState::NoSuchOrder,
        })
    }
}

/// Parses the state of an order. The channel never writes "no such order" as a state: it returns an
/// error code instead.
fn trade_state(text: &str) -> Result<TradeState, FieldError> {
    Ok(match text {
        "SUCCESS" => TradeState::Success,
        "REFUND" => TradeState::Refund,
        "NOTPAY" => TradeState::NotPay,
        "USERPAYING" => TradeState::UserPaying,
        "ACCEPT" => TradeState::Accept,
        "CLOSED" => TradeState::Closed,
        "PAYERROR" => TradeState::PayError,
        "REVOKED" => TradeState::Revoked,
        _ => return Err(FieldError::NotState),
    })
}
