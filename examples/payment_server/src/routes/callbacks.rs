//! Notifications from the channel. The server acknowledges one only when its result is durable.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
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

/// Handles the cloud's event. It carries no signature, so the server trusts nothing in it. It only
/// selects the order to query at the channel, and the answer to that query counts.
pub(super) async fn pay_call_back(State(app): State<Arc<App>>, body: Bytes) -> Json<CloudReply> {
    let received = match CloudEvent::from_json(&body) {
        Ok(event) => paid_hint(&app, event).await,
        Err(MessageError::WrongKind { .. }) => refund_hint(&app, &body).await,
        Err(error) => {
            warn!(%error, "unreadable event");
            Ok(false)
        }
    };
    Json(CloudReply::of(received.unwrap_or_else(|error| {
        warn!(%error, "checking an event at the channel failed");
        false
    })))
}

/// Handles the event of a payment. An event of a failed payment needs no query.
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
    // Acknowledge the event only if the channel's answer contains the payment. An answer "not paid
    // yet" may be older than the event, so the channel must send the event again.
    let Some(answer) = app.desk.look_by_request(no).await? else {
        return Ok(false);
    };
    debug!(%no, outcome = ?answer.outcome, "checked an event at the channel");
    let is_recorded = matches!(
        answer.outcome,
        Queried::Payment(_) | Queried::RefundUnknown(_)
    );
    Ok(is_recorded && answer.should_acknowledge())
}

fn is_paid_by(order: &Order, transaction_id: &TransactionId) -> bool {
    order.transaction_id() == Some(transaction_id)
}

/// Handles the event of a refund. The server queries the refund and checks the event's order
/// against the answer. Amount and state come from that answer only.
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
    debug!(%no, outcome = ?answer.outcome, "checked a refund's event at the channel");
    Ok(answer.should_acknowledge())
}

/// Handles a notification of API v3, signed by the platform and encrypted for the merchant.
pub(super) async fn notify_v3(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match app.seal.open(&headers, &body, app.clock.now()) {
        Ok(opened) => reply(record(&app, opened).await),
        Err(error) => refused(&error),
    }
}

async fn record(app: &App, opened: Opened) -> Result<V3Reply, RecordError> {
    match opened.subject {
        Subject::Transaction => {
            let transaction = V3Transaction::from_json(&opened.json)?;
            let Some((no, payment)) = transaction.into_payment(opened.id) else {
                return Ok(V3Reply::of(true));
            };
            let answer = app.desk.store.confirm(no, payment).await?;
            debug!(%no, outcome = ?answer.outcome, "recorded a notified payment");
            Ok(V3Reply::to(&answer))
        }
        Subject::Refund => {
            let message = RefundMessage::from_v3_notification(&opened.json)?;
            let Some((no, fact)) = message.into_fact() else {
                return Ok(V3Reply::of(true));
            };
            let answer = app.desk.store.record_refund(no, fact).await?;
            debug!(%no, outcome = ?answer.outcome, "recorded a notified refund");
            Ok(V3Reply::to(&answer))
        }
    }
}

/// Reason why a notification was not recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Store(#[from] orderstore::Error),
}

fn reply(recorded: Result<V3Reply, RecordError>) -> Response {
    let reply = recorded.unwrap_or_else(|error| {
        warn!(%error, "a notification was not recorded");
        V3Reply::of(false)
    });
    Response::<Vec<u8>>::from(reply).map(Body::from)
}

fn refused(error: &SealError) -> Response {
    warn!(%error, "rejected a notification that is not from the platform");
    let body = json!({ "code": "SIGN_ERROR", "message": error.to_string() });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}
