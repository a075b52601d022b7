//! Parser for the channel's answer to a close request.

use super::{CLOUD, OF_V2, TwoCodes, V2, cloud_failure, of_cloud, v3_failure};
use crate::order::{CloseReply, Command, CommandKind};
use crate::types::OrderNo;
use crate::wechat::codes;
use crate::wechat::error::MessageError;
use crate::wechat::failure::Failure;
use crate::wechat::fields::Fields;

/// Answer of the channel to a close request.
///
/// An answer that proves nothing becomes [`CloseReply::Retry`]: the order does not change, and the
/// server repeats the request later.
///
/// ```
/// use orderstore::CloseReply;
/// use orderstore::wechat::ClosingAnswer;
///
/// assert_eq!(ClosingAnswer::from_v3(204, b"").reply(), CloseReply::Closed);
/// let paid = br#"{ "code": "ORDERPAID", "message": "paid already" }"#;
/// assert_eq!(ClosingAnswer::from_v3(400, paid).reply(), CloseReply::OrderPaid);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingAnswer {
    reply: CloseReply,
    failure: Option<Failure>,
}

impl ClosingAnswer {
    /// Reads an API v3 answer from its HTTP status and body. The body may be empty.
    #[must_use]
    pub fn from_v3(status: u16, body: &[u8]) -> Self {
        if status == 204 {
            return Self::CLOSED;
        }
        Self::of_failure(v3_failure(body))
    }

    /// Reads an API v2 answer from its XML body.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not an answer to a close request.
    pub fn from_v2(xml: &[u8]) -> Result<Self, MessageError> {
        Self::of_two_codes(&OF_V2, &Fields::from_xml(xml, &V2)?)
    }

    /// Reads an answer of the cloud's open interface. A container gets its fields in `respdata`; a
    /// function gets them in camel case.
    ///
    /// # Errors
    /// [`MessageError`] if the bytes are not an answer to a close request.
    pub fn from_cloud(json: &[u8]) -> Result<Self, MessageError> {
        let fields = Fields::from_json(json, &CLOUD)?;
        match of_cloud(&fields) {
            Some(form) => Self::of_two_codes(&form, &fields),
            None if fields.has("errcode") => Ok(Self::of_failure(cloud_failure(&fields))),
            None => Err(fields.wrong_kind()),
        }
    }

    const CLOSED: Self = Self {
        reply: CloseReply::Closed,
        failure: None,
    };

    /// Reads an answer that has a return code (of the call) and a result code (of the close).
    fn of_two_codes(form: &TwoCodes, fields: &Fields) -> Result<Self, MessageError> {
        if form.codes.succeeded(fields)? {
            return Ok(Self::CLOSED);
        }
        Ok(Self::of_failure(form.codes.failure(fields)))
    }

    fn of_failure(failure: Failure) -> Self {
        let code = failure.err_code.as_ref();
        let reply = code.map_or(CloseReply::Retry, |code| codes::close_reply(code.as_str()));
        Self {
            reply,
            failure: Some(failure),
        }
    }

    /// Returns the result of the close request, which `record_close` accepts.
    #[must_use]
    pub const fn reply(&self) -> CloseReply {
        self.reply
    }

    /// Returns the command that records the result for the order `no`.
    #[must_use]
    pub fn into_command(self, no: OrderNo) -> Command {
        Command {
            no,
            kind: CommandKind::RecordClose(self.reply),
        }
    }

    /// Returns the error code and its description; `None` if the channel closed the order without
    /// an error.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}
