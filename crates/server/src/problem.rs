//! Failure answers: problem details (RFC 9457) with the effect of the request on the store.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderstore::{Effect, Error, StorageErrorKind, with_causes};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

/// Media type of every failure answer.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Defines the kinds of problems: variant, name, status and title.
macro_rules! kinds {
    ($($kind:ident $name:literal $status:ident $title:literal)*) => {
        /// Kind of a problem. Each kind has its own URN, which never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            /// Every kind, for the OpenAPI document.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            /// Returns the name of the kind: the last part of its URN.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// Returns the URN of the kind.
            pub(crate) const fn urn(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:orderstore:problem:", $name)),* }
            }

            /// Returns the status of the answer.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status),* }
            }

            /// Returns the title of the kind.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),* }
            }
        }
    };
}

kinds! {
    InvalidRequest "invalid-request" BAD_REQUEST "Invalid request"
    InvalidCursor "invalid-cursor" BAD_REQUEST "Invalid cursor"
    ForeignOrigin "foreign-origin" FORBIDDEN "Foreign origin"
    OrderNotFound "order-not-found" NOT_FOUND "Order not found"
    RouteNotFound "route-not-found" NOT_FOUND "Route not found"
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "Method not allowed"
    BodyTimeout "body-timeout" REQUEST_TIMEOUT "Request body too slow"
    Differs "differs" CONFLICT "Orders differ"
    TooLarge "too-large" PAYLOAD_TOO_LARGE "Request too large"
    MediaType "media-type" UNSUPPORTED_MEDIA_TYPE "Unsupported media type"
    UnknownHost "unknown-host" MISDIRECTED_REQUEST "Unknown host"
    Overloaded "overloaded" TOO_MANY_REQUESTS "Store overloaded"
    Busy "busy" TOO_MANY_REQUESTS "Server busy"
    OutcomeUnknown "outcome-unknown" INTERNAL_SERVER_ERROR "Outcome unknown"
    Unreadable "unreadable" INTERNAL_SERVER_ERROR "Store unreadable"
    Rejected "rejected" INTERNAL_SERVER_ERROR "Command not applied"
    Internal "internal" INTERNAL_SERVER_ERROR "Internal error"
    Unsupported "unsupported" NOT_IMPLEMENTED "Operation not supported"
    NotReady "not-ready" SERVICE_UNAVAILABLE "Store not ready"
    ReadOnly "read-only" SERVICE_UNAVAILABLE "Store is a standby"
    Poisoned "poisoned" SERVICE_UNAVAILABLE "Store poisoned"
    ShutDown "shut-down" SERVICE_UNAVAILABLE "Store shut down"
    DiskFull "disk-full" SERVICE_UNAVAILABLE "Disk full"
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Store unavailable"
    Timeout "timeout" SERVICE_UNAVAILABLE "Request timed out"
}

/// Time in seconds after which a client repeats a request whose problem may end by itself.
const RETRY_AFTER: u8 = 1;

impl Kind {
    /// Returns whether the problem always ends by itself, or when the server runs again.
    const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::Busy | Self::NotReady | Self::ShutDown
        )
    }
}

/// Failure answer of the API.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// URN of the kind of problem.
    #[serde(rename = "type")]
    urn: &'static str,
    /// Title of the kind of problem.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// Failed operation, its cause, and advice for the client.
    detail: String,
    /// Effect of the failed request on the store.
    effect: EffectWord,
    /// Time in seconds after which the same request may succeed, as in the header `Retry-After`. Absent if
    /// only another request or an operator helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u8>,
}

/// Effect of a failed request on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EffectWord {
    /// This request certainly applied nothing. An earlier `unknown` of the same command stays open:
    /// only a reply shows its outcome.
    NotApplied,
    /// The command is applied completely or not at all. Repeat it: the reply shows which.
    Unknown,
    /// The request has no command: for example, a read failed.
    None,
}

impl Problem {
    /// Returns a problem of a request that reached no command of the store.
    pub(crate) fn new(kind: Kind, detail: impl ToString) -> Self {
        Self {
            kind,
            urn: kind.urn(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.to_string(),
            effect: EffectWord::None,
            retry_after: kind.may_pass().then_some(RETRY_AFTER),
        }
    }

    /// Sets what the request did to the store.
    pub(crate) const fn with_effect(mut self, effect: EffectWord) -> Self {
        self.effect = effect;
        self
    }

    /// Returns the problem of an invalid argument.
    pub(crate) fn invalid(detail: impl ToString) -> Self {
        Self::new(Kind::InvalidRequest, detail)
    }

    /// Returns the problem of a command that was refused before it reached the store.
    pub(crate) fn not_applied(kind: Kind, detail: impl ToString) -> Self {
        Self::new(kind, detail).with_effect(EffectWord::NotApplied)
    }

    /// Returns the problem of a request that was refused before it reached the store. Only `POST`
    /// requests have commands.
    pub(crate) fn refused(method: &Method, kind: Kind, detail: impl ToString) -> Self {
        match *method {
            Method::POST => Self::not_applied(kind, detail),
            _ => Self::new(kind, detail),
        }
    }

    /// Returns the problem of a read that failed. A read never has an effect.
    pub(crate) fn of_read(error: &Error) -> Self {
        Self::of_store(error).with_effect(EffectWord::None)
    }

    /// Returns the problem of a command that failed. An error without an effect means that the
    /// command is not applied.
    pub(crate) fn of_command(error: &Error) -> Self {
        let problem = Self::of_store(error);
        match problem.effect {
            EffectWord::None => problem.with_effect(EffectWord::NotApplied),
            _ => problem,
        }
    }

    /// Returns the problem of a request that took too long.
    pub(crate) fn timeout(effect: EffectWord) -> Self {
        let detail = match effect {
            EffectWord::None => "the read took too long; try again later, or ask for less",
            _ => "the reply took too long; repeat the command: its reply shows whether it applies",
        };
        Self::new(Kind::Timeout, detail).with_effect(effect)
    }
}

/// The answer has the kind as an extension, for the metrics.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, media_type)], body).into_response();
        response.extensions_mut().insert(self.kind);
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(u16::from(seconds));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl Problem {
    fn of_store(error: &Error) -> Self {
        let (kind, advice) = kind_of(error);
        let effect = match error.effect() {
            Effect::NotApplied => EffectWord::NotApplied,
            Effect::NothingAsked => EffectWord::None,
            // A new kind of effect could be a change of the data, so it counts as unknown.
            _ => EffectWord::Unknown,
        };
        let text = with_causes(error);
        if kind.status() == StatusCode::INTERNAL_SERVER_ERROR {
            error!(error = text, "answer store error");
        }
        let detail = match advice {
            "" => text,
            advice => format!("{text}; {advice}"),
        };
        let mut problem = Self::new(kind, detail).with_effect(effect);
        if kind != Kind::OutcomeUnknown && error.is_retryable() {
            problem.retry_after = Some(RETRY_AFTER);
        }
        problem
    }
}

/// Returns the kind of problem of an error, and advice that its text lacks.
const fn kind_of(error: &Error) -> (Kind, &'static str) {
    match error {
        Error::Overloaded => (Kind::Overloaded, ""),
        Error::BatchTooLarge { .. } => (Kind::TooLarge, ""),
        Error::ShutDown => (Kind::ShutDown, "try again when the server runs again"),
        Error::OutcomeUnknown(_) => (
            Kind::OutcomeUnknown,
            "repeat the command until it gets a reply; if the store is poisoned, an operator must restart \
             the server first",
        ),
        Error::Poisoned(_) => (Kind::Poisoned, "an operator must restart the server"),
        Error::ReadOnly => (Kind::ReadOnly, ""),
        Error::NotApplied(cause) => match cause.kind() {
            StorageErrorKind::Io | StorageErrorKind::DiskFull => (Kind::Unavailable, "try again"),
            _ => (Kind::Rejected, "an operator must look at the store"),
        },
        Error::Unreadable(_) => (Kind::Unreadable, "an operator must verify the store"),
        Error::DiskFull => (Kind::DiskFull, "free space, then try again"),
        Error::Differs { .. } => (Kind::Differs, ""),
        Error::Unsupported { .. } => (Kind::Unsupported, ""),
        Error::InvalidCursor { .. } => (Kind::InvalidCursor, ""),
        Error::Invalid { .. } => (Kind::InvalidRequest, ""),
        // No route of this crate makes a backup, opens a store or shuts one down. A server that
        // forks must not serve in the child.
        Error::Unclosed(_) | Error::NotBackedUp { .. } | Error::Open(_) | Error::Forked => {
            (Kind::Internal, "")
        }
        _ => (Kind::Internal, "an operator must look at the server's log"),
    }
}

#[cfg(test)]
mod tests {
    use orderstore::{OpenError, OrderNo, StorageError};

    use super::*;

    #[test]
    fn every_store_error_has_kind_and_effect() {
        use EffectWord::{None, NotApplied, Unknown};
        let cause = || StorageError::new(StorageErrorKind::Io, "cause");
        let corrupt = || StorageError::corrupted("page 7");
        let no = OrderNo::parse("order-1").unwrap();
        let source = cause();
        let (dir, why) = (std::path::PathBuf::new(), String::new());
        for (error, kind, effect) in [
            (Error::Overloaded, Kind::Overloaded, NotApplied),
            (
                Error::BatchTooLarge {
                    what: "bytes",
                    found: 2,
                    limit: 1,
                },
                Kind::TooLarge,
                NotApplied,
            ),
            (Error::ShutDown, Kind::ShutDown, NotApplied),
            (
                Error::OutcomeUnknown(cause()),
                Kind::OutcomeUnknown,
                Unknown,
            ),
            (Error::Poisoned(cause()), Kind::Poisoned, NotApplied),
            (Error::ReadOnly, Kind::ReadOnly, NotApplied),
            (Error::NotApplied(cause()), Kind::Unavailable, NotApplied),
            (Error::NotApplied(corrupt()), Kind::Rejected, NotApplied),
            (Error::Unreadable(corrupt()), Kind::Unreadable, NotApplied),
            (Error::DiskFull, Kind::DiskFull, NotApplied),
            (Error::Differs { no }, Kind::Differs, None),
            (Error::Unsupported { what: "it" }, Kind::Unsupported, None),
            (
                Error::InvalidCursor { why: "old".into() },
                Kind::InvalidCursor,
                None,
            ),
            (
                Error::Invalid { what: "limit", why },
                Kind::InvalidRequest,
                None,
            ),
            (Error::Unclosed(cause()), Kind::Internal, None),
            (Error::NotBackedUp { dir, source }, Kind::Internal, None),
            (Error::Open(OpenError::NoTables), Kind::Internal, None),
            (Error::Forked, Kind::Internal, NotApplied),
        ] {
            let problem = Problem::of_store(&error);
            assert_eq!((problem.kind, problem.effect), (kind, effect), "{error:?}");
            assert_eq!(Problem::of_read(&error).effect, None, "{error:?}");
            assert_ne!(Problem::of_command(&error).effect, None, "{error:?}");
        }
    }

    #[test]
    fn problems_that_may_end_by_themselves_name_a_retry_time() {
        let has_header = |error: Error| {
            let response = Problem::of_command(&error).into_response();
            response.headers().contains_key(header::RETRY_AFTER)
        };
        assert!(has_header(Error::Overloaded));
        assert!(has_header(Error::DiskFull));
        assert!(has_header(Error::ShutDown));
        assert!(!has_header(Error::ReadOnly));
    }

    #[test]
    fn every_kind_has_its_own_urn() {
        let urns: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
        assert_eq!(urns.len(), Kind::ALL.len());
    }
}
