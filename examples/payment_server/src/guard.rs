//! Checks around every request: a time limit, the origin of the request, and a log line.
//!
//! Log lines show the route's pattern and not the requested path, which may contain personal data.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orderstore_server::{Hosts, OriginError, check_origin};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::app::App;
use crate::routes::{Code, Failure};

pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match check(request.headers(), &app.hosts) {
        Err(refused) => refused.into_response(),
        Ok(()) => {
            let limited = tokio::time::timeout(app.request_limit, next.run(request)).await;
            limited.unwrap_or_else(|_| too_slow().into_response())
        }
    };
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    if response.status().is_server_error() {
        warn!(%method, route, status, ?took, "answered");
    } else {
        debug!(%method, route, status, ?took, "answered");
    }
    response
}

/// Returns the answer of a request that took too long. Its command is not undone. A repeated
/// request returns the result, except that a refund without a refund number would refund again.
fn too_slow() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Timeout,
        "the request took too long; it may still take effect, so read the order first",
    )
}

/// Rejects requests that a page of another site made the browser send. Such a page must not trigger
/// any action here.
fn check(headers: &HeaderMap, hosts: &Hosts) -> Result<(), Failure> {
    check_origin(headers, hosts).map_err(|error| match error {
        OriginError::UnknownHost => {
            warn!("rejected a request with an unknown host name; --host NAME allows a name");
            Failure::new(StatusCode::MISDIRECTED_REQUEST, Code::UnknownHost, error)
        }
        _ => Failure::new(StatusCode::FORBIDDEN, Code::ForeignPage, error),
    })
}
