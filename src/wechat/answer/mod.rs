//! Parsers for the channel's answers to queries, close requests and refund requests.

mod closing;
mod combined;
mod order;
mod refund;

pub use closing::ClosingAnswer;
pub use combined::CombinedAnswer;
pub use order::OrderAnswer;
pub use refund::{RefundAnswer, RefundReply};

use super::failure::{Codes, Failure};
use super::fields::{Fields, Form};
use super::payment::FieldNames;
use super::{cloud, v2};
use crate::types::{Label, Note, Timestamp};

/// Fields of an API v2 answer. They have the same names as in a v2 notification.
const V2: Form = Form {
    wanted: "an answer about an order",
    ..v2::FORM
};

/// Fields of an answer of the cloud's open interface: in `respdata` for a cloud container, and in
/// camel case for a cloud function.
const CLOUD: Form = Form {
    wanted: "an answer about an order",
    deciding: &[
        "respdata.return_code",
        "respdata.result_code",
        "respdata.trade_state",
        "respdata.transaction_id",
        "respdata.out_trade_no",
        "respdata.total_fee",
        "respdata.fee_type",
        "respdata.time_end",
        "respdata.appid",
        "respdata.sub_appid",
        "respdata.mch_id",
        "respdata.sub_mch_id",
        "respdata.openid",
        "respdata.sub_openid",
        "returnCode",
        "resultCode",
        "tradeState",
        "transactionId",
        "outTradeNo",
        "totalFee",
        "feeType",
        "timeEnd",
        "appid",
        "subAppid",
        "mchId",
        "subMchId",
        "openid",
        "subOpenid",
        "errcode",
    ],
    optional: &[
        "respdata.trade_type",
        "respdata.bank_type",
        "respdata.cash_fee",
        "respdata.settlement_total_fee",
        "respdata.return_msg",
        "respdata.err_code",
        "respdata.err_code_des",
        "tradeType",
        "bankType",
        "cashFee",
        "settlementTotalFee",
        "returnMsg",
        "errCode",
        "errCodeDes",
        "errmsg",
    ],
};

const RESPDATA_WORDS: FieldNames = FieldNames {
    no: "respdata.out_trade_no",
    state: "respdata.trade_state",
    transaction_id: &["respdata.transaction_id"],
    total: "respdata.total_fee",
    currency: "respdata.fee_type",
    time: "respdata.time_end",
    parse_time: Timestamp::parse_compact,
    appid: &["respdata.sub_appid", "respdata.appid"],
    mch_id: &["respdata.sub_mch_id", "respdata.mch_id"],
    openid: &["respdata.sub_openid", "respdata.openid"],
    trade_type: "respdata.trade_type",
    bank_type: "respdata.bank_type",
    payer_total: "respdata.cash_fee",
    settlement_total: "respdata.settlement_total_fee",
};

const RESPDATA_CODES: Codes = Codes {
    return_code: "respdata.return_code",
    result_code: "respdata.result_code",
    no: "respdata.out_trade_no",
    return_msg: "respdata.return_msg",
    err_code: "respdata.err_code",
    err_code_des: "respdata.err_code_des",
};

/// Fields of an API v3 error.
const V3_ERROR: Form = Form {
    wanted: "an error of API v3",
    deciding: &["code"],
    optional: &["message"],
};

/// Field names of a protocol whose answers have a return code and a result code.
struct TwoCodes {
    codes: &'static Codes,
    words: &'static FieldNames,
}

const OF_V2: TwoCodes = TwoCodes {
    codes: &v2::CODES,
    words: &v2::WORDS,
};

/// Returns the field names of a cloud answer, to a container or to a function. `None` if the answer
/// has no return code.
fn of_cloud(fields: &Fields) -> Option<TwoCodes> {
    if fields.has("respdata.return_code") {
        return Some(TwoCodes {
            codes: &RESPDATA_CODES,
            words: &RESPDATA_WORDS,
        });
    }
    fields.has("returnCode").then_some(TwoCodes {
        codes: &cloud::CODES,
        words: &cloud::WORDS,
    })
}

/// Returns the failure that the cloud reports if it could not reach the channel.
fn cloud_failure(fields: &Fields) -> Failure {
    Failure {
        err_code_des: fields.lossy("errmsg", Note::parse),
        ..Failure::default()
    }
}

/// Reads an API v3 error. A gateway between server and channel may return a body in another format;
/// the failure is then empty.
pub(super) fn v3_failure(body: &[u8]) -> Failure {
    let Ok(fields) = Fields::from_json(body, &V3_ERROR) else {
        return Failure::default();
    };
    Failure {
        err_code: fields.lossy("code", Label::parse),
        err_code_des: fields.lossy("message", Note::parse),
        ..Failure::default()
    }
}

#[cfg(test)]
mod tests;
