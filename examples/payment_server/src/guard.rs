//! Around every request: a time limit, a look at who sent it, and a line in the log.
//!
//! A line of the log has the route's pattern and not the address that was asked for: that
//! may name a person.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::app::App;
use crate::routes::Failure;

pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = if is_of_another_page(request.headers()) {
        Failure::new(
            StatusCode::FORBIDDEN,
            "foreignPage",
            "another site's page asked",
        )
        .into_response()
    } else {
        let limited = tokio::time::timeout(app.request_limit, next.run(request)).await;
        limited.unwrap_or_else(|_| too_slow().into_response())
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

/// What was begun is not undone: whoever asks again is told how it ended.
fn too_slow() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "timeout",
        "it took too long",
    )
}

/// A page of somebody else's must not press this server's buttons: a browser says whose page
/// is asking.
fn is_of_another_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    origin.map(|(_, host)| host) != host || host.is_none()
}
