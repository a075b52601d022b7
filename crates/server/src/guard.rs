//! Checks around every request of a served router: its origin, and a log line.
//!
//! Log lines show the route's pattern and not the requested path, which may contain personal data.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method};
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
    let response = match check(request.headers(), &hosts) {
        Err(error) => refused(&method, error).into_response(),
        Ok(()) => next.run(request).await,
    };
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    if is_failure(&response) {
        warn!(%method, route, status, ?took, "answer request");
    } else {
        debug!(%method, route, status, ?took, "answer request");
    }
    response
}

/// Mark of an answer that reports the normal state of the server, as an extension. A standby is never
/// ready, and a warning for each probe would hide the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected;

/// Returns whether an operator should see the answer in the log.
pub(crate) fn is_failure(response: &Response) -> bool {
    let is_expected = response.extensions().get::<Expected>().is_some();
    response.status().is_server_error() && !is_expected
}

/// Checks the headers with which a browser names the site of the page that made it send the request.
///
/// A browser sends no `Origin` with a plain `GET`, for example for an image. Such a request gets no
/// answer for its page, but it would make the store work.
fn check(headers: &HeaderMap, hosts: &Hosts) -> Result<(), OriginError> {
    check_origin(headers, hosts)?;
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let is_foreign = sites.any(|site| site != "same-origin" && site != "none");
    match is_foreign && !hosts.names_origin(headers) {
        true => Err(OriginError::ForeignOrigin),
        false => Ok(()),
    }
}

fn refused(method: &Method, error: OriginError) -> Problem {
    match error {
        OriginError::UnknownHost => Problem::refused(
            method,
            Kind::UnknownHost,
            "the server does not know the host in the Host header; send the request to localhost",
        ),
        OriginError::ForeignOrigin => Problem::refused(
            method,
            Kind::ForeignOrigin,
            "a page of another site sent the request; send it without the headers Origin and \
             Sec-Fetch-Site",
        ),
    }
}
