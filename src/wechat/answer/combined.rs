//! Parser for the channel's answer to a query of a combined payment.

use super::order::{OrderAnswer, same_order};
use super::v3_failure;
use crate::types::OrderNo;
use crate::wechat::combined::CombinedTransaction;
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::Failure;

/// Answer of the channel to a query of a combined payment (合单). It contains a state for each
/// order.
///
/// ```
/// use orderstore::wechat::CombinedAnswer;
/// use orderstore::{ChannelState, OrderNo};
///
/// let combined_no = OrderNo::parse("P20150806125346")?;
/// let body = br#"{
///     "combine_out_trade_no": "P20150806125346",
///     "sub_orders": [{ "out_trade_no": "20150806125346", "trade_state": "NOTPAY" }]
/// }"#;
/// let answer = CombinedAnswer::from_v3(combined_no, 200, body)?;
/// let order = answer.about(OrderNo::parse("20150806125346")?)?;
/// assert_eq!(order.state(), Some(&ChannelState::NotPay));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedAnswer(Result<CombinedTransaction, Failure>);

impl CombinedAnswer {
    /// Reads the API v3 answer about the requested combined payment `asked`, from its HTTP status
    /// and body.
    ///
    /// # Errors
    /// [`MessageError`] if the status is 200 and the body is not this combined payment. With any
    /// other status, the answer is a failure, which is empty if the body is unreadable.
    pub fn from_v3(asked: OrderNo, status: u16, body: &[u8]) -> Result<Self, MessageError> {
        if status != 200 {
            return Ok(Self(Err(v3_failure(body))));
        }
        let combined = CombinedTransaction::from_json(body)?;
        same_order(asked, combined.order_no(), "combine_out_trade_no")?;
        Ok(Self(Ok(combined)))
    }

    /// Returns the answer about one order of the combined payment.
    ///
    /// If the channel does not know the combined payment, the answer for each order is "no such
    /// order".
    ///
    /// # Errors
    /// - [`MessageError::Field`]: several orders have this number.
    /// - [`MessageError::Field`]: all orders are valid, and none has this number.
    /// - Another [`MessageError`]: no valid order has this number, and some orders are invalid. The
    ///   error is that of the first invalid order.
    pub fn about(&self, no: OrderNo) -> Result<OrderAnswer, MessageError> {
        let combined = match &self.0 {
            Ok(combined) => combined,
            Err(failure) => return Ok(OrderAnswer::of_failure(no, failure.clone())),
        };
        let orders = combined.sub_orders();
        let mut same = orders
            .iter()
            .flatten()
            .filter(|order| order.order_no() == no);
        match (same.next(), same.next()) {
            (Some(only), None) => Ok(OrderAnswer::of_transaction(only.clone())),
            (Some(_), Some(_)) => Err(FieldError::Repeated.of("sub_orders.out_trade_no")),
            (None, _) => {
                // Report the error of an invalid order, if there is one: it may be the requested
                // order, so its error is more useful.
                let unread = orders.iter().find_map(|order| order.as_ref().err());
                let absent = FieldError::DiffersFromRequest.of("sub_orders.out_trade_no");
                Err(unread.copied().unwrap_or(absent))
            }
        }
    }

    /// Returns the combined payment (one payment of several orders); `None` if the answer is a
    /// failure.
    #[must_use]
    pub fn combined(&self) -> Option<&CombinedTransaction> {
        self.0.as_ref().ok()
    }

    /// Returns the failure; `None` if the answer contains the combined payment.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.as_ref().err()
    }
}

#[cfg(test)]
mod tests;
