//! The mini-program's side of a payment, with the stand-in: the sheet with the password.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Code, Failure, order_no};
use crate::app::App;
use crate::stand_in::{Behaviour, Form, StandIn};

/// How the payment is to be told.
#[derive(Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    behaviour: Behaviour,
    #[serde(default)]
    form: Form,
}

/// The user enters the password.
pub(super) async fn pay(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Body(told): Body<Told>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    stand_in(&app)?.pay(no, told.behaviour, told.form).await?;
    Ok(Json(json!({ "outTradeNo": no, "paid": true })))
}

/// The user puts the sheet away.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    stand_in(&app)?.cancel(no)?;
    Ok(Json(json!({ "outTradeNo": no, "paid": false })))
}

fn stand_in(app: &App) -> Result<&StandIn, Failure> {
    let missing = || {
        Failure::new(
            StatusCode::NOT_FOUND,
            Code::NoSandbox,
            "the channel is a real one",
        )
    };
    app.stand_in.as_ref().ok_or_else(missing)
}
