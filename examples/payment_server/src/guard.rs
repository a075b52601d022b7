//! Around every request: a time limit, a check of who sent it, and a line in the log.
//!
//! A line of the log has the route's pattern and not the address that was asked for: that
//! may name a person.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::app::App;
use crate::hosts::Hosts;
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

/// What was begun is not undone: whoever asks again is told how it ended.
fn too_slow() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Timeout,
        "it took too long",
    )
}

/// Refuses requests that a page of another site made the browser send. Such a page must not
/// press this server's buttons.
fn check(headers: &HeaderMap, hosts: &Hosts) -> Result<(), Failure> {
    let host = only(headers, header::HOST).filter(|host| hosts.allows(host));
    let Some(host) = host else {
        warn!("a request to another host name was refused; --host NAME allows a name");
        return Err(Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            Code::UnknownHost,
            "this server does not answer to this host name",
        ));
    };
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let is_own = |(scheme, authority): (&str, &str)| {
        matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
    };
    if origin.is_some_and(is_own) {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::FORBIDDEN,
        Code::ForeignPage,
        "another site's page asked",
    ))
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}
