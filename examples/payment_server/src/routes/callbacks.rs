//! What the channel tells. It hears "received" only of what is durable and stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use orderstore::wechat::{
    CloudEvent, CloudReply, MessageError, RefundMessage, V3Reply, V3Transaction,
};
use orderstore::{Order, Queried, TransactionId};
use serde_json::json;
use tracing::{debug, warn};

use crate::app::App;
use crate::desk::DeskError;
use crate::seal::{Opened, SealError, Subject};

/// The cloud's event. It carries no signature, so nothing in it is believed: it says which
/// order to ask the channel about, and what the channel answers is what counts.
pub(super) async fn pay_call_back(State(app): State<Arc<App>>, body: Bytes) -> Json<CloudReply> {
    let received = match CloudEvent::from_json(&body) {
        Ok(event) => paid_hint(&app, event).await,
        Err(MessageError::WrongKind { .. }) => refund_hint(&app, &body).await,
        Err(error) => {
            warn!(%error, "an event cannot be read");
            Ok(false)
        }
    };
    Json(CloudReply::of(received.unwrap_or_else(|error| {
        warn!(%error, "an event was not followed");
        false
    })))
}

/// An event that says "failed" carries nothing to follow.
async fn paid_hint(app: &App, event: CloudEvent) -> Result<bool, DeskError> {
    let Some((no, payment)) = event.into_payment() else {
        return Ok(true);
    };
    let known = app.desk.store.get(no).await?;
    if known.is_some_and(|order| is_paid_by(&order, &payment.transaction_id)) {
        return Ok(true);
    }
    let Ok(_permit) = app.hints.try_acquire() else {
        return Ok(false);
    };
    // "Not paid yet" may be a moment behind the event: then it should come again.
    let Some(answer) = app.desk.look_by_request(no).await? else {
        return Ok(false);
    };
    debug!(%no, outcome = ?answer.outcome, "followed an event");
    let told = matches!(
        answer.outcome,
        Queried::Payment(_) | Queried::RefundUnknown(_)
    );
    Ok(told && answer.should_acknowledge())
}

fn is_paid_by(order: &Order, transaction_id: &TransactionId) -> bool {
    order.transaction_id() == Some(transaction_id)
}

/// The event names an order and a refund. Both are checked against the channel's answer
/// about the refund; amount and state are taken from that answer alone.
async fn refund_hint(app: &App, body: &[u8]) -> Result<bool, DeskError> {
    let Ok(message) = RefundMessage::from_cloud(body) else {
        return Ok(false);
    };
    let Some((no, fact)) = message.into_fact() else {
        return Ok(true);
    };
    let Ok(_permit) = app.hints.try_acquire() else {
        return Ok(false);
    };
    let answer = app.desk.follow_refund(no, fact.refund_no()).await?;
    debug!(%no, outcome = ?answer.outcome, "followed an event of a refund");
    Ok(answer.should_acknowledge())
}

/// A notification of v3: signed by the platform, encrypted for the merchant.
pub(super) async fn notify_v3(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match app.seal.open(&headers, &body, app.clock.now()) {
        Ok(opened) => reply(told(&app, opened).await),
        Err(error) => refused(&error),
    }
}

async fn told(app: &App, opened: Opened) -> Result<V3Reply, Told> {
    match opened.subject {
        Subject::Transaction => {
            let transaction = V3Transaction::from_json(&opened.json)?;
            let Some((no, payment)) = transaction.into_payment(opened.id) else {
                return Ok(V3Reply::of(true));
            };
            let answer = app.desk.store.confirm(no, payment).await?;
            debug!(%no, outcome = ?answer.outcome, "told of a payment");
            Ok(V3Reply::to(&answer))
        }
        Subject::Refund => {
            let message = RefundMessage::from_v3_notice(&opened.json)?;
            let Some((no, fact)) = message.into_fact() else {
                return Ok(V3Reply::of(true));
            };
            let answer = app.desk.store.record_refund(no, fact).await?;
            debug!(%no, outcome = ?answer.outcome, "told of a refund");
            Ok(V3Reply::to(&answer))
        }
    }
}

/// Why a notification was not taken in.
#[derive(Debug, thiserror::Error)]
enum Told {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Store(#[from] orderstore::Error),
}

fn reply(told: Result<V3Reply, Told>) -> Response {
    let reply = told.unwrap_or_else(|error| {
        warn!(%error, "a notification was not taken in");
        V3Reply::of(false)
    });
    let status = StatusCode::from_u16(reply.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, reply.body).into_response()
}

fn refused(error: &SealError) -> Response {
    warn!(%error, "a notification is not the platform's");
    let body = json!({ "code": "SIGN_ERROR", "message": error.to_string() });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}
