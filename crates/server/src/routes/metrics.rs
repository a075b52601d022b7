//! Route of the metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;

use super::stats::HealthView;
use crate::app::App;
use crate::metrics::MEDIA_TYPE;
use crate::problem::{Kind, Problem};

/// Returns the metrics in the text format of Prometheus. Answers also if the store cannot be read.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
) -> Result<impl IntoResponse + use<>, Problem> {
    let health = HealthView::of(&app.store.health()).state;
    let scraped = app.metrics.scrape(&app.store, health).await;
    let text = scraped.map_err(|error| Problem::new(Kind::Internal, error))?;
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, media_type)], text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orderstore::{Health, StorageError, StorageErrorKind};

    use super::*;
    use crate::metrics::HEALTH;

    #[test]
    fn each_health_has_its_own_metric() {
        let cause = || StorageError::new(StorageErrorKind::Io, "cause");
        let all = [
            Health::Ok,
            Health::Throttled,
            Health::DiskFull,
            Health::Failing(cause()),
            Health::Damaged { pages: 1 },
            Health::Unmirrored { cause: None },
            Health::ArchiveBehind { cause: None },
            Health::Standby { cause: None },
            Health::Poisoned(cause()),
            Health::ShutDown,
        ];
        let words: BTreeSet<_> = all.iter().map(|it| HealthView::of(it).state).collect();
        let known: BTreeSet<_> = HEALTH.into_iter().filter(|it| *it != "unknown").collect();
        assert_eq!(words, known);
    }
}
