//! What a person decides, and what they look at first.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use orderstore::{
    AnomalyId, CloseAnswer, Currency, Fen, Label, NewRefund, Note, OrderNo, Refund, RefundNo,
    RefundRequested, RefundStatus, Resolution, Resolved, Status, Sum, Timestamp, Totals,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::orders::PageAsked;
use super::{Body, Code, Failure, Parameters, order_no, view};
use crate::app::App;
use crate::desk::DeskError;

/// Closes an order with the channel. Where the channel does not answer now, the order stays
/// `closing`, and the close stays due.
pub(super) async fn close(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let began = app.desk.close(no).await?;
    match began.outcome {
        CloseAnswer::NotFound => Err(Failure::no_such_order()),
        CloseAnswer::AlreadyPaid => Err(Failure::conflict(Code::AlreadyPaid, "the order is paid")),
        _ => shown(&app, no).await,
    }
}

#[derive(Deserialize)]
pub(super) struct RefundAsked {
    /// The same again is the same refund; without one each request is a new refund.
    #[serde(rename = "refundNo")]
    refund_no: Option<String>,
    amount: u64,
}

/// Reserves the money, then asks the channel. Where the channel does not answer now, the
/// refund stays `requested`, and is asked about until it has ended. A refund that the
/// channel refused is answered as a failure.
pub(super) async fn refund(
    State(app): State<Arc<App>>,
    Path(no): Path<String>,
    Body(asked): Body<RefundAsked>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let order = app
        .desk
        .store
        .get(no)
        .await?
        .ok_or_else(Failure::no_such_order)?;
    let transaction = order.transaction_id().cloned();
    let transaction =
        transaction.ok_or_else(|| Failure::conflict(Code::NotPaid, "the order is not paid"))?;
    let refund_no = match asked.refund_no {
        Some(text) => {
            RefundNo::parse(&text).map_err(|error| Failure::bad(Code::BadRefund, error))?
        }
        None => new_refund_no(&app).await?,
    };
    let amount = Fen::new(asked.amount).map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let new = NewRefund::new(refund_no.clone(), transaction, amount);
    let new = new.map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let answer = app.desk.store.request_refund(no, new).await?;
    match answer.outcome {
        RefundRequested::Requested | RefundRequested::Exists => {
            ask_back(&app, no, &refund_no).await?;
            refunded(&app, no, &refund_no).await
        }
        refused => Err(not_refunded(refused)),
    }
}

async fn new_refund_no(app: &App) -> Result<RefundNo, Failure> {
    let number = app.desk.store.next_order_no().await?;
    let refund_no = RefundNo::parse(&format!("R{number}"));
    refund_no.map_err(|error| Failure::bad(Code::BadRefund, error))
}

/// What is reserved is asked for; what fails stays due.
async fn ask_back(app: &App, no: OrderNo, refund_no: &RefundNo) -> Result<(), Failure> {
    match app.desk.give_back(no, refund_no).await {
        Err(DeskError::Channel(error)) => {
            warn!(%no, %refund_no, %error, "the refund stays due");
            Ok(())
        }
        told => Ok(told?),
    }
}

/// The order, and under `refund` what became of this refund of it.
async fn refunded(app: &App, no: OrderNo, refund_no: &RefundNo) -> Result<Json<Value>, Failure> {
    let (refund, _) = app.desk.refund(no, refund_no).await?;
    if refund.status == RefundStatus::Closed {
        return Err(refused_by_channel(&refund));
    }
    let mut json = order_or_number(app, no).await?;
    if let Some(json) = json.as_object_mut() {
        json.insert("refund".to_owned(), view::refund(&refund));
    }
    Ok(Json(json))
}

fn refused_by_channel(refund: &Refund) -> Failure {
    let code = refund.code.as_ref().map(Label::as_str);
    let error = format!(
        "the channel refused the refund: {}",
        code.unwrap_or("no code")
    );
    let details = json!({ "refundNo": refund.refund_no, "channelCode": code });
    Failure::conflict(Code::RefundRefused, error).with(details)
}

fn not_refunded(refused: RefundRequested) -> Failure {
    match refused {
        RefundRequested::NotFound => Failure::no_such_order(),
        RefundRequested::NotPaid => Failure::conflict(Code::NotPaid, "the order is not paid"),
        RefundRequested::Exceeds { available } => exceeds(available),
        RefundRequested::ExistsWithDifferent { .. } => {
            Failure::conflict(Code::RefundDiffers, "another refund bears this number")
        }
        RefundRequested::RefundNoTaken { by } => refund_no_taken(by),
        RefundRequested::WindowOver => window_over(),
        RefundRequested::TooMany => too_many(),
        RefundRequested::Blocked => blocked(),
        _ => Failure::conflict(Code::NotRefunded, "the order holds as much as it may"),
    }
}

fn exceeds(available: Fen) -> Failure {
    let error = format!("{} yuan are left", available.yuan());
    let details = json!({ "available": available.as_u64() });
    Failure::conflict(Code::Exceeds, error).with(details)
}

fn refund_no_taken(by: OrderNo) -> Failure {
    let error = format!("the refund's number is in use with order {by}");
    Failure::conflict(Code::RefundNoTaken, error).with(json!({ "by": by }))
}

fn window_over() -> Failure {
    Failure::conflict(Code::WindowOver, "it was paid too long ago")
}

fn too_many() -> Failure {
    Failure::conflict(Code::TooMany, "there were 50 refunds")
}

fn blocked() -> Failure {
    Failure::conflict(Code::Blocked, "the channel revoked the payment")
}

#[derive(Deserialize)]
pub(super) struct Decision {
    how: How,
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Accept,
    Refund,
    Dismiss,
}

/// Ends an anomaly. The refund of one has a number of its own, made of the order's and the
/// anomaly's: the same decision twice gives back once.
pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Path((no, id)): Path<(String, String)>,
    Body(decision): Body<Decision>,
) -> Result<Json<Value>, Failure> {
    let no = order_no(&no)?;
    let id = id.parse().map(AnomalyId);
    let id = id.map_err(|error| Failure::bad(Code::BadNumber, error))?;
    let note = Note::parse(&decision.note).map_err(|error| Failure::bad(Code::BadNote, error))?;
    let refund_no = RefundNo::parse(&format!("{no}-{id}"));
    let refund_no = refund_no.map_err(|error| Failure::bad(Code::BadRefund, error))?;
    let how = match decision.how {
        How::Accept => Resolution::Accept,
        How::Dismiss => Resolution::Dismiss,
        How::Refund => Resolution::Refund {
            refund_no: refund_no.clone(),
        },
    };
    let gives_back = matches!(how, Resolution::Refund { .. });
    let answer = app.desk.store.resolve(no, id, how, note).await?;
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

/// The order, or its number alone while no order bears it.
async fn order_or_number(app: &App, no: OrderNo) -> Result<Value, Failure> {
    let order = app.desk.store.get(no).await?;
    Ok(order.map_or_else(|| json!({ "outTradeNo": no }), |order| view::order(&order)))
}

fn not_resolved(refused: Resolved) -> Failure {
    let (code, error) = match refused {
        Resolved::NotFound => {
            let error = "there is no such anomaly";
            return Failure::new(StatusCode::NOT_FOUND, Code::NoSuchAnomaly, error);
        }
        Resolved::RefundNoTaken { by } => return refund_no_taken(by),
        Resolved::Blocked => return blocked(),
        Resolved::WindowOver => return window_over(),
        Resolved::TooMany => return too_many(),
        Resolved::Exceeds { available } => return exceeds(available),
        Resolved::Different => (Code::Decided, "it was decided otherwise before"),
        Resolved::NotAcceptable => (Code::NotAcceptable, "this cannot be accepted"),
        Resolved::NotRefundable => (
            Code::NotRefundable,
            "there is no money in this to give back",
        ),
        _ => (Code::NotResolved, "the order holds as much as it may"),
    };
    Failure::conflict(code, error)
}

async fn shown(app: &App, no: OrderNo) -> Result<Json<Value>, Failure> {
    let order = app.desk.store.get(no).await?;
    let order = order.ok_or_else(Failure::no_such_order)?;
    Ok(Json(view::order(&order)))
}

/// What waits for a person, oldest first.
pub(super) async fn anomalies(
    State(app): State<Arc<App>>,
    Parameters(page): Parameters<PageAsked>,
) -> Result<Json<Value>, Failure> {
    let page = app.desk.store.open_anomalies(page.read()?).await?;
    let shown = page.rows.iter().map(|open| {
        let mut json = view::anomaly(&open.anomaly);
        if let Some(json) = json.as_object_mut() {
            json.insert("outTradeNo".to_owned(), open.no.as_str().into());
        }
        json
    });
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(
        json!({ "anomalies": shown.collect::<Vec<_>>(), "next": next }),
    ))
}

/// A stretch of time in Unix milliseconds, its end excluded.
#[derive(Deserialize)]
pub(super) struct Stretch {
    from: Option<i64>,
    until: Option<i64>,
}

/// How many orders stand where, what came and went today, in Beijing's day, and whether the
/// channel refuses this merchant.
pub(super) async fn stats(
    State(app): State<Arc<App>>,
    Parameters(asked): Parameters<Stretch>,
) -> Result<Json<Value>, Failure> {
    let midnight = last_midnight(app.clock.now());
    let time = |millis: Option<i64>, otherwise| {
        let time = millis.map_or(Ok(otherwise), Timestamp::from_millis);
        time.map_err(|error| Failure::bad(Code::BadParameter, error))
    };
    let from = time(asked.from, midnight)?;
    let until = time(asked.until, from.saturating_add(DAY))?;
    let counts = app.desk.store.counts().await?;
    let totals = app.desk.store.totals(from..until).await?;
    let by_status: Map<_, _> = Status::ALL
        .into_iter()
        .map(|status| (status.to_string(), counts.of(status).into()))
        .collect();
    Ok(Json(json!({
        "from": from.as_millis(),
        "until": until.as_millis(),
        "counts": by_status,
        "unclaimed": counts.unclaimed,
        "openAnomalies": counts.open_anomalies,
        "alarms": app.desk.alarms.to_json(),
        "totals": sums(&totals),
    })))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Beijing is ahead of UTC by this much, all year.
const BEIJING_AHEAD: Duration = Duration::from_secs(8 * 60 * 60);

fn last_midnight(now: Timestamp) -> Timestamp {
    let local = now.saturating_add(BEIJING_AHEAD).as_millis();
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let into_the_day = Duration::from_millis(local.rem_euclid(day).unsigned_abs());
    now.saturating_sub(into_the_day)
}

fn sums(totals: &Totals) -> Value {
    let yuan = Currency::default();
    let of = |sum: Option<&Sum>| {
        let fen = sum.map_or(0, |sum| sum.fen);
        json!({
            "count": sum.map_or(0, |sum| sum.count),
            "fen": u64::try_from(fen).unwrap_or(u64::MAX),
        })
    };
    json!({
        "paid": of(totals.paid.get(&yuan)),
        "late": of(totals.late.get(&yuan)),
        "refunded": of(totals.refunded.get(&yuan)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_beijings_midnight() {
        for (now, midnight) in [
            ("2026-05-01T00:00:00+08:00", "2026-05-01T00:00:00+08:00"),
            ("2026-05-01T23:59:59+08:00", "2026-05-01T00:00:00+08:00"),
            ("2026-05-01T00:00:00Z", "2026-05-01T00:00:00+08:00"),
            ("2026-05-01T16:00:00Z", "2026-05-02T00:00:00+08:00"),
        ] {
            let [now, midnight] =
                [now, midnight].map(|text| Timestamp::parse_rfc3339(text).unwrap());
            assert_eq!(last_midnight(now), midnight);
        }
    }
}
