//! Parser for the channel's answer to an order query.

use super::{CLOUD, OF_V2, TwoCodes, V2, cloud_failure, of_cloud, v3_failure};
use crate::order::{ChannelState, Command, CommandKind};
use crate::types::OrderNo;
use crate::wechat::codes;
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::Failure;
use crate::wechat::fields::Fields;
use crate::wechat::v3::V3Transaction;

/// Answer of the channel to an order query.
///
/// It contains the order's state, or a failure. A paid state includes the payment. "No such order"
/// is a state, too.
///
/// ```
/// use orderstore::wechat::OrderAnswer;
/// use orderstore::{ChannelState, OrderNo};
///
/// let no = OrderNo::parse("1217752501201407033233368018")?;
/// let body = br#"{ "code": "ORDER_NOT_EXIST", "message": "no such order" }"#;
/// let answer = OrderAnswer::from_v3(no, 404, body)?;
/// assert_eq!(answer.state(), Some(&ChannelState::NoSuchOrder));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderAnswer {
    no: OrderNo,
    result: Result<Box<ChannelState>, Failure>,
}

impl OrderAnswer {
    /// Reads the API v3 answer about the requested order `asked`, from its HTTP status and body.
    ///
    /// # Errors
    /// [`MessageError`] if the status is 200 and the body is not the transaction of this order.
    /// With any other status, the answer is the order state that the error code proves, or a
    /// failure. The failure is empty if the body is unreadable.
    pub fn from_v3(asked: OrderNo, status: u16, body: &[u8]) -> Result<Self, MessageError> {
        if status != 200 {
            return Ok(Self::of_failure(asked, v3_failure(body)));
        }
        let transaction = V3Transaction::from_json(body)?;
        same_order(asked, transaction.order_no(), "out_trade_no")?;
        let result = Ok(transaction.into_state());
        Ok(Self { no: asked, result })
    }

    /// Reads the API v2 answer about the requested order `asked`.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not an answer about this order.
    pub fn from_v2(asked: OrderNo, xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2)?;
        if fields.has_any(&["out_refund_no", "refund_id", "req_info"]) {
            return Err(fields.wrong_kind());
        }
        Self::of_two_codes(asked, &OF_V2, &fields)
    }

    /// Reads an answer of the cloud's open interface about the requested order `asked`. A container
    /// gets its fields in `respdata`; a function gets them in camel case.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not an answer about this order.
    pub fn from_cloud(asked: OrderNo, json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD)?;
        match of_cloud(&fields) {
            Some(form) => Self::of_two_codes(asked, &form, &fields),
            None if fields.has("errcode") => Ok(Self {
                no: asked,
                result: Err(cloud_failure(&fields)),
            }),
            None => Err(fields.wrong_kind()),
        }
    }

    fn of_two_codes(
        asked: OrderNo,
        form: &TwoCodes,
        fields: &Fields,
    ) -> Result<Self, MessageError> {
        if !form.codes.succeeded(fields)? {
            return Ok(Self::of_failure(asked, form.codes.failure(fields)));
        }
        same_order(asked, form.words.order_no(fields)?, form.words.no)?;
        let state = form.words.state(fields)?;
        Ok(Self {
            no: asked,
            result: Ok(Box::new(state)),
        })
    }

    /// Builds the answer about one order of a combined payment.
    pub(super) fn of_transaction(transaction: V3Transaction) -> Self {
        Self {
            no: transaction.order_no(),
            result: Ok(transaction.into_state()),
        }
    }

    /// Builds the answer from a failure. Some codes prove a state, such as "no such order".
    pub(super) fn of_failure(no: OrderNo, failure: Failure) -> Self {
        let code = failure.err_code.as_ref();
        let state = code.and_then(|code| codes::state(code.as_str()));
        let result = state.map(Box::new).ok_or(failure);
        Self { no, result }
    }

    /// Returns the order state that the channel reports; `None` if the answer is a failure.
    #[must_use]
    pub fn state(&self) -> Option<&ChannelState> {
        self.result.as_deref().ok()
    }

    /// Returns the order state for `record_query`; `None` if the answer is a failure.
    #[must_use]
    pub fn into_state(self) -> Option<ChannelState> {
        self.result.ok().map(|state| *state)
    }

    /// Returns the command that records the order state. `None` if the answer is a failure: query
    /// the channel again later.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let kind = CommandKind::RecordQuery(self.result.ok()?);
        Some(Command { no: self.no, kind })
    }

    /// Returns the failure of the query; `None` if the answer contains an order state.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.result.as_ref().err()
    }
}

/// Checks that an answer is about the requested order. Any other answer would change the state of
/// the wrong order.
pub(super) fn same_order(
    asked: OrderNo,
    answered: OrderNo,
    field: &'static str,
) -> Result<(), MessageError> {
    if asked == answered {
        return Ok(());
    }
    Err(FieldError::DiffersFromRequest.of(field))
}
