//! Routes of the stand-in: the channel's API v3.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use orderstore::OrderNo;
use serde_json::{Value, json};

use super::books::{CallKind, RefundAsk, Refusal};
use super::delivery::{Notice, REFUND_TAKES};
use super::{Behaviour, Fault, Form, Plan, StandIn};
use crate::channel::Point;

type AnyReply = Result<Json<Value>, Refusal>;

pub(super) fn router(stand_in: StandIn) -> Router {
    Router::new()
        .route("/v3/pay/transactions/jsapi", post(prepay))
        .route("/v3/pay/transactions/out-trade-no/{no}", get(query))
        .route("/v3/pay/transactions/out-trade-no/{no}/close", post(close))
        .route("/v3/refund/domestic/refunds", post(refund))
        .route("/v3/refund/domestic/refunds/{refund_no}", get(query_refund))
        .with_state(stand_in)
}

async fn prepay(State(stand_in): State<StandIn>, Json(ask): Json<CallKind>) -> AnyReply {
    let plan = stand_in.inner.plans.lock().get(&ask.payer.openid).copied();
    let fault = match plan {
        Some(Plan::Fails(fault)) => Some(fault),
        _ => stand_in.fault_at(Point::Prepay, &ask.out_trade_no),
    };
    answer(fault, async {
        let now = stand_in.inner.clock.now();
        let no = OrderNo::parse(&ask.out_trade_no).map_err(|_| Refusal::UNKNOWN)?;
        let prepay_id = stand_in.inner.books.lock().prepay(ask, now)?;
        if plan == Some(Plan::Early) {
            stand_in.pay(no, Behaviour::Early, Form::V3).await?;
        }
        Ok(Json(json!({ "prepay_id": prepay_id })))
    })
    .await
}

async fn query(State(stand_in): State<StandIn>, Path(no): Path<String>) -> AnyReply {
    answer(stand_in.fault_at(Point::Query, &no), async {
        let no = OrderNo::parse(&no).map_err(|_| Refusal::UNKNOWN)?;
        let trade = stand_in.inner.books.lock().trade(no);
        Ok(Json(trade.ok_or(Refusal::UNKNOWN)?.to_json()))
    })
    .await
}

async fn close(State(stand_in): State<StandIn>, Path(no): Path<String>) -> Response {
    let closed = answer(stand_in.fault_at(Point::Close, &no), async {
        stand_in.inner.books.lock().close(&no)
    });
    match closed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn refund(State(stand_in): State<StandIn>, Json(ask): Json<RefundAsk>) -> AnyReply {
    answer(
        stand_in.fault_at(Point::Refund, &ask.out_refund_no),
        async {
            let refund_no = ask.out_refund_no.clone();
            let (refund, is_new) = stand_in.inner.books.lock().refund(ask)?;
            if is_new {
                let tasks = &stand_in.inner.tasks;
                tasks.spawn(stand_in.clone().give_back(refund_no));
            }
            Ok(Json(refund.to_json("status")))
        },
    )
    .await
}

async fn query_refund(State(stand_in): State<StandIn>, Path(refund_no): Path<String>) -> AnyReply {
    answer(stand_in.fault_at(Point::QueryRefund, &refund_no), async {
        let refund = stand_in.inner.books.lock().refund_of(&refund_no);
        Ok(Json(refund.ok_or(Refusal::NO_REFUND)?.to_json("status")))
    })
    .await
}

/// Carries out a request and returns its answer, or fails according to the fault.
async fn answer<T>(
    fault: Option<Fault>,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match fault {
        Some(Fault::Down) => Err(Refusal::DOWN),
        Some(Fault::Refuses(refusal)) => Err(refusal),
        Some(Fault::Mute) => {
            drop(work.await);
            std::future::pending().await
        }
        None => work.await,
    }
}

impl StandIn {
    /// Completes a refund after a delay and notifies the merchant.
    async fn give_back(self, refund_no: String) {
        let ended = self.inner.ended.clone();
        let takes = tokio::time::sleep(self.shortened(REFUND_TAKES));
        if ended.run_until_cancelled(takes).await.is_none() {
            return;
        }
        let now = self.inner.clock.now();
        let refund = self.inner.books.lock().finish(&refund_no, now);
        if let Some(refund) = refund {
            self.tell(Notice::of_refund(&refund), std::time::Duration::ZERO);
        }
    }
}
