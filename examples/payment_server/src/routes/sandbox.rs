//! Routes that pay or cancel at the stand-in, as a user does in the mini program's password sheet.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Code, Failure, order_no};
use crate::app::App;
use crate::stand_in::{Behaviour, Form, StandIn};

/// How the stand-in notifies the payment.
#[derive(Deserialize)]
pub(super) struct PayOptions {
    #[serde(default)]
    behaviour: Behaviour,
    #[serde(default)]
    form: Form,
}

/// Pays, as the user does by entering the password.
pub(super) async fn pay(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Body(options): Body<PayOptions>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    stand_in(&app)?
        .pay(no, options.behaviour, options.form)
        .await?;
    Ok(Json(json!({ "outTradeNo": no, "paid": true })))
}

/// Cancels, as the user does by closing the sheet.
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
            "there is no sandbox, because the server uses --channel",
        )
    };
    app.stand_in.as_ref().ok_or_else(missing)
}
