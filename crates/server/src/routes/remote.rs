//! Requests of the command line: see [`orderstore::remote`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use orderstore::remote::Received;

use super::extract::Body;
use crate::app::App;
use crate::blocking;
use crate::problem::{EffectWord, Kind, Problem};

/// Maximum time of a request: a verification takes as long as it needs.
pub(crate) const REMOTE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers a request. Its messages belong to one version, so the OpenAPI document leaves them out.
pub(crate) async fn remote(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let (store, long) = (app.store.clone(), Arc::clone(&app.long));
    let permit = Arc::clone(&app.remote).acquire_owned();
    let answered = blocking::run(permit, REMOTE_MAX, move |_| {
        let request = Received::read(body.text());
        let _permit = match request.is_long() {
            true => Some(long.try_acquire_owned().map_err(|_| busy())?),
            false => None,
        };
        Ok(request.answer(&store))
    });
    // The request may have had commands.
    let unknown = |problem: Problem| problem.with_effect(EffectWord::Unknown);
    let answer = answered.await.map_err(unknown)??;
    let media_type = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, media_type)], answer))
}

fn busy() -> Problem {
    let why = "the server already verifies, backs up or checkpoints the store; try again when that is \
               done";
    Problem::not_applied(Kind::Busy, why)
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest as _, Request};
    use axum::http::StatusCode;
    use orderstore::Store;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::Limits;

    async fn ask(app: &Arc<App>, wanted: &str) -> StatusCode {
        let version = concat!(env!("CARGO_PKG_VERSION"), "/1");
        let text = format!(r#"{{"version":"{version}","store":null,"request":"{wanted}"}}"#);
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(text.into()).unwrap();
        let body = Body::from_request(request, app).await.unwrap();
        remote(State(Arc::clone(app)), body)
            .await
            .into_response()
            .status()
    }

    #[tokio::test]
    async fn second_long_request_is_refused_and_short_ones_go_on() {
        let store = Store::memory().unwrap();
        let app = App::new(store, Limits::default(), CancellationToken::new());
        let app = Arc::new(app);
        let first = Arc::clone(&app.long).try_acquire_owned().unwrap();
        assert_eq!(ask(&app, "verify").await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(ask(&app, "checkpoint").await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(ask(&app, "counts").await, StatusCode::OK);
        drop(first);
        assert_eq!(ask(&app, "verify").await, StatusCode::OK);
        assert_eq!(ask(&app, "verify").await, StatusCode::OK);
    }
}
