//! Parser for the channel's answer to a refund request.

use super::{RESPDATA_CODES, cloud_failure, v3_failure};
use crate::order::{Command, CommandKind, NewRefund, RefundAttempt, RefundFact};
use crate::types::{Label, OrderNo, Timestamp};
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::{Codes, Failure};
use crate::wechat::fields::{Fields, Form};
use crate::wechat::refund::{CLOUD, FieldNames, V2, V2_FORM, V3_ANSWER, V3_FORM};
use crate::wechat::{cloud, codes, v2};

/// Answer of the channel to a refund request.
///
/// ```
/// use orderstore::wechat::{RefundAnswer, RefundReply};
/// use orderstore::{Fen, NewRefund, OrderNo, RefundNo, TransactionId};
///
/// let no = OrderNo::parse("1217752501201407033233368018")?;
/// let asked = NewRefund::new(
///     RefundNo::parse("7752501201407033233368018")?,
///     TransactionId::parse("1217752501201407033233368018")?,
///     Fen::new(60)?,
/// )?;
/// let body = br#"{ "code": "NOT_ENOUGH", "message": "recharge first" }"#;
/// let answer = RefundAnswer::from_v3(no, &asked, 403, body)?;
/// assert!(matches!(answer.reply(), RefundReply::Refused { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAnswer {
    no: OrderNo,
    refund: RefundAttempt,
    reply: RefundReply,
    failure: Option<Failure>,
}

/// Result of a refund request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundReply {
    /// The channel accepted the refund and gave it a `refund_id`. If the answer has no refund
    /// state, the state is `Processing`.
    Accepted(Box<RefundFact>),
    /// The channel refused the refund, and would also refuse a repeated request.
    Refused {
        /// Error code of the channel, such as `NOTENOUGH`.
        code: Label,
    },
    /// The channel may or may not have accepted the refund. Query the refund, or repeat the request
    /// under the same refund number. A request under another number could refund the money twice.
    Retry,
}

const WANTED: &str = "an answer to a refund request";

const V2_ANSWER_FORM: Form = Form {
    wanted: WANTED,
    ..V2_FORM
};

const V3_ANSWER_FORM: Form = Form {
    wanted: WANTED,
    ..V3_FORM
};

/// Fields of an answer of the cloud's open interface: in `respdata` for a cloud container, and in
/// camel case for a cloud function.
const CLOUD_FORM: Form = Form {
    wanted: WANTED,
    deciding: &[
        "respdata.return_code",
        "respdata.result_code",
        "respdata.out_trade_no",
        "respdata.out_refund_no",
        "respdata.refund_id",
        "respdata.transaction_id",
        "respdata.refund_fee",
        "respdata.refund_status",
        "returnCode",
        "resultCode",
        "outTradeNo",
        "outRefundNo",
        "refundId",
        "transactionId",
        "refundFee",
        "refundStatus",
        "errcode",
    ],
    optional: &[
        "respdata.success_time",
        "respdata.return_msg",
        "respdata.err_code",
        "respdata.err_code_des",
        "successTime",
        "returnMsg",
        "errCode",
        "errCodeDes",
        "errmsg",
    ],
};

const RESPDATA: FieldNames = FieldNames {
    no: "respdata.out_trade_no",
    refund_no: "respdata.out_refund_no",
    refund_id: &["respdata.refund_id"],
    transaction_id: "respdata.transaction_id",
    amount: "respdata.refund_fee",
    status: "respdata.refund_status",
    time: "respdata.success_time",
    parse_time: Timestamp::parse_civil,
};

/// Refund request: the order number and the refund.
struct Request<'a> {
    no: OrderNo,
    asked: &'a NewRefund,
}

impl RefundAnswer {
    /// Reads the API v3 answer to the refund request `asked` for the order `no`, from its HTTP
    /// status and body. It accepts the answers of `/v3/refund/domestic/`, `/v3/ecommerce/` and
    /// `/v3/global/`.
    ///
    /// # Errors
    /// [`MessageError`] if the status is 200 and the body is not the answer to this request. With
    /// any other status, the answer has a failure, which is empty if the body is unreadable.
    pub fn from_v3(
        no: OrderNo,
        asked: &NewRefund,
        status: u16,
        body: &[u8],
    ) -> Result<Self, MessageError> {
        let request = Request { no, asked };
        if status == 200 {
            return request.accepted(&Fields::from_json(body, &V3_ANSWER_FORM)?, &V3_ANSWER);
        }
        // Only a client error (4xx) other than 429, a rate limit, can refuse the refund. After any
        // other status, the channel may have accepted the refund, so the money must stay reserved.
        let decided = (400..500).contains(&status) && status != 429;
        Ok(request.failed(v3_failure(body), decided))
    }

    /// Reads the API v2 answer to the refund request `asked` for the order `no`.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not the answer to this request.
    pub fn from_v2(no: OrderNo, asked: &NewRefund, xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2_ANSWER_FORM)?;
        if !fields.has("return_code") {
            return Err(fields.wrong_kind());
        }
        Request { no, asked }.with_codes(&fields, &v2::CODES, &V2)
    }

    /// Reads an answer of the cloud's open interface to the refund request `asked` for the order
    /// `no`.
    ///
    /// A container gets its fields in `respdata`; a function (`cloudPay.refund`) gets them in camel
    /// case.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not the answer to this request.
    pub fn from_cloud(no: OrderNo, asked: &NewRefund, json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD_FORM)?;
        let request = Request { no, asked };
        if fields.has("respdata.return_code") {
            return request.with_codes(&fields, &RESPDATA_CODES, &RESPDATA);
        }
        if fields.has("returnCode") {
            return request.with_codes(&fields, &cloud::CODES, &CLOUD);
        }
        if fields.has("errcode") {
            return Ok(request.failed(cloud_failure(&fields), false));
        }
        Err(fields.wrong_kind())
    }

    /// Returns the result of the refund request.
    #[must_use]
    pub const fn reply(&self) -> &RefundReply {
        &self.reply
    }

    /// Returns the command that records the result: `record_refund` for an accepted request,
    /// `record_refund_refused` for a refused one. `None` if the answer proves nothing.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let kind = match self.reply {
            RefundReply::Accepted(fact) => CommandKind::RecordRefund(fact),
            RefundReply::Refused { code } => CommandKind::RecordRefundRefused {
                refund: self.refund,
                code,
            },
            RefundReply::Retry => return None,
        };
        Some(Command { no: self.no, kind })
    }

    /// Returns the code and description of the failure; `None` if the channel accepted the request.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

impl Request<'_> {
    /// Reads an answer that has a return code (of the call) and a result code (of the refund
    /// request).
    fn with_codes(
        &self,
        fields: &Fields,
        codes: &Codes,
        names: &FieldNames,
    ) -> Result<RefundAnswer, MessageError> {
        if codes.succeeded(fields)? {
            return self.accepted(fields, names);
        }
        Ok(self.failed(codes.failure(fields), true))
    }

    /// Reads an accepted request, and checks that it is about the requested refund of this order.
    /// Any other answer would change the state of the wrong refund.
    fn accepted(&self, fields: &Fields, names: &FieldNames) -> Result<RefundAnswer, MessageError> {
        if !names.names_refund(fields) || fields.has("trade_state") {
            return Err(fields.wrong_kind());
        }
        let fact = names.accepted(fields, self.asked)?;
        if fact.refund_no() != self.asked.refund_no() {
            return Err(FieldError::DiffersFromRequest.of(names.refund_no));
        }
        let no = fields.given(names.no, OrderNo::parse)?;
        if no.is_some_and(|no| no != self.no) {
            return Err(FieldError::DiffersFromRequest.of(names.no));
        }
        Ok(self.answer(RefundReply::Accepted(Box::new(fact)), None))
    }

    /// Builds the answer from a failure. `decided` means that the channel itself answered this
    /// request. Only then can the error code refuse the refund.
    fn failed(&self, failure: Failure, decided: bool) -> RefundAnswer {
        let code = failure.err_code.clone();
        let reply = match code {
            Some(code) if decided && codes::refuses_refund(code.as_str()) => {
                RefundReply::Refused { code }
            }
            _ => RefundReply::Retry,
        };
        self.answer(reply, Some(failure))
    }

    fn answer(&self, reply: RefundReply, failure: Option<Failure>) -> RefundAnswer {
        RefundAnswer {
            no: self.no,
            refund: (self.asked.refund_no().clone(), self.asked.attempt).into(),
            reply,
            failure,
        }
    }
}

#[cfg(test)]
mod tests;
