//! What a person decides, and what they look at first.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use orderstore::{
    AnomalyId, CloseAnswer, Currency, Fen, NewRefund, Note, OrderNo, RefundNo, RefundRequested,
    Resolution, Resolved, Status, Sum, Timestamp, Totals,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::orders::PageAsked;
use super::{Body, Failure, Parameters, order_no, view};
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
        CloseAnswer::AlreadyPaid => Err(Failure::conflict("alreadyPaid", "the order is paid")),
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
/// refund stays `requested`, and is asked about until it has ended.
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
        transaction.ok_or_else(|| Failure::conflict("notPaid", "the order is not paid"))?;
    let refund_no = match asked.refund_no {
        Some(text) => RefundNo::parse(&text).map_err(|error| Failure::bad("badRefund", error))?,
        None => new_refund_no(&app).await?,
    };
    let amount = Fen::new(asked.amount).map_err(|error| Failure::bad("badRefund", error))?;
    let new = NewRefund::new(refund_no.clone(), transaction, amount);
    let new = new.map_err(|error| Failure::bad("badRefund", error))?;
    let answer = app.desk.store.request_refund(no, new).await?;
    match answer.outcome {
        RefundRequested::Requested | RefundRequested::Exists => {
            ask_back(&app, no, &refund_no).await?;
            shown(&app, no).await
        }
        refused => Err(not_refunded(refused)),
    }
}

async fn new_refund_no(app: &App) -> Result<RefundNo, Failure> {
    let number = app.desk.store.next_order_no().await?;
    let refund_no = RefundNo::parse(&format!("R{number}"));
    refund_no.map_err(|error| Failure::bad("badRefund", error))
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

fn not_refunded(refused: RefundRequested) -> Failure {
    let (code, error) = match refused {
        RefundRequested::NotFound => return Failure::no_such_order(),
        RefundRequested::NotPaid => ("notPaid", "the order is not paid".to_owned()),
        RefundRequested::Exceeds { available } => {
            ("exceeds", format!("{} yuan are left", available.yuan()))
        }
        RefundRequested::ExistsWithDifferent { .. } => (
            "refundDiffers",
            "another refund bears this number".to_owned(),
        ),
        RefundRequested::RefundNoTaken { by } => (
            "refundNoTaken",
            format!("the number is in use with order {by}"),
        ),
        RefundRequested::WindowOver => ("windowOver", "it was paid too long ago".to_owned()),
        RefundRequested::TooMany => ("tooMany", "there were 50 refunds".to_owned()),
        RefundRequested::Blocked => ("blocked", "the channel revoked the payment".to_owned()),
        _ => (
            "notRefunded",
            "the order holds as much as it may".to_owned(),
        ),
    };
    Failure::conflict(code, error)
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
    let id = id.map_err(|error| Failure::bad("badNumber", error))?;
    let note = Note::parse(&decision.note).map_err(|error| Failure::bad("badNote", error))?;
    let refund_no = RefundNo::parse(&format!("{no}-{id}"));
    let refund_no = refund_no.map_err(|error| Failure::bad("badRefund", error))?;
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
    }
    match app.desk.store.get(no).await? {
        Some(order) => Ok(Json(view::order(&order))),
        None => Ok(Json(json!({ "outTradeNo": no }))),
    }
}

fn not_resolved(refused: Resolved) -> Failure {
    let (code, error) = match refused {
        Resolved::NotFound => {
            return Failure::new(
                StatusCode::NOT_FOUND,
                "noSuchAnomaly",
                "there is no such anomaly",
            );
        }
        Resolved::Different => ("decided", "it was decided otherwise before"),
        Resolved::NotAcceptable => ("notAcceptable", "this cannot be accepted"),
        Resolved::NotRefundable => ("notRefundable", "there is no money in this to give back"),
        Resolved::RefundNoTaken { .. } => ("refundNoTaken", "the refund's number is in use"),
        Resolved::Blocked => ("blocked", "the channel revoked the payment"),
        Resolved::WindowOver => ("windowOver", "it was paid too long ago"),
        Resolved::TooMany => ("tooMany", "there were 50 refunds"),
        Resolved::Exceeds { .. } => ("exceeds", "not so much is left"),
        _ => ("notResolved", "the order holds as much as it may"),
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

/// How many orders stand where, and what came and went today, in Beijing's day.
pub(super) async fn stats(
    State(app): State<Arc<App>>,
    Parameters(asked): Parameters<Stretch>,
) -> Result<Json<Value>, Failure> {
    let midnight = last_midnight(app.clock.now());
    let time = |millis: Option<i64>, otherwise| {
        let time = millis.map_or(Ok(otherwise), Timestamp::from_millis);
        time.map_err(|error| Failure::bad("badParameter", error))
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
