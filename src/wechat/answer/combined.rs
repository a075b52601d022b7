//! The answer to the question how a combined payment stands.

use super::order::{OrderAnswer, same_order};
use super::v3_failure;
use crate::types::OrderNo;
use crate::wechat::combined::CombinedTransaction;
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::Failure;

/// What the channel answered when it was asked how a combined payment (合单) stands. It
/// answers for each of the orders in it.
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
    /// Reads what v3 answered about the combined payment `asked`: the HTTP status, and the
    /// body.
    ///
    /// # Errors
    /// [`MessageError`] where the status is 200 and the body is not this combined payment.
    /// Any other status is an answer; what cannot be read in it says nothing.
    pub fn from_v3(asked: OrderNo, status: u16, body: &[u8]) -> Result<Self, MessageError> {
        if status != 200 {
            return Ok(Self(Err(v3_failure(body))));
        }
        let combined = CombinedTransaction::from_json(body)?;
        same_order(asked, combined.order_no(), "combine_out_trade_no")?;
        Ok(Self(Ok(combined)))
    }

    /// What it says about one of the orders. Where the channel knows no such combined
    /// payment, it knows none of its orders.
    ///
    /// # Errors
    /// [`MessageError::Field`] where no order bears this number, where several do, or where
    /// the orders that can be read do not bear it: then with the first error of the others.
    pub fn about(&self, no: OrderNo) -> Result<OrderAnswer, MessageError> {
        let combined = match &self.0 {
            Ok(combined) => combined,
            Err(failure) => return Ok(OrderAnswer::of_failure(no, failure.clone())),
        };
        let orders = combined.sub_orders();
        let mut same = orders.iter().flatten().filter(|told| told.order_no() == no);
        match (same.next(), same.next()) {
            (Some(only), None) => Ok(OrderAnswer::of_transaction(only.clone())),
            (Some(_), Some(_)) => Err(FieldError::Repeated.of("sub_orders.out_trade_no")),
            (None, _) => {
                let unread = orders.iter().find_map(|order| order.as_ref().err());
                let absent = FieldError::NotAsked.of("sub_orders.out_trade_no");
                Err(unread.copied().unwrap_or(absent))
            }
        }
    }

    /// The combined payment; `None` where the channel could not say.
    #[must_use]
    pub fn combined(&self) -> Option<&CombinedTransaction> {
        self.0.as_ref().ok()
    }

    /// Why the channel could not say.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.as_ref().err()
    }
}

#[cfg(test)]
mod tests;
