//! Metrics of HTTP requests: their durations, and the problems that they were answered with.
//!
//! A client cannot add labels without limit. The route is a pattern and never a path, rare methods
//! count as `other`, and the status is a class.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::problem::Kind;

/// Upper bounds of the buckets, in seconds. A command takes about a millisecond, a read of a page
/// some more, and a long poll up to a minute.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// Metrics of the requests. Clones share the same values.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    problems: Family<ProblemLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    kind: &'static str,
}

impl ProblemLabels {
    const fn of(kind: Kind) -> Self {
        Self { kind: kind.name() }
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let metrics = Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            problems: Family::default(),
        };
        // Each counter starts at 0. If it appeared with its first problem, `increase` in an alert
        // would not see this problem.
        for kind in Kind::ALL {
            drop(metrics.problems.get_or_create(&ProblemLabels::of(*kind)));
        }
        metrics
    }
}

impl HttpMetrics {
    pub(crate) fn count_problem(&self, kind: Kind) {
        self.problems.get_or_create(&ProblemLabels::of(kind)).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_request_duration_seconds",
            "Time from the head of a request to the head of its answer, by the pattern of the \
             route. Requests whose client disconnects before its answer are left out",
            self.durations.clone(),
        );
        registry.register(
            "problems",
            "Failed requests, and failed commands of batches, by the kind of problem",
            self.problems.clone(),
        );
    }
}

/// Middleware that records the duration of a request, and its problem.
pub(crate) async fn record(
    State(metrics): State<HttpMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = method_of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let labels = RequestLabels {
        route: route.map_or_else(|| "other".to_owned(), |route| route.as_str().to_owned()),
        method,
        status: class_of(response.status()),
    };
    let took = begun.elapsed().as_secs_f64();
    metrics.durations.get_or_create(&labels).observe(took);
    if let Some(kind) = response.extensions().get() {
        metrics.count_problem(*kind);
    }
    response
}

/// Returns the name of a method that routes take, or `other`: a client can invent methods.
fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
