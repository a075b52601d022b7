//! Error fields of a message that contains no payment, refund or order state.

use super::error::{FieldError, MessageError};
use super::fields::Fields;
use crate::types::{Label, Note, OrderNo};

/// Failure that a message reports instead of a payment, a refund or an order state.
///
/// A field is `None` if the message does not have it or has a malformed value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Order number. The field is named `outTradeNo` in cloud messages, and `out_trade_no` in the
    /// other protocols.
    pub order_no: Option<OrderNo>,
    /// Description of a failed call. The field is named `returnMsg` in cloud messages, and
    /// `return_msg` in API v2.
    pub return_msg: Option<Note>,
    /// Error code. The field is named `errCode` in cloud messages, `err_code` in API v2 and `code`
    /// in API v3.
    pub err_code: Option<Label>,
    /// Description of the error. The field is named `errCodeDes` in cloud messages, `err_code_des`
    /// in API v2 and `message` in API v3.
    pub err_code_des: Option<Note>,
}

/// Names, in one protocol, of the return code, the result code and the error fields.
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
    /// Returns whether both the return code and the result code are `SUCCESS`.
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
