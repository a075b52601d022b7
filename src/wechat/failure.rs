//! What a message says that carries no fact.

use super::error::{FieldError, MessageError};
use super::fields::Fields;
use crate::types::{Label, Note, OrderNo};

/// What a message without a fact says. Every field is missing where the message has none
/// or a malformed one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The order's number: `outTradeNo`, `out_trade_no`.
    pub order_no: Option<OrderNo>,
    /// What went wrong with the call itself, in words: `returnMsg`, `return_msg`.
    pub return_msg: Option<Note>,
    /// The code of what went wrong: `errCode`, `err_code`, in v3 `code`.
    pub err_code: Option<Label>,
    /// What went wrong, in words: `errCodeDes`, `err_code_des`, in v3 `message`.
    pub err_code_des: Option<Note>,
}

/// What a protocol with two codes calls them, and what goes with a failure.
#[derive(Debug)]
pub(super) struct Codes {
    pub(super) return_code: &'static str,
    pub(super) result_code: &'static str,
    pub(super) no: &'static str,
    pub(super) return_msg: &'static str,
    pub(super) err_code: &'static str,
    pub(super) err_code_des: &'static str,
}

impl Codes {
    /// Whether both codes say `SUCCESS`.
    pub(super) fn succeeded(&self, fields: &Fields) -> Result<bool, MessageError> {
        Ok(success(fields, self.return_code)? && success(fields, self.result_code)?)
    }

    pub(super) fn failure(&self, fields: &Fields) -> Failure {
        Failure {
            order_no: fields.lossy(self.no, OrderNo::parse),
            return_msg: fields.lossy(self.return_msg, Note::parse),
            err_code: fields.lossy(self.err_code, Label::parse),
            err_code_des: fields.lossy(self.err_code_des, Note::parse),
        }
    }
}

fn success(fields: &Fields, name: &'static str) -> Result<bool, MessageError> {
    fields.required(name, |code| match code {
        "SUCCESS" => Ok(true),
        "FAIL" => Ok(false),
        _ => Err(FieldError::NotCode),
    })
}
