//! The answer to the question how an order stands.

use super::{CLOUD, OF_V2, TwoCodes, V2, cloud_failure, of_cloud, v3_failure};
use crate::order::{ChannelState, Command, CommandKind};
use crate::types::OrderNo;
use crate::wechat::codes;
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::Failure;
use crate::wechat::fields::Fields;
use crate::wechat::v3::V3Transaction;

/// What the channel answered when it was asked how an order stands: a state, with the
/// payment where it was paid, or "no such order"; or that it could not say.
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
    said: Result<Box<ChannelState>, Failure>,
}

impl OrderAnswer {
    /// Reads what v3 answered about `asked`: the HTTP status, and the body.
    ///
    /// # Errors
    /// [`MessageError`] where the status is 200 and the body is not the transaction of this
    /// order. Any other status is an answer; what cannot be read in it says nothing.
    pub fn from_v3(asked: OrderNo, status: u16, body: &[u8]) -> Result<Self, MessageError> {
        if status != 200 {
            return Ok(Self::of_failure(asked, v3_failure(body)));
        }
        let transaction = V3Transaction::from_json(body)?;
        same_order(asked, transaction.order_no(), "out_trade_no")?;
        let said = Ok(transaction.into_state());
        Ok(Self { no: asked, said })
    }

    /// Reads what v2 answered about `asked`.
    ///
    /// # Errors
    /// [`MessageError`] where the bytes are no such answer, or one about another order.
    pub fn from_v2(asked: OrderNo, xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2)?;
        if fields.has_any(&["out_refund_no", "refund_id", "req_info"]) {
            return Err(fields.wrong_kind());
        }
        Self::of_two_codes(asked, &OF_V2, &fields)
    }

    /// Reads what the cloud's open interface answered about `asked`: the answer to a
    /// container, in `respdata`, or to a function, in camel case.
    ///
    /// # Errors
    /// [`MessageError`] where the bytes are no such answer, or one about another order.
    pub fn from_cloud(asked: OrderNo, json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD)?;
        match of_cloud(&fields) {
            Some(form) => Self::of_two_codes(asked, &form, &fields),
            None if fields.has("errcode") => Ok(Self {
                no: asked,
                said: Err(cloud_failure(&fields)),
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
            said: Ok(Box::new(state)),
        })
    }

    /// The answer about an order of a combined payment.
    pub(super) fn of_transaction(transaction: V3Transaction) -> Self {
        Self {
            no: transaction.order_no(),
            said: Ok(transaction.into_state()),
        }
    }

    /// A failure whose code says how the order stands is an answer.
    pub(super) fn of_failure(no: OrderNo, failure: Failure) -> Self {
        let code = failure.err_code.as_ref();
        let state = code.and_then(|code| codes::state(code.as_str()));
        let said = state.map(Box::new).ok_or(failure);
        Self { no, said }
    }

    /// How the order stands; `None` where the channel could not say.
    #[must_use]
    pub fn state(&self) -> Option<&ChannelState> {
        self.said.as_deref().ok()
    }

    /// The same, as `record_query` takes it.
    #[must_use]
    pub fn into_state(self) -> Option<ChannelState> {
        self.said.ok().map(|state| *state)
    }

    /// The same as a command; `None` where there is nothing to do but to ask again later.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let ask = CommandKind::RecordQuery(self.said.ok()?);
        Some(Command {
            no: self.no,
            kind: ask,
        })
    }

    /// Why the channel could not say.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.said.as_ref().err()
    }
}

/// An answer about another order would move this one.
pub(super) fn same_order(
    asked: OrderNo,
    told: OrderNo,
    field: &'static str,
) -> Result<(), MessageError> {
    if asked == told {
        return Ok(());
    }
    Err(FieldError::NotAsked.of(field))
}
