//! The server's routes, by area, and their extractors.

mod assets;
mod callbacks;
mod failure;
mod operator;
mod orders;
mod pay;
mod sandbox;
mod stats;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use hyper::body::Bytes;
use orderstore::OrderNo;
use serde::de::DeserializeOwned;

pub(crate) use failure::{Code, Failure};

use crate::app::App;
use crate::guard::guard;

/// Maximum size of a request body in bytes.
const BODY_MAX: usize = 64 << 10;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(assets::shop))
        .route("/operator", get(assets::operator))
        .route("/static/{file}", get(assets::file))
        .route("/goods", get(pay::goods))
        .route("/wxPay", post(pay::wx_pay))
        .route("/payCallBack", post(callbacks::pay_call_back))
        .route("/notify/v3", post(callbacks::notify_v3))
        .route("/orders", get(orders::list))
        .route("/orders/{no}", get(orders::show))
        .route("/orders/{no}/history", get(orders::history))
        .route("/orders/{no}/close", post(operator::close))
        .route("/orders/{no}/end", post(operator::end))
        .route("/orders/{no}/refund", post(operator::refund))
        .route(
            "/orders/{no}/anomalies/{id}/resolve",
            post(operator::resolve),
        )
        .route("/closedRefunds", get(operator::closed_refunds))
        .route("/anomalies", get(operator::anomalies))
        .route("/stats", get(stats::stats))
        .route("/sandbox/pay/{no}", post(sandbox::pay))
        .route("/sandbox/cancel/{no}", post(sandbox::cancel))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, Code::NoSuchPage, "page not found"))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app)
}

/// JSON body of a request; an empty body is an empty object.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| {
            let status = error.status();
            Failure::new(status, Code::BadBody, error.body_text())
        })?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let read = serde_json::from_slice(text);
        read.map(Self)
            .map_err(|error| Failure::bad(Code::BadBody, error))
    }
}

/// Query parameters of a request.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::from_request_parts(parts, state).await;
        let malformed = |error: QueryRejection| Failure::bad(Code::BadParameter, error.body_text());
        read.map(|Query(read)| Self(read)).map_err(malformed)
    }
}

fn order_no(text: &str) -> Result<OrderNo, Failure> {
    OrderNo::parse(text).map_err(|error| Failure::bad(Code::BadNumber, error))
}
