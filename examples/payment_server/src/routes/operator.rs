//! Operator's decisions, and the lists of items that need a decision.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use orderstore::{
    AnomalyId, AnomalyRef, CloseOutcome, Fen, Label, NewRefund, Note, OrderNo, Refund, RefundNo,
    RefundRefusal, RefundRequested, RefundStatus, Resolution, Resolved, TransactionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::orders::PageAsked;
use super::{Body, Code, Failure, Parameters, order_no, view};
use crate::app::App;
use crate::desk::DeskError;

/// Closes an order at the channel. If the channel does not answer now, the order stays `closing`,
/// and the close stays due.
pub(super) async fn close(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let began = app.desk.close(no).await?;
    match began.outcome {
        CloseOutcome::NotFound => Err(Failure::no_such_order()),
        CloseOutcome::AlreadyPaid => Err(Failure::conflict(Code::AlreadyPaid, "the order is paid")),
        _ => shown(&app, no).await,
    }
}

#[derive(Deserialize)]
pub(super) struct Ending {
    #[serde(default)]
    note: String,
}

/// Ends an order because the operator decided that no payment is expected any more.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Body(ending): Body<Ending>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let answer = app.desk.store.end_order(no, note(&ending.note)?).await?;
    match answer.outcome {
        CloseOutcome::Closed | CloseOutcome::Already => shown(&app, no).await,
        refused => Err(not_ended(refused)),
    }
}

fn not_ended(refused: CloseOutcome) -> Failure {
    let (code, error) = match refused {
        CloseOutcome::NotFound => return Failure::no_such_order(),
        CloseOutcome::TooEarly { from } => {
            let error = format!("the order cannot be ended before {from}");
            let details = json!({ "from": from.as_millis() });
            return Failure::conflict(Code::TooEarly, error).with(details);
        }
        CloseOutcome::OpenAnomaly => (Code::OpenAnomaly, "an anomaly of the order is open"),
        CloseOutcome::RefundUnderWay => (Code::RefundUnderWay, "a refund is under way"),
        _ => (Code::AlreadyPaid, "the order is paid"),
    };
    Failure::conflict(code, error)
}

fn note(text: &str) -> Result<Note, Failure> {
    Note::parse(text).map_err(|error| Failure::bad(Code::BadNote, error))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundAsked {
    /// Refund number. Requests with the same number are one refund. Without a number, each request
    /// is a new refund.
    refund_no: Option<String>,
    amount: u64,
    /// Number of the attempt under this refund number. A retry uses the next number.
    #[serde(default = "first_attempt")]
    attempt: u32,
}

const fn first_attempt() -> u32 {
    1
}

/// Reserves the amount, then requests the refund from the channel. If the channel does not answer
/// now, the refund stays `requested`, and the sweeper queries it until it has ended. A refund that
/// the channel rejects is answered as a failure.
pub(super) async fn refund(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Body(asked): Body<RefundAsked>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let refund_no = match asked.refund_no {
        Some(text) => {
            RefundNo::parse(&text).map_err(|error| Failure::bad(Code::BadRefund, error))?
        }
        None => new_refund_no(&app).await?,
    };
    let amount = Fen::new(asked.amount).map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let transaction = transaction_of(&app, no, &refund_no, asked.attempt).await?;
    let new = NewRefund::new(refund_no.clone(), transaction, amount);
    let new = new.map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let new = new.attempt(asked.attempt);
    let answer = app.desk.store.request_refund(no, new).await?;
    match answer.outcome {
        RefundRequested::Requested | RefundRequested::Exists => {
            ask_back(&app, no, &refund_no).await?;
            refunded(&app, no, &refund_no).await
        }
        RefundRequested::Ended { attempts, .. } => {
            let (refund, _) = app.desk.refund(no, &refund_no).await?;
            Err(not_given_back(&refund).unwrap_or_else(|| {
                let error = format!("attempt {} has ended", asked.attempt);
                let details = json!({ "attempts": attempts });
                Failure::conflict(Code::RefundEnded, error).with(details)
            }))
        }
        refused => Err(not_refunded(refused)),
    }
}

/// Returns the transaction to refund: in the first attempt the one that paid the order, in a retry
/// the one that the refund names.
async fn transaction_of(
    app: &App,
    no: OrderNo,
    refund_no: &RefundNo,
    attempt: u32,
) -> Result<TransactionId, Failure> {
    if attempt > 1 {
        let (refund, _) = app.desk.refund(no, refund_no).await?;
        return Ok(refund.transaction_id);
    }
    let order = app.desk.store.get(no).await?;
    let order = order.ok_or_else(Failure::no_such_order)?;
    let transaction = order.transaction_id().cloned();
    transaction.ok_or_else(|| Failure::conflict(Code::NotPaid, "the order is not paid"))
}

async fn new_refund_no(app: &App) -> Result<RefundNo, Failure> {
    let number = app.desk.store.next_order_no().await?;
    let refund_no = RefundNo::parse(&format!("R{number}"));
    refund_no.map_err(|error| Failure::bad(Code::BadRefund, error))
}

/// Requests a reserved refund from the channel. Without an answer the refund stays due.
async fn ask_back(app: &App, no: OrderNo, refund_no: &RefundNo) -> Result<(), Failure> {
    match app.desk.give_back(no, refund_no).await {
        Err(DeskError::Channel(error)) => {
            warn!(%no, %refund_no, %error, "the refund stays due");
            Ok(())
        }
        told => Ok(told?),
    }
}

/// Returns the order, with the state of this refund under `refund`.
async fn refunded(app: &App, no: OrderNo, refund_no: &RefundNo) -> Result<Json<Value>, Failure> {
    let (refund, _) = app.desk.refund(no, refund_no).await?;
    if let Some(failure) = not_given_back(&refund) {
        return Err(failure);
    }
    let mut json = order_or_number(app, no).await?;
    if let Some(json) = json.as_object_mut() {
        json.insert("refund".to_owned(), view::refund(&refund));
    }
    Ok(Json(json))
}

/// Returns the failure of a refund that ended without success.
fn not_given_back(refund: &Refund) -> Option<Failure> {
    let channel_code = refund.code.as_ref().map(Label::as_str);
    let (code, error) = match refund.status {
        RefundStatus::Closed => {
            let reason = channel_code.unwrap_or("no code");
            let error = format!("the channel rejected the refund: {reason}");
            (Code::RefundRefused, error)
        }
        RefundStatus::Returned => {
            let error =
                "the refunded money came back to the merchant; a new refund needs a new number";
            (Code::RefundReturned, error.to_owned())
        }
        _ => return None,
    };
    let details = json!({
        "refundNo": refund.refund_no,
        "channelCode": channel_code,
        "attempts": refund.attempt,
    });
    Some(Failure::conflict(code, error).with(details))
}

fn not_refunded(refused: RefundRequested) -> Failure {
    match refused {
        RefundRequested::NotFound => Failure::no_such_order(),
        RefundRequested::NotPaid => Failure::conflict(Code::NotPaid, "the order is not paid"),
        RefundRequested::ExistsWithDifferent { .. } => Failure::conflict(
            Code::RefundDiffers,
            "this refund number belongs to a refund with different contents",
        ),
        RefundRequested::Refused(refusal) => not_refundable(refusal),
        _ => Failure::conflict(
            Code::NotRefunded,
            "the order's record is full; nothing was refunded",
        ),
    }
}

/// Failure for a payment that the store refuses to refund.
fn not_refundable(refusal: RefundRefusal) -> Failure {
    match refusal {
        RefundRefusal::Exceeds { available } => {
            let yuan = available.yuan();
            let error = format!("the amount exceeds the refundable amount of {yuan} yuan");
            let details = json!({ "available": available.as_u64() });
            Failure::conflict(Code::Exceeds, error).with(details)
        }
        RefundRefusal::RefundNoTaken { by } => {
            let error = format!("the refund number is already used for order {by}");
            Failure::conflict(Code::RefundNoTaken, error).with(json!({ "by": by }))
        }
        RefundRefusal::RefundedElsewhere { by } => {
            let error = format!("this transaction is refunded through order {by}");
            Failure::conflict(Code::RefundedElsewhere, error).with(json!({ "by": by }))
        }
        RefundRefusal::WindowOver => Failure::conflict(
            Code::WindowOver,
            "the channel's time limit for refunds of this payment is over",
        ),
        RefundRefusal::TooMany => Failure::conflict(
            Code::TooMany,
            "the payment already has 50 refunds, the maximum",
        ),
        RefundRefusal::Blocked => {
            Failure::conflict(Code::Blocked, "the channel revoked the payment")
        }
        _ => Failure::conflict(Code::NotRefunded, "the store refused the refund"),
    }
}

#[derive(Deserialize)]
pub(super) struct Decision {
    how: How,
    #[serde(default)]
    note: String,
    /// Number of times that the anomaly had been reopened when the operator saw it.
    #[serde(default)]
    reopenings: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Accept,
    Refund,
    Dismiss,
}

/// Resolves an anomaly. A repeated request with the same decision does not refund again.
pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Path((no, id)): Path<(String, String)>,
    Body(decision): Body<Decision>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let id = id.parse().map(AnomalyId);
    let anomaly = AnomalyRef {
        id: id.map_err(|error| Failure::bad(Code::BadNumber, error))?,
        reopenings: decision.reopenings,
    };
    let note = note(&decision.note)?;
    let refund_no = RefundNo::parse(&app.desk.decided_refund_no(no, anomaly).await?);
    let refund_no = refund_no.map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let how = match decision.how {
        How::Accept => Resolution::Accept,
        How::Dismiss => Resolution::Dismiss,
        How::Refund => Resolution::Refund {
            refund_no: refund_no.clone(),
        },
    };
    let gives_back = matches!(how, Resolution::Refund { .. });
    let answer = app.desk.store.resolve(no, anomaly, how, note).await?;
    match answer.outcome {
        Resolved::Resolved | Resolved::Already | Resolved::Reexamined(_) => {}
        refused => return Err(not_resolved(refused)),
    }
    if gives_back {
        ask_back(&app, no, &refund_no).await?;
        return refunded(&app, no, &refund_no).await;
    }
    Ok(Json(order_or_number(&app, no).await?))
}

/// Returns the order, or its number alone if no order with it exists.
async fn order_or_number(app: &App, no: OrderNo) -> Result<Value, Failure> {
    let order = app.desk.store.get(no).await?;
    Ok(order.map_or_else(|| json!({ "outTradeNo": no }), |order| view::order(&order)))
}

fn not_resolved(refused: Resolved) -> Failure {
    let (code, error) = match refused {
        Resolved::NotFound => {
            let error = "anomaly not found";
            return Failure::new(StatusCode::NOT_FOUND, Code::NoSuchAnomaly, error);
        }
        Resolved::Refused(refusal) => return not_refundable(refusal),
        Resolved::Different => (
            Code::Decided,
            "the anomaly was already resolved in another way",
        ),
        Resolved::NotAcceptable => (
            Code::NotAcceptable,
            "this kind of anomaly cannot be accepted",
        ),
        Resolved::NotRefundable => (Code::NotRefundable, "the anomaly has no money to refund"),
        _ => (
            Code::NotResolved,
            "the order's record is full; nothing was resolved",
        ),
    };
    Failure::conflict(code, error)
}

async fn shown(app: &App, no: OrderNo) -> Result<Json<Value>, Failure> {
    let order = app.desk.store.get(no).await?;
    let order = order.ok_or_else(Failure::no_such_order)?;
    Ok(Json(view::order(&order)))
}

/// Returns the open anomalies, oldest first.
pub(super) async fn anomalies(
    State(app): State<Arc<App>>,
    Parameters(page): Parameters<PageAsked>,
) -> Result<Json<Value>, Failure> {
    let page = app.desk.store.open_anomalies(page.read()?).await?;
    let shown = page.rows.iter();
    let shown = shown.map(|open| numbered(view::anomaly(&open.anomaly), open.no));
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(
        json!({ "anomalies": shown.collect::<Vec<_>>(), "next": next }),
    ))
}

/// Returns the refunds that ended without success, newest first.
pub(super) async fn closed_refunds(
    State(app): State<Arc<App>>,
    Parameters(page): Parameters<PageAsked>,
) -> Result<Json<Value>, Failure> {
    let page = app.desk.store.closed_refunds(page.read()?).await?;
    let shown = page.rows.iter();
    let shown = shown.map(|closed| numbered(view::refund(&closed.refund), closed.no));
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(
        json!({ "closedRefunds": shown.collect::<Vec<_>>(), "next": next }),
    ))
}

/// Adds the order's number to the JSON of a part of the order.
fn numbered(mut shown: Value, no: OrderNo) -> Value {
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("outTradeNo".to_owned(), no.as_str().into());
    }
    shown
}
