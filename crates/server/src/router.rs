//! The router of the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use orderstore::Store;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Limits};
use crate::commands::KINDS;
use crate::metrics::http::record;
use crate::openapi;
use crate::problem::{Kind, Problem};
use crate::routes::extract::{Body, Parameters, REMOTE};
use crate::routes::{feed, metrics, read, remote, stats, write};

/// Returns the routes of the API around a store, to mount beside other routes: everything under
/// `/v1`, and `/healthz`, `/readyz` and `/metrics`. The limits of sizes and times are
/// [`Limits::default`].
///
/// Cancel `draining` when your server begins to shut down. Then `/readyz` answers 503, and long polls
/// and streams of events end. Other requests are still answered.
///
/// The router checks neither `Host` nor `Origin`, and it asks for no token. A server that mounts it
/// must check all three: see [`check_origin`](crate::check_origin).
///
/// ```
/// # let store = orderstore::Store::memory()?;
/// let own = axum::Router::new().route("/shop", axum::routing::get(|| async { "tea" }));
/// let draining = tokio_util::sync::CancellationToken::new();
/// let all = own.merge(orderstore_server::router(store, draining.clone()));
/// # Ok::<(), orderstore::OpenError>(())
/// ```
pub fn router(store: Store, draining: CancellationToken) -> Router {
    let app = App::new(store, Limits::default(), draining);
    let record = from_fn_with_state(app.metrics.http.clone(), record);
    routes(Arc::new(app)).layer(record)
}

pub(crate) fn routes(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/healthz", get(stats::healthz))
        .route("/readyz", get(stats::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/openapi.json", get(document))
        .route("/v1/order-numbers", post(write::numbers))
        .route("/v1/batch", post(write::batch))
        .route("/v1/orders", get(read::orders))
        .route("/v1/orders/{outTradeNo}", get(read::order))
        .route("/v1/orders/{outTradeNo}/history", get(read::history))
        .route("/v1/anomalies", get(read::anomalies))
        .route("/v1/due", get(read::due))
        .route("/v1/refunds/closed", get(read::closed_refunds))
        .route("/v1/counts", get(read::counts))
        .route("/v1/totals", get(read::totals))
        .route("/v1/stats", get(stats::stats))
        .route("/v1/feed", get(feed::poll))
        .route("/v1/feed/stream", get(feed::stream));
    with_commands(router)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// Returns the route that only an admin socket has: that of the command line.
pub(crate) fn admin_routes(app: Arc<App>) -> Router {
    let remote = Router::new().route(REMOTE, post(remote::remote));
    remote.with_state(app)
}

/// Adds one route for each kind of command.
fn with_commands(router: Router<Arc<App>>) -> Router<Arc<App>> {
    KINDS.iter().fold(router, |router, kind| {
        let single =
            move |State(app): State<Arc<App>>,
                  path: Result<RawPathParams, RawPathParamsRejection>,
                  Parameters(wanted): Parameters<write::Wanted>,
                  body: Body| write::single(kind, app, path, wanted, body);
        router.route(kind.path, post(single))
    })
}

async fn document() -> impl IntoResponse {
    let media_type = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, media_type)], openapi::TEXT)
}

async fn method_not_allowed(method: Method) -> Problem {
    let why = "the route does not take this method; /v1/openapi.json lists the methods";
    Problem::refused(&method, Kind::MethodNotAllowed, why)
}

/// Answers a request whose path has no route.
pub(crate) async fn not_found(method: Method) -> Problem {
    let why = "no route has this path; /v1/openapi.json lists the routes";
    Problem::refused(&method, Kind::RouteNotFound, why)
}
