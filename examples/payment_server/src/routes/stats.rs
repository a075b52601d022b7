//! Key figures for the operator.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use orderstore::{Currency, Status, Subtotal, Timestamp, Totals};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Code, Failure, Parameters};
use crate::app::App;

/// Time range in Unix milliseconds, its end excluded.
#[derive(Deserialize)]
pub(super) struct Stretch {
    from: Option<i64>,
    until: Option<i64>,
}

/// Returns the number of orders by status, today's payments and refunds (Beijing time), and the
/// alarms.
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

/// Offset of Beijing time from UTC, the same all year.
const BEIJING_AHEAD: Duration = Duration::from_secs(8 * 60 * 60);

fn last_midnight(now: Timestamp) -> Timestamp {
    let local = now.saturating_add(BEIJING_AHEAD).as_millis();
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let into_the_day = Duration::from_millis(local.rem_euclid(day).unsigned_abs());
    now.saturating_sub(into_the_day)
}

fn sums(totals: &Totals) -> Value {
    let yuan = Currency::default();
    let of = |sum: Option<&Subtotal>| {
        let fen = sum.map_or(0, |sum| sum.minor_units);
        json!({
            "count": sum.map_or(0, |sum| sum.count),
            "fen": u64::try_from(fen).unwrap_or(u64::MAX),
        })
    };
    json!({
        "paid": of(totals.paid.get(&yuan)),
        "late": of(totals.late.get(&yuan)),
        "refunded": of(totals.refunded.get(&yuan)),
        "returned": of(totals.returned.get(&yuan)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_day_begins_at_midnight_in_beijing() {
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
