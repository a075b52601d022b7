//! What the channel says of a refund: in notifications of three protocols, and in answers.
//!
//! Invariants:
//! - Nothing is a refund that names no refund, and a trade's state is none of a refund's.
//! - What decides how much goes back, of what and how far it is, is refused by name where
//!   it is missing or malformed; when the money went back is good to know.

use super::error::{FieldError, MessageError};
use super::failure::Failure;
use super::fields::{Fields, Form};
use crate::order::{Command, CommandKind, NewRefund, RefundError, RefundFact, RefundState};
use crate::types::{
    Label, Note, OrderNo, RefundId, RefundNo, Timestamp, TimestampError, TransactionId,
};

/// A message about a refund: what the channel says of it, or that it could not say.
///
/// - The event of a cloud container, in camel case. Like that of a payment it is a hint,
///   not a proof: it bears no signature.
/// - The notification of v3, decrypted: the state stands in `refund_status`.
/// - The notification of v2, its `req_info` decrypted: XML.
/// - The answer of v3 to a query or to the request for the refund: the state stands in
///   `status`. Overseas (`/v3/global/`) the channel's number for the refund stands in `id`.
///
/// Of the answer to the request for a refund, [`RefundAnswer`](super::RefundAnswer) also
/// says whether the channel refused it.
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
/// let message = RefundMessage::from_v3_notice(decrypted)?;
/// let (_no, fact) = message.into_fact().ok_or("a failure")?;
/// assert_eq!((fact.amount().as_u64(), fact.state()), (60, RefundState::Success));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundMessage(Result<(OrderNo, Box<RefundFact>), Failure>);

/// What a protocol calls the fields of a refund. Of several names, the first that is there
/// counts.
pub(super) struct FieldNames {
    pub(super) no: &'static str,
    pub(super) refund_no: &'static str,
    pub(super) refund_id: &'static [&'static str],
    pub(super) transaction_id: &'static str,
    pub(super) amount: &'static str,
    pub(super) status: &'static str,
    pub(super) time: &'static str,
    pub(super) parse_time: fn(&str) -> Result<Timestamp, TimestampError>,
}

const CLOUD_FORM: Form = Form {
    wanted: "the event of a refund",
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
    wanted: "the decrypted notification of a refund",
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
    // Overseas answers call it `id`.
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

    /// The fact in the answer that accepts a request. Such an answer says how much of what
    /// goes back in some protocols only: what it does not say is as it was asked for.
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

    fn timed(
        &self,
        fields: &Fields,
        fact: Result<RefundFact, RefundError>,
    ) -> Result<RefundFact, MessageError> {
        let fact = fact.map_err(|error| FieldError::from(error).of(self.amount))?;
        let time = fields.lossy(self.time, self.parse_time);
        Ok(match time {
            Some(time) if fact.state() == RefundState::Success => fact.with_success_at(time),
            _ => fact,
        })
    }

    /// Whether the message names a refund. What is still encrypted has an `id` too.
    pub(super) fn names_refund(&self, fields: &Fields) -> bool {
        let usual = self.refund_id.first();
        fields.has(self.refund_no) || usual.is_some_and(|name| fields.has(name))
    }
}

/// A refund's state as either protocol writes it.
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
    /// Reads a refund's event from the body of a request to a cloud container.
    ///
    /// # Errors
    /// [`MessageError::NotJson`]; [`MessageError::WrongKind`] where no refund is named;
    /// [`MessageError::TooLarge`]; else [`MessageError::Field`] with the name of the first
    /// field that is missing or malformed.
    pub fn from_cloud(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD_FORM)?;
        let told = ["returnCode", "returnMsg", "errCode", "errCodeDes"];
        Self::with_code(&fields, &CLOUD, told)
    }

    /// Reads the decrypted `req_info` of a notification of v2. (The notification around it
    /// is refused, unless its code is `FAIL`.)
    ///
    /// # Errors
    /// [`MessageError::NotXml`]; [`MessageError::WrongKind`] where no refund is named;
    /// [`MessageError::TooLarge`]; else [`MessageError::Field`] with the name of the first
    /// field that is missing or malformed.
    pub fn from_v2(xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2_FORM)?;
        let told = ["return_code", "return_msg", "err_code", "err_code_des"];
        Self::with_code(&fields, &V2, told)
    }

    /// Reads the decrypted `resource` of a notification of v3.
    ///
    /// # Errors
    /// [`MessageError::NotJson`]; [`MessageError::WrongKind`] where no refund is named, or
    /// the state of a trade; [`MessageError::TooLarge`]; else [`MessageError::Field`] with
    /// the name of the first field that is missing or malformed.
    pub fn from_v3_notice(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &V3_FORM)?;
        Self::of_refund(&fields, &V3_NOTICE)
    }

    /// Reads what v3 answered about the refund `asked`: the HTTP status, and the body.
    ///
    /// # Errors
    /// As a notification, where the status is 200; and where the answer is about another
    /// refund. Any other status is an answer that says nothing of the refund.
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
                Err(FieldError::NotAsked.of(V3_ANSWER.refund_no))
            }
            _ => Ok(message),
        }
    }

    fn of_refund(fields: &Fields, words: &FieldNames) -> Result<Self, MessageError> {
        if !words.names_refund(fields) || fields.has("trade_state") {
            return Err(fields.wrong_kind());
        }
        let no = fields.required(words.no, OrderNo::parse)?;
        Ok(Self(Ok((no, Box::new(words.fact(fields)?)))))
    }

    /// Of a protocol that can say `FAIL` instead.
    fn with_code(
        fields: &Fields,
        words: &FieldNames,
        [code, msg, err_code, err_code_des]: [&'static str; 4],
    ) -> Result<Self, MessageError> {
        let failed = |text: &str| match text {
            "SUCCESS" => Ok(false),
            "FAIL" => Ok(true),
            _ => Err(FieldError::NotCode),
        };
        if fields.given(code, failed)? == Some(true) {
            return Ok(Self(Err(Failure {
                order_no: fields.lossy(words.no, OrderNo::parse),
                return_msg: fields.lossy(msg, Note::parse),
                err_code: fields.lossy(err_code, Label::parse),
                err_code_des: fields.lossy(err_code_des, Note::parse),
            })));
        }
        Self::of_refund(fields, words)
    }

    /// The number of the order whose money goes back. A message without a fact may have
    /// none.
    #[must_use]
    pub fn order_no(&self) -> Option<OrderNo> {
        match &self.0 {
            Ok((no, _)) => Some(*no),
            Err(failure) => failure.order_no,
        }
    }

    /// What it says of the refund; `None` where it carries no fact: a notification may be
    /// acknowledged, a question asked again later.
    #[must_use]
    pub fn fact(&self) -> Option<&RefundFact> {
        self.0.as_ref().ok().map(|(_, fact)| &**fact)
    }

    /// The order's number and the fact.
    #[must_use]
    pub fn into_fact(self) -> Option<(OrderNo, RefundFact)> {
        self.0.ok().map(|(no, fact)| (no, *fact))
    }

    /// The command that tells the store; `None` where it carries no fact.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let (no, fact) = self.0.ok()?;
        let ask = CommandKind::RecordRefund(fact);
        Some(Command { no, kind: ask })
    }

    /// What failed, where it carries no fact.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.as_ref().err()
    }
}

#[cfg(test)]
mod tests;
