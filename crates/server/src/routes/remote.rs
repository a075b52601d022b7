//! Requests of the command line: see [`orderstore::remote`].

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use orderstore::remote::{answer, is_long};

use super::extract::Body;
use crate::app::App;
use crate::problem::Problem;

/// Answers a request. Its messages belong to one version, so the OpenAPI document leaves them out.
pub(crate) async fn remote(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let store = app.store.clone();
    let answered = app
        .run_remote(is_long(body.text()), move || answer(&store, body.text()))
        .await?;
    let media_type = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, media_type)], answered))
}
