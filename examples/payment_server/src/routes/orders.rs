//! Routes that read orders, lists of orders and histories.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use orderstore::{OpenId, OrderQuery, PageRequest, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::{Code, Failure, Parameters, order_no, view};
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct Refresh {
    refresh: Option<u8>,
}

/// Returns one order. With `refresh=1` the server first queries the channel if the order is open. A
/// client that returns to the page uses it, because it may not know how the payment ended.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Parameters(asked): Parameters<Refresh>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let order = app
        .desk
        .store
        .get(no)
        .await?
        .ok_or_else(Failure::no_such_order)?;
    if asked.refresh != Some(1) || order.status.is_ended() {
        return Ok(Json(view::order(&order)));
    }
    let order = match app.desk.look_by_request(no).await {
        Ok(answer) => answer.and_then(|answer| answer.order).unwrap_or(order),
        Err(error) => {
            warn!(%no, %error, "a query to the channel failed");
            order
        }
    };
    Ok(Json(view::order(&order)))
}

#[derive(Deserialize)]
pub(super) struct Which {
    openid: Option<String>,
    status: Option<String>,
    #[serde(flatten)]
    page: PageAsked,
}

/// Page of a list: limit and cursor.
#[derive(Deserialize)]
pub(super) struct PageAsked {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageAsked {
    pub(super) fn read(&self) -> Result<PageRequest, Failure> {
        let limit = self.limit.as_deref().unwrap_or("20").parse();
        let limit = limit.map_err(|error| Failure::bad(Code::BadParameter, error))?;
        let page = PageRequest::of(limit);
        let Some(cursor) = &self.cursor else {
            return Ok(page);
        };
        let cursor = cursor
            .parse()
            .map_err(|error| Failure::bad(Code::BadCursor, error))?;
        Ok(page.after(cursor))
    }
}

/// Returns the orders of a user, of a status, of both, or all orders, newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<Value>, Failure> {
    let status = which.status.as_deref().map(status).transpose()?;
    let openid = which.openid.as_deref().map(OpenId::parse).transpose();
    let openid = openid.map_err(|error| Failure::bad(Code::BadParameter, error))?;
    let listing = match (openid, status) {
        (None, None) => OrderQuery::all(),
        (None, Some(status)) => OrderQuery::by_status(status),
        (Some(openid), None) => OrderQuery::by_openid(&openid),
        (Some(openid), Some(status)) => OrderQuery::by_openid(&openid).statuses(&[status]),
    };
    let page = app
        .desk
        .store
        .list(listing.page(which.page.read()?))
        .await?;
    let orders: Vec<_> = page.rows.iter().map(|order| view::order(order)).collect();
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(json!({ "orders": orders, "next": next })))
}

fn status(text: &str) -> Result<Status, Failure> {
    let status = serde_json::from_value(Value::from(text));
    status.map_err(|_| Failure::bad(Code::BadParameter, "unknown status"))
}

/// Returns all events of an order, from its creation on.
pub(super) async fn history(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
) -> Result<Json<Value>, Failure> {
    let events = app.desk.store.history(order_no(&no)?).await?;
    if events.is_empty() {
        return Err(Failure::no_such_order());
    }
    Ok(Json(json!({ "events": events })))
}
