//! The answer to the request for a refund.

use super::{RESPDATA_CODES, cloud_failure, v3_failure};
use crate::order::{Command, CommandKind, NewRefund, RefundAttempt, RefundFact};
use crate::types::{Label, OrderNo, Timestamp};
use crate::wechat::error::{FieldError, MessageError};
use crate::wechat::failure::{Codes, Failure};
use crate::wechat::fields::{Fields, Form};
use crate::wechat::refund::{CLOUD, FieldNames, V2, V2_FORM, V3_ANSWER, V3_FORM};
use crate::wechat::{cloud, codes, v2};

/// What the channel answered when it was asked to give money back.
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

/// What the channel said about a request for a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundReply {
    /// The channel has the refund, under the `refund_id` of the fact. Most protocols do not
    /// say how far it is; then the fact says `Processing`.
    Accepted(Box<RefundFact>),
    /// The channel did not take the refund, and will not take it as it was asked for.
    Refused {
        /// The channel's code, such as `NOTENOUGH`.
        code: Label,
    },
    /// The channel may or may not have the refund. Ask how it stands, or ask for it again
    /// under the same number, never under another one.
    Retry,
}

const WANTED: &str = "the answer to a request for a refund";

const V2_ANSWER_FORM: Form = Form {
    wanted: WANTED,
    ..V2_FORM
};

const V3_ANSWER_FORM: Form = Form {
    wanted: WANTED,
    ..V3_FORM
};

/// An answer to a cloud container, which stands in `respdata`, or to a cloud function, which
/// is the same in camel case.
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

/// What was asked for: under which order's number, and what.
struct Request<'a> {
    no: OrderNo,
    asked: &'a NewRefund,
}

impl RefundAnswer {
    /// Reads what v3 answered to the request `asked` under the order `no`: the HTTP status,
    /// and the body. This is the answer of `/v3/refund/domestic/`, of `/v3/ecommerce/` and of
    /// `/v3/global/`.
    ///
    /// # Errors
    /// [`MessageError`] where the status is 200 and the body is not the answer to this
    /// request. Any other status is an answer; what cannot be read in it says nothing.
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
        // Only a client error speaks of the request; 429 asks for patience.
        let decided = (400..500).contains(&status) && status != 429;
        Ok(request.failed(v3_failure(body), decided))
    }

    /// Reads what v2 answered to the request `asked` under the order `no`.
    ///
    /// # Errors
    /// [`MessageError`] where the bytes are not the answer to this request.
    pub fn from_v2(no: OrderNo, asked: &NewRefund, xml: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_xml(xml, &V2_ANSWER_FORM)?;
        if !fields.has("return_code") {
            return Err(fields.wrong_kind());
        }
        Request { no, asked }.with_codes(&fields, &v2::CODES, &V2)
    }

    /// Reads what the cloud's open interface answered to the request `asked` under the order
    /// `no`: to a container, in `respdata`, or to a function (`cloudPay.refund`), in camel
    /// case.
    ///
    /// # Errors
    /// [`MessageError`] where the bytes are not the answer to this request.
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

    /// What it says.
    #[must_use]
    pub const fn reply(&self) -> &RefundReply {
        &self.reply
    }

    /// What it says, as a command for the order: `record_refund` where the request was
    /// accepted, `record_refund_refused` where it was refused, `None` where it proves nothing.
    #[must_use]
    pub fn into_command(self) -> Option<Command> {
        let ask = match self.reply {
            RefundReply::Accepted(fact) => CommandKind::RecordRefund(fact),
            RefundReply::Refused { code } => CommandKind::RecordRefundRefused {
                refund: self.refund,
                code,
            },
            RefundReply::Retry => return None,
        };
        Some(Command {
            no: self.no,
            kind: ask,
        })
    }

    /// The code and the words, where the channel did not accept the request.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

impl Request<'_> {
    fn with_codes(
        &self,
        fields: &Fields,
        codes: &Codes,
        words: &FieldNames,
    ) -> Result<RefundAnswer, MessageError> {
        if codes.succeeded(fields)? {
            return self.accepted(fields, words);
        }
        Ok(self.failed(codes.failure(fields), true))
    }

    /// An answer about another order or another refund would move this one.
    fn accepted(&self, fields: &Fields, words: &FieldNames) -> Result<RefundAnswer, MessageError> {
        if !words.names_refund(fields) || fields.has("trade_state") {
            return Err(fields.wrong_kind());
        }
        let fact = words.accepted(fields, self.asked)?;
        if fact.refund_no() != self.asked.refund_no() {
            return Err(FieldError::NotAsked.of(words.refund_no));
        }
        let told = fields.given(words.no, OrderNo::parse)?;
        if told.is_some_and(|told| told != self.no) {
            return Err(FieldError::NotAsked.of(words.no));
        }
        Ok(self.answer(RefundReply::Accepted(Box::new(fact)), None))
    }

    /// A code refuses the refund only where the channel has `decided`.
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
