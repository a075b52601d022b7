//! Parser for messages about a refund: notifications of three protocols, and API v3 answers.
//!
//! Invariants:
//! - A message about a refund has a refund number or refund id, and no trade state.
//! - The amount, the transaction, the refund number and the state must be valid. The time at which
//!   the channel returned the money is optional.

use super::error::{FieldError, MessageError};
use super::failure::Failure;
use super::fields::{Fields, Form};
use crate::order::{Command, CommandKind, NewRefund, RefundFact, RefundState};
use crate::types::{
    Label, Note, OrderNo, RefundId, RefundNo, Timestamp, TransactionId, ValueError,
};

/// Message about a refund: its state at the channel, or a failure. The message is one of these:
///
/// - Event that a cloud container receives, in camel case. It has no signature, so it proves
///   nothing.
/// - Decrypted API v3 notification. The field `refund_status` has the state.
/// - Decrypted `req_info` of an API v2 notification, in XML.
/// - API v3 answer to a refund query or a refund request. The field `status` has the state. In
///   overseas answers (`/v3/global/`), `id` is the channel's number for the refund.
///
/// For the answer to a refund request, [`RefundAnswer`](super::RefundAnswer) also shows whether the
/// channel refused the request.
///
/// ```
/// use orderstore::RefundState;
/// use orderstore::wechat::RefundMessage;
///
/// let decrypted = br#"{
///     "out_trade_no": "1217752501201407033233368018", "refund_status": "SUCCESS",
///     "transaction_id": "1217752501201407033233368018",
///     "out_refund_no": "7752501201407033233368018", "amount": { "refund": 60 }
/// }"#;
/// let message = RefundMessage::from_v3_notification(decrypted)?;
/// let (_no, fact) = message.into_fact().ok_or("a failure")?;
/// assert_eq!((fact.amount().as_u64(), fact.state()), (60, RefundState::Success));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundMessage(Result<(OrderNo, Box<RefundFact>), Failure>);

/// Names of a refund's fields in one protocol. If a field has several names, the parser uses the
/// first one that occurs in the message.
pub(super) struct FieldNames {
    pub(super) no: &'static str,
    pub(super) refund_no: &'static str,
    pub(super) refund_id: &'static [&'static str],
    pub(super) transaction_id: &'static str,
    pub(super) amount: &'static str,
    pub(super) status: &'static str,
    pub(super) time: &'static str,
    pub(super) parse_time: fn(&str) -> Result<Timestamp, ValueError>,
}

const CLOUD_FORM: Form = Form {
    wanted: "a refund event",
    deciding: &[
        "returnCode",
        "outTradeNo",
        "outRefundNo",
        "refundId",
        "transactionId",
        "refundFee",
        "refundStatus",
    ],
    optional: &["successTime", "returnMsg", "errCode", "errCodeDes"],
};

pub(super) const CLOUD: FieldNames = FieldNames {
    no: "outTradeNo",
    refund_no: "outRefundNo",
    refund_id: &["refundId"],
    transaction_id: "transactionId",
    amount: "refundFee",
    status: "refundStatus",
    time: "successTime",
    parse_time: Timestamp::parse_civil,
};

pub(super) const V2_FORM: Form = Form {
    wanted: "a decrypted refund notification",
    deciding: &[
        "return_code",
        "result_code",
        "out_trade_no",
        "out_refund_no",
        "refund_id",
        "transaction_id",
        "refund_fee",
        "refund_status",
    ],
    optional: &["success_time", "return_msg", "err_code", "err_code_des"],
};

pub(super) const V2: FieldNames = FieldNames {
    no: "out_trade_no",
    refund_no: "out_refund_no",
    refund_id: &["refund_id"],
    transaction_id: "transaction_id",
    amount: "refund_fee",
    status: "refund_status",
    time: "success_time",
    parse_time: Timestamp::parse_civil,
};

pub(super) const V3_FORM: Form = Form {
    wanted: "a refund",
    deciding: &[
        "out_trade_no",
        "out_refund_no",
        "refund_id",
        "id",
        "transaction_id",
        "amount.refund",
        "refund_status",
        "status",
        "trade_state",
    ],
    optional: &["success_time"],
};

const V3_NOTICE: FieldNames = FieldNames {
    no: "out_trade_no",
    refund_no: "out_refund_no",
    // Overseas answers call this field `id`.
    refund_id: &["refund_id", "id"],
    transaction_id: "transaction_id",
    amount: "amount.refund",
    status: "refund_status",
    time: "success_time",
    parse_time: Timestamp::parse_rfc3339,
};

pub(super) const V3_ANSWER: FieldNames = FieldNames {
    status: "status",
    ..V3_NOTICE
};

impl FieldNames {
    /// Reads the refund of a notification or of the answer to a query.
    fn fact(&self, fields: &Fields) -> Result<RefundFact, MessageError> {
        let amount = fields.amount(self.amount)?;
        let state = fields.required(self.status, state)?;
        let fact = RefundFact::new(
            fields.required(self.refund_no, RefundNo::parse)?,
            fields.required(self.transaction_id, TransactionId::parse)?,
            amount,
            state,
        );
        let fact = self.timed(fields, fact)?;
        Ok(match fields.first_given(self.refund_id, RefundId::parse)? {
            Some(id) => fact.with_refund_id(id),
            None => fact,
        })
    }

    /// Reads the refund of an answer that accepts the request `asked`. Some protocols omit the
    /// amount, the transaction or the state. The amount and the transaction then come from the
    /// request, and the state is `Processing`.
    pub(super) fn accepted(
        &self,
        fields: &Fields,
        asked: &NewRefund,
    ) -> Result<RefundFact, MessageError> {
        let amount = match fields.has(self.amount) {
            true => fields.amount(self.amount)?,
            false => asked.amount(),
        };
        let transaction_id = fields.given(self.transaction_id, TransactionId::parse)?;
        let state = fields.given(self.status, state)?;
        let fact = RefundFact::new(
            fields.required(self.refund_no, RefundNo::parse)?,
            transaction_id.unwrap_or_else(|| asked.transaction_id().clone()),
            amount,
            state.unwrap_or(RefundState::Processing),
        );
        let fact = self.timed(fields, fact)?;
        let id = fields.required_first(self.refund_id, RefundId::parse)?;
        Ok(fact.with_refund_id(id).with_channel(asked.channel))
    }

    /// Adds the time of success to a refund fact, if the refund has succeeded.
    fn timed(
        &self,
        fields: &Fields,
        fact: Result<RefundFact, ValueError>,
    ) -> Result<RefundFact, MessageError> {
        let fact = fact.map_err(|error| FieldError::from(error).of(self.amount))?;
        let time = fields.lossy(self.time, self.parse_time);
        Ok(match time {
            Some(time) if fact.state() == RefundState::Success => fact.with_success_at(time),
            _ => fact,
        })
    }

    /// Returns whether the message has a refund number or refund id. The field `id` does not count,
    /// because an encrypted notification has an `id`, too.
    pub(super) fn names_refund(&self, fields: &Fields) -> bool {
        let usual = self.refund_id.first();
        fields.has(self.refund_no) || usual.is_some_and(|name| fields.has(name))
    }
}

/// Parses the state of a refund. Accepts the state names of every protocol.
fn state(text: &str) -> Result<RefundState, FieldError> {
    match text {
        "PROCESSING" => Ok(RefundState::Processing),
        "SUCCESS" => Ok(RefundState::Success),
        "CLOSED" | "REFUNDCLOSE" => Ok(RefundState::Closed),
        "ABNORMAL" | "CHANGE" => Ok(RefundState::Abnormal),
        _ => Err(FieldError::NotState),
    }
}

impl RefundMessage {
    /// Reads a refund event from the body of a request to a cloud container.
    ///
    /// # Errors
    /// - [`MessageError::NotJson`]: the bytes are not exactly one JSON value.
    /// - [`MessageError::WrongKind`]: the message names no refund.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a required field is missing or malformed. The error names the
    ///   first such field.
    pub fn from_cloud(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD_FORM)?;
        let codes = ["returnCode", "returnMsg", "errCode", "errCodeDes"];
        Self::with_code(&fields, &CLOUD, codes)
    }

    /// Reads the decrypted `req_info` of an API v2 notification.
    ///
    /// The function refuses a notification whose `req_info` is still encrypted, unless its return
    /// code is `FAIL`.
    ///
    /// # Errors
    /// - [`MessageError::NotXml`]: the bytes are not plain XML.
    /// - [`MessageError::WrongKind`]: the message names no refund.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a required field is missing or malformed. The error names the
    ///   first such field.
    pub fn from_v2(xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2_FORM)?;
        let codes = ["return_code", "return_msg", "err_code", "err_code_des"];
        Self::with_code(&fields, &V2, codes)
    }

    /// Reads the decrypted `resource` of an API v3 notification.
    ///
    /// # Errors
    /// - [`MessageError::NotJson`]: the bytes are not exactly one JSON value.
    /// - [`MessageError::WrongKind`]: the message names no refund, or contains a trade state.
    /// - [`MessageError::TooLarge`] and [`MessageError::TooManyFields`]: the message exceeds a
    ///   limit.
    /// - [`MessageError::Field`]: a required field is missing or malformed. The error names the
    ///   first such field.
    pub fn from_v3_notification(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &V3_FORM)?;
        Self::of_refund(&fields, &V3_NOTICE)
    }

    /// Reads the API v3 answer about the requested refund `asked`, from its HTTP status and body.
    ///
    /// # Errors
    /// With status 200: the errors of [`from_v3_notification`](Self::from_v3_notification), and
    /// [`MessageError::Field`] if the answer is about another refund. With any other status, the
    /// message is a failure and no error.
    pub fn from_v3_answer(
        asked: &RefundNo,
        status: u16,
        body: &[u8],
    ) -> Result<Self, MessageError> {
        if status != 200 {
            return Ok(Self(Err(super::answer::v3_failure(body))));
        }
        let fields = Fields::from_json(body, &V3_FORM)?;
        let message = Self::of_refund(&fields, &V3_ANSWER)?;
        match message.fact() {
            Some(fact) if fact.refund_no() != asked => {
                Err(FieldError::DiffersFromRequest.of(V3_ANSWER.refund_no))
            }
            _ => Ok(message),
        }
    }

    fn of_refund(fields: &Fields, names: &FieldNames) -> Result<Self, MessageError> {
        if !names.names_refund(fields) || fields.has("trade_state") {
            return Err(fields.wrong_kind());
        }
        let no = fields.required(names.no, OrderNo::parse)?;
        Ok(Self(Ok((no, Box::new(names.fact(fields)?)))))
    }

    /// Reads a message that may have a return code. The code `FAIL` makes the message a failure.
    fn with_code(
        fields: &Fields,
        names: &FieldNames,
        [code, msg, err_code, err_code_des]: [&'static str; 4],
    ) -> Result<Self, MessageError> {
        let failed = |text: &str| match text {
            "SUCCESS" => Ok(false),
            "FAIL" => Ok(true),
            _ => Err(FieldError::NotCode),
        };
        if fields.given(code, failed)? == Some(true) {
            return Ok(Self(Err(Failure {
                order_no: fields.lossy(names.no, OrderNo::parse),
                return_msg: fields.lossy(msg, Note::parse),
                err_code: fields.lossy(err_code, Label::parse),
                err_code_des: fields.lossy(err_code_des, Note::parse),
            })));
        }
        Self::of_refund(fields, names)
    }

    /// Returns the number of the refunded order. A failure may have none.
    #[must_use]
    pub fn order_no(&self) -> Option<OrderNo> {
        match &self.0 {
            Ok((no, _)) => Some(*no),
            Err(failure) => failure.order_no,
        }
    }

    /// Returns the reported state of the refund. `None` for a failure: acknowledge a notification,
    /// or repeat a query later.
    #[must_use]
    pub fn fact(&self) -> Option<&RefundFact> {
        self.0.as_ref().ok().map(|(_, fact)| &**fact)
    }

    /// Returns the order number and the reported state of the refund; `None` for a failure.
    #[must_use]
    pub fn into_fact(self) -> Option<(OrderNo, RefundFact)> {
        self.0.ok().map(|(no, fact)| (no, *fact))
    }

    /// Returns the command that records the refund's state; `None` for a failure.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let (no, fact) = self.0.ok()?;
        let kind = CommandKind::RecordRefund(fact);
        Some(Command { no, kind })
    }

    /// Returns the failure; `None` if the message has the state of a refund.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.as_ref().err()
    }
}

#[cfg(test)]
mod tests;
