//! Checks around every request of a served router: its origin, and a log line.
//!
//! Log lines show the route's pattern and not the requested path, which may contain personal data.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::hosts::{Hosts, OriginError, check_origin};
use crate::problem::{Kind, Problem};

pub(crate) async fn guard(
    State(hosts): State<Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match check_origin(request.headers(), &hosts) {
        Err(error) => refused(&method, error).into_response(),
        Ok(()) => next.run(request).await,
    };
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    if response.status().is_server_error() {
        warn!(%method, route, status, ?took, "answer request");
    } else {
        debug!(%method, route, status, ?took, "answer request");
    }
    response
}

fn refused(method: &Method, error: OriginError) -> Problem {
    match error {
        OriginError::UnknownHost => Problem::refused(
            method,
            Kind::UnknownHost,
            "the Host header names no loopback host; send the request to localhost",
        ),
        OriginError::ForeignOrigin => Problem::refused(
            method,
            Kind::ForeignOrigin,
            "the Origin header names another site; send the request without this header",
        ),
    }
}
