//! Combined payments of API v3 (合单): the customer pays several orders at once.
//!
//! Invariants:
//! - The parser reads each order separately. An invalid order does not hide the others.
//! - A payment belongs to the number of its own order, never to the combined number.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{FieldError, MessageError};
use super::fields::{Fields, Form, without_bom};
use super::payment::FieldNames;
use super::v3::V3Transaction;
use crate::order::ChannelState;
use crate::types::{AppId, OpenId, OrderNo, Timestamp};

/// Combined payment of API v3, with one transaction per order.
///
/// The message is one of these:
/// - the decrypted `resource` of a notification whose signature the server has checked
/// - the answer to a query
///
/// The `event_type` of a notification is `TRANSACTION.SUCCESS` for combined and single payments. A
/// server that accepts both tries [`V3Transaction`] first, and this type if that returns
/// [`MessageError::WrongKind`].
///
/// # Fields
/// - The message needs `combine_out_trade_no`.
/// - Each element of `sub_orders` needs `out_trade_no` and `trade_state`. If the state is `SUCCESS`
///   or `REFUND`, the element also needs `transaction_id`, `amount.total_amount` (an integer, at
///   least 1) and `success_time` (RFC 3339). The default of `amount.currency` is `CNY`.
/// - `sub_appid` and `sub_openid` of an order have priority over `combine_appid` and
///   `combine_payer_info.openid` if they are present and not empty. `sub_mchid` has priority over
///   `mchid`. Each may be missing, but not malformed.
/// - The parser drops malformed values of `trade_type`, `bank_type` and `amount.payer_amount`. It
///   ignores every other field.
///
/// ```
/// use orderstore::wechat::CombinedTransaction;
///
/// let decrypted = br#"{
///     "combine_out_trade_no": "P20150806125346",
///     "sub_orders": [{
///         "out_trade_no": "20150806125346", "trade_state": "SUCCESS", "mchid": "1900000109",
///         "transaction_id": "1009660380201506130728806387",
///         "success_time": "2015-05-20T13:29:35+08:00", "amount": { "total_amount": 10 }
///     }]
/// }"#;
/// let combined = CombinedTransaction::from_json(decrypted)?;
/// for order in combined.into_sub_orders() {
///     // If one order is invalid, confirm the others and reply "not received".
///     let order = order?;
///     let (no, payment) = order.into_payment(None).ok_or("not paid")?;
///     assert_eq!((no.as_str(), payment.paid_fee.as_u64()), ("20150806125346", 10));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedTransaction {
    no: OrderNo,
    sub_orders: Vec<Result<V3Transaction, MessageError>>,
}

const FORM: Form = Form {
    wanted: "a combined payment",
    deciding: &[
        "combine_out_trade_no",
        "combine_appid",
        "combine_payer_info.openid",
    ],
    optional: &[],
};

const SUB_ORDER_FORM: Form = Form {
    wanted: "an order of a combined payment",
    deciding: &[
        "out_trade_no",
        "trade_state",
        "transaction_id",
        "amount.total_amount",
        "amount.currency",
        "success_time",
        "sub_appid",
        "sub_mchid",
        "mchid",
        "sub_openid",
    ],
    optional: &["trade_type", "bank_type", "amount.payer_amount"],
};

const SUB_ORDER: FieldNames = FieldNames {
    no: "out_trade_no",
    state: "trade_state",
    transaction_id: &["transaction_id"],
    total: "amount.total_amount",
    currency: "amount.currency",
    time: "success_time",
    parse_time: Timestamp::parse_rfc3339,
    appid: &["sub_appid"],
    mch_id: &["sub_mchid", "mchid"],
    openid: &["sub_openid"],
    trade_type: "trade_type",
    bank_type: "bank_type",
    payer_total: "amount.payer_amount",
    // Empty, because these messages have no settlement total.
    settlement_total: "",
};

const SUB_ORDERS: &str = "sub_orders";

/// Orders of a combined payment (one payment of several orders), not parsed yet.
#[derive(Deserialize)]
struct SubOrders<'a> {
    #[serde(borrow)]
    sub_orders: Option<Vec<&'a RawValue>>,
}

/// App and openid of the payer. They apply to orders without their own.
struct Payer {
    appid: Option<AppId>,
    openid: Option<OpenId>,
}

impl CombinedTransaction {
    /// Reads a combined payment. The parser never refuses a payment because of an optional field.
    ///
    /// # Errors
    /// - [`MessageError::NotJson`]: the bytes are not exactly one JSON value.
    /// - [`MessageError::WrongKind`]: the value is not an object or has no `combine_out_trade_no`.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a field is missing or malformed. The error names the first such
    ///   field. A malformed field of one order makes only that order an error.
    pub fn from_json(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &FORM)?;
        if !fields.has("combine_out_trade_no") {
            return Err(fields.wrong_kind());
        }
        let no = fields.required("combine_out_trade_no", OrderNo::parse)?;
        let payer = Payer {
            appid: fields.given("combine_appid", AppId::parse)?,
            openid: fields.given("combine_payer_info.openid", OpenId::parse)?,
        };
        let orders = serde_json::from_slice::<SubOrders<'_>>(without_bom(json));
        let orders = orders.map_err(|_| FieldError::NotList.of(SUB_ORDERS))?;
        let orders = orders.sub_orders.unwrap_or_default();
        if orders.is_empty() {
            return Err(FieldError::Missing.of(SUB_ORDERS));
        }
        let sub_orders = orders.into_iter().map(|order| payer.read(order)).collect();
        Ok(Self { no, sub_orders })
    }

    /// Returns the number of the combined payment, `combine_out_trade_no`. It is not an order
    /// number.
    #[must_use]
    pub const fn order_no(&self) -> OrderNo {
        self.no
    }

    /// Orders of the combined payment, in the sequence of the message. An element is an error if
    /// the order is invalid.
    pub fn sub_orders(&self) -> &[Result<V3Transaction, MessageError>] {
        &self.sub_orders
    }

    /// Converts the combined payment into its orders: see [`sub_orders`](Self::sub_orders).
    #[must_use]
    pub fn into_sub_orders(self) -> Vec<Result<V3Transaction, MessageError>> {
        self.sub_orders
    }
}

impl Payer {
    fn read(&self, order: &RawValue) -> Result<V3Transaction, MessageError> {
        let fields = Fields::from_json(order.get().as_bytes(), &SUB_ORDER_FORM)?;
        let no = SUB_ORDER.order_no(&fields)?;
        let mut state = SUB_ORDER.state(&fields)?;
        if let ChannelState::Success(payment) | ChannelState::Refund(payment) = &mut state {
            payment.appid = payment.appid.take().or_else(|| self.appid.clone());
            payment.openid = payment.openid.take().or_else(|| self.openid.clone());
        }
        Ok(V3Transaction::new(no, state))
    }
}

#[cfg(test)]
mod tests;
