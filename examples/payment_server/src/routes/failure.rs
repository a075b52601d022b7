//! Failure answers: a status, a code for programs, and a text for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tracing::error;

use crate::channel::ChannelError;
use crate::desk::DeskError;
use crate::shop::ShopError;
use crate::stand_in::Refusal;

/// Defines the codes with their texts, and a list of all codes for the test of the page's texts.
macro_rules! codes {
    ($($code:ident $text:literal)*) => {
        /// Code of a failure. The page's texts for it are in `page/errors.js`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($code),* }

        impl Code {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$code),*];

            const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),* }
            }
        }
    };
}

codes! {
    AlreadyPaid "alreadyPaid"
    BadBody "badBody"
    BadCursor "badCursor"
    BadNote "badNote"
    BadNumber "badNumber"
    BadOrder "badOrder"
    BadParameter "badParameter"
    BadRefund "badRefund"
    Blocked "blocked"
    Busy "busy"
    ChannelDown "channelDown"
    ChannelRefused "channelRefused"
    ChannelUnauthorized "channelUnauthorized"
    Decided "decided"
    Ending "ending"
    Exceeds "exceeds"
    ForeignPage "foreignPage"
    NoSandbox "noSandbox"
    NoSuchAnomaly "noSuchAnomaly"
    NoSuchGoods "noSuchGoods"
    NoSuchOrder "noSuchOrder"
    NoSuchPage "noSuchPage"
    NoSuchRefund "noSuchRefund"
    NotAcceptable "notAcceptable"
    NotPaid "notPaid"
    NotPayable "notPayable"
    NotRefundable "notRefundable"
    NotRefunded "notRefunded"
    NotResolved "notResolved"
    OpenAnomaly "openAnomaly"
    ReferenceTaken "referenceTaken"
    RefundDiffers "refundDiffers"
    RefundedElsewhere "refundedElsewhere"
    RefundEnded "refundEnded"
    RefundNoTaken "refundNoTaken"
    RefundRefused "refundRefused"
    RefundReturned "refundReturned"
    RefundUnderWay "refundUnderWay"
    Store "store"
    Timeout "timeout"
    TooEarly "tooEarly"
    TooMany "tooMany"
    UnknownHost "unknownHost"
    WindowOver "windowOver"
}

#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: Code,
    error: String,
    /// Values for the page's text of this code; `null` if the text needs none.
    details: Value,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: Code, error: impl ToString) -> Self {
        let error = error.to_string();
        Self {
            status,
            code,
            error,
            details: Value::Null,
        }
    }

    /// Adds values for the page's text.
    pub(crate) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }

    /// Returns the failure of an invalid request.
    pub(crate) fn bad(code: Code, error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    /// Returns the failure of a request that the present state does not allow.
    pub(crate) fn conflict(code: Code, error: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, error)
    }

    pub(crate) fn no_such_order() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NoSuchOrder, "order not found")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.code.as_str();
        let body = json!({ "error": self.error, "code": code, "details": self.details });
        (self.status, Json(body)).into_response()
    }
}

impl From<orderstore::Error> for Failure {
    fn from(error: orderstore::Error) -> Self {
        match error {
            orderstore::Error::InvalidCursor { .. } => Self::bad(Code::BadCursor, error),
            orderstore::Error::Invalid { .. } => Self::bad(Code::BadParameter, error),
            orderstore::Error::ShutDown => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Ending,
                "the server is shutting down",
            ),
            error if error.is_retryable() => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Busy, error)
            }
            error => {
                error!(%error, cause = ?std::error::Error::source(&error), "the store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Store, error)
            }
        }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Store(error) => error.into(),
            DeskError::Channel(ChannelError::Refused { .. }) => {
                Self::new(StatusCode::BAD_GATEWAY, Code::ChannelRefused, error)
            }
            DeskError::Channel(ChannelError::Unauthorized { .. }) => {
                Self::new(StatusCode::BAD_GATEWAY, Code::ChannelUnauthorized, error)
            }
            DeskError::Channel(_) => Self::new(StatusCode::BAD_GATEWAY, Code::ChannelDown, error),
            DeskError::NoSuchOrder => Self::no_such_order(),
            DeskError::NoSuchRefund => Self::new(StatusCode::NOT_FOUND, Code::NoSuchRefund, error),
        }
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::NoSuchGoods => Self::new(StatusCode::NOT_FOUND, Code::NoSuchGoods, error),
            error => Self::bad(Code::BadOrder, error),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            404 => Self::no_such_order(),
            _ => Self::conflict(Code::NotPayable, refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = include_str!("../../page/errors.js");

    #[test]
    fn failure_code_has_text_in_both_languages() {
        for code in Code::ALL {
            let key = format!(" {}Error: '", code.as_str());
            assert_eq!(WORDS.matches(&key).count(), 2, "{key}");
        }
    }
}
