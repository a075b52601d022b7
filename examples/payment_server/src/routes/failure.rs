//! What is answered instead: a status, a code for programs, a text for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use crate::channel::ChannelError;
use crate::desk::DeskError;
use crate::shop::ShopError;
use crate::stand_in::Refusal;

#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    error: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, error: impl ToString) -> Self {
        let error = error.to_string();
        Self {
            status,
            code,
            error,
        }
    }

    /// What was asked for cannot be meant.
    pub(crate) fn bad(code: &'static str, error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    /// What was asked for does not go with how things stand.
    pub(crate) fn conflict(code: &'static str, error: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, error)
    }

    pub(crate) fn no_such_order() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "noSuchOrder",
            "there is no such order",
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "code": self.code });
        (self.status, Json(body)).into_response()
    }
}

impl From<orderstore::Error> for Failure {
    fn from(error: orderstore::Error) -> Self {
        match error {
            orderstore::Error::InvalidCursor { .. } => Self::bad("badCursor", error),
            orderstore::Error::Invalid { .. } => Self::bad("badParameter", error),
            orderstore::Error::ShutDown => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ending",
                "the server is ending",
            ),
            error if error.is_retryable() => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error)
            }
            error => {
                error!(%error, cause = ?std::error::Error::source(&error), "the store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store", error)
            }
        }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Store(error) => error.into(),
            DeskError::Channel(ChannelError::Refused { .. }) => {
                Self::new(StatusCode::BAD_GATEWAY, "channelRefused", error)
            }
            DeskError::Channel(_) => Self::new(StatusCode::BAD_GATEWAY, "channelDown", error),
            DeskError::NoSuchOrder => Self::no_such_order(),
            DeskError::NoSuchRefund => Self::new(StatusCode::NOT_FOUND, "noSuchRefund", error),
        }
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::NoSuchGoods => Self::new(StatusCode::NOT_FOUND, "noSuchGoods", error),
            error => Self::bad("badOrder", error),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            404 => Self::no_such_order(),
            _ => Self::conflict("notPayable", refusal),
        }
    }
}
