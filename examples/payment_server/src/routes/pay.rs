//! `POST /wxPay`: creates an order and its prepay.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use orderstore::{Created, NewOrder, Order, Status};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Code, Failure, view};
use crate::app::App;
use crate::shop::GOODS;

/// Request of a customer. A deployment takes the openid from the session.
#[derive(Deserialize)]
pub(super) struct WxPay {
    openid: String,
    sku: String,
    reference: String,
}

pub(super) async fn goods() -> Json<Value> {
    let shown = |goods: &crate::shop::Goods| json!({ "sku": goods.sku, "name": goods.name, "price": goods.price });
    Json(GOODS.iter().map(shown).collect())
}

/// Creates an order and requests its prepay. The store records the order before the channel knows
/// it. If the channel fails, the order is kept, and the next tap continues with it. Without another
/// tap it is closed after its expiry.
pub(super) async fn wx_pay(
    State(app): State<Arc<App>>,
    Body(ask): Body<WxPay>,
) -> Result<Json<Value>, Failure> {
    let new = app.shop.order(&ask.sku, &ask.openid, &ask.reference)?;
    let order = ordered(&app, new, &ask).await?;
    let now = app.clock.now();
    let order = if order.status == Status::Pending && order.usable_prepay(now).is_none() {
        app.desk.invite(&order).await?
    } else {
        order
    };
    match order.status {
        Status::Pending | Status::Success | Status::LatePaid => {
            Ok(Json(view::payable(&order, now)))
        }
        ended => {
            let error = format!("order {} is {ended}; order again", order.no);
            Err(Failure::conflict(Code::NotPayable, error))
        }
    }
}

/// Returns the order under the customer's reference: a new one, or the order of an earlier tap.
async fn ordered(app: &App, new: NewOrder, ask: &WxPay) -> Result<Arc<Order>, Failure> {
    let store = &app.desk.store;
    let no = store.next_order_no().await?;
    let price = new.total_fee();
    let answer = store.create(no, new).await?;
    let order = answer.order.ok_or_else(Failure::no_such_order)?;
    match answer.outcome {
        Created::Created | Created::CreatedAndPaid | Created::Exists => Ok(order),
        // A paid order is returned only to the user who paid it, for the same item and price.
        Created::ReferencePaid { .. } if is_of(&order, ask) && order.total_fee == price => {
            Ok(order)
        }
        _ => {
            let error = "this reference belongs to another order";
            Err(Failure::conflict(Code::ReferenceTaken, error))
        }
    }
}

fn is_of(order: &Order, ask: &WxPay) -> bool {
    let openid = order.openid.as_ref().map(|openid| openid.as_str());
    let named = GOODS.iter().find(|goods| goods.sku == ask.sku);
    let same = |goods: &crate::shop::Goods| goods.name == order.description.as_str();
    openid == Some(ask.openid.as_str()) && named.is_some_and(same)
}
