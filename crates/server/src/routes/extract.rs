//! Extractors of bodies and query parameters. Each refuses a request with a problem.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, FailedToBufferBody, QueryRejection};
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, MatchedPath, Path, Query, Request,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hyper::body::{Body as _, Bytes};
use orderstore::OrderNo;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::App;
use crate::hosts::only;
use crate::problem::{Kind, Problem};

/// Maximum size of a body that is not a batch, in bytes.
const BODY_MAX: usize = 64 << 10;

/// Path of the requests of the command line. A body there can be as large as that of a batch.
pub(crate) const REMOTE: &str = "/v1/remote";

/// Body of a request: JSON, or empty for a command without arguments.
///
/// A request that is refused here reached no command, so nothing is applied.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Bytes,
    /// Held until the request is answered.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// Returns the text of the body. An empty body is an empty object.
    pub(crate) fn text(&self) -> &[u8] {
        match self.bytes.is_empty() {
            true => b"{}",
            false => &self.bytes,
        }
    }
}

impl FromRequest<Arc<App>> for Body {
    type Rejection = Problem;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let longest = longest(&request, app);
        // Refuse an announced length at once. The limit of the body ends the others.
        if u64::try_from(longest).is_ok_and(|longest| request.body().size_hint().lower() > longest)
        {
            return Err(too_large());
        }
        let _permit = permit(expected(&request, longest), app).await?;
        DefaultBodyLimit::max(longest).apply(&mut request);
        let reading = timeout(app.limits.request, Bytes::from_request(request, app)).await;
        let bytes = match reading {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(unread(&error)),
            Err(_) => {
                let why = "the body did not arrive in time; send it again";
                return Err(Problem::not_applied(Kind::BodyTimeout, why));
            }
        };
        if !bytes.is_empty() && !is_json {
            let why = "the body must be JSON; send it with content-type: application/json";
            return Err(Problem::not_applied(Kind::MediaType, why));
        }
        Ok(Self { bytes, _permit })
    }
}

/// Waits until there is memory for a body of this length. A small body needs no permit: the number of
/// connections bounds these bodies.
async fn permit(len: usize, app: &App) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    match len {
        ..=BODY_MAX => Ok(None),
        len => app.reserve(len).await.map(Some),
    }
}

/// Returns the length of the body: the announced one, or else the maximum of the route.
fn expected(request: &Request, longest: usize) -> usize {
    let announced = request.body().size_hint().upper();
    announced
        .and_then(|len| usize::try_from(len).ok())
        .unwrap_or(longest)
}

fn too_large() -> Problem {
    let why = "the body is larger than this route allows; send fewer commands or less data";
    Problem::not_applied(Kind::TooLarge, why)
}

/// Returns the maximum length of the body on the route of the request.
fn longest(request: &Request, app: &App) -> usize {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let is_batch = path.ends_with("/v1/batch") || path == REMOTE;
    if is_batch { app.limits.batch } else { BODY_MAX }
}

fn unread(error: &BytesRejection) -> Problem {
    match error {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => too_large(),
        _ => Problem::not_applied(Kind::InvalidRequest, "the body could not be read"),
    }
}

/// Returns whether the only content type is JSON, with or without parameters such as the charset.
fn is_json(headers: &HeaderMap) -> bool {
    let value = only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// Query parameters of a request.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read))
            .map_err(|error| invalid(&parts.method, &error))
    }
}

fn invalid(method: &Method, error: &QueryRejection) -> Problem {
    let text = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    let why = format_args!("invalid query parameters: {text}");
    Problem::refused(method, Kind::InvalidRequest, why)
}

/// Order number in the path of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrderInPath(pub(crate) OrderNo);

impl<S: Send + Sync> FromRequestParts<S> for OrderInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Problem::invalid(NOT_UTF8))?;
        let no = OrderNo::parse(&text);
        no.map(Self)
            .map_err(|error| Problem::invalid(format_args!("`outTradeNo`: {error}")))
    }
}

/// Advice for a path whose percent-encoding is not valid UTF-8.
pub(crate) const NOT_UTF8: &str = "the path is not valid UTF-8; encode its parameters as UTF-8";

/// Returns the problem of a read of an order that does not exist.
pub(crate) fn no_such_order(no: OrderNo) -> Problem {
    Problem::new(
        Kind::OrderNotFound,
        format_args!("order {no} does not exist"),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use orderstore::Store;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::Limits;

    #[tokio::test]
    async fn large_body_waits_for_memory_and_small_one_does_not() {
        let limits = Limits {
            batch: 64 << 20,
            request: Duration::from_millis(50),
            ..Limits::default()
        };
        let store = Store::memory().unwrap();
        let app = Arc::new(App::new(store, limits, CancellationToken::new()));
        let all = permit(64 << 20, &app).await.unwrap();
        assert_eq!(
            permit(BODY_MAX + 1, &app).await.unwrap_err().kind,
            Kind::Busy
        );
        assert!(permit(BODY_MAX, &app).await.is_ok());
        drop(all);
        assert!(permit(BODY_MAX + 1, &app).await.is_ok());
    }
}
