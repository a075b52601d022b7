//! Health of the process and of the store, and the store's counters.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use orderstore::{Health, Opened, StandbyStats, Timestamp, with_causes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::guard::Expected;
use crate::problem::{Kind, Problem};

/// State of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Answers if the process runs, whatever the store does.
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Answers 200 if the store accepts commands, and 503 with the reason otherwise.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    match app.draining.is_cancelled() {
        true => Problem::new(Kind::NotReady, "the server is shutting down").into_response(),
        false => readiness(&app.store.health()),
    }
}

fn readiness(health: &Health) -> Response {
    let view = HealthView::of(health);
    if view.accepts_commands {
        return Json(view).into_response();
    }
    let cause = view
        .cause
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let state = view.state;
    let why = format!("the store accepts no commands; its state is {state}{cause}");
    let problem = Problem::new(Kind::NotReady, why);
    match health {
        Health::Standby { .. } => (Extension(Expected), problem).into_response(),
        _ => problem.into_response(),
    }
}

/// Health of the store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthView {
    /// State: `ok`, `throttled`, `diskFull`, `failing`, `damaged`, `unmirrored`, `archiveBehind`,
    /// `standby`, `poisoned` or `shutDown`.
    pub(super) state: &'static str,
    /// Whether the store accepts commands.
    accepts_commands: bool,
    /// Cause of the state, if there is one.
    cause: Option<String>,
}

impl HealthView {
    pub(super) fn of(health: &Health) -> Self {
        let (state, accepts_commands, cause) = match health {
            Health::Ok => ("ok", true, None),
            Health::Throttled => ("throttled", true, None),
            Health::DiskFull => ("diskFull", false, None),
            Health::Failing(cause) => ("failing", true, Some(cause)),
            Health::Damaged { .. } => ("damaged", true, None),
            Health::Unmirrored { cause } => ("unmirrored", true, cause.as_ref()),
            Health::ArchiveBehind { cause } => ("archiveBehind", true, cause.as_ref()),
            Health::Standby { cause } => ("standby", false, cause.as_ref()),
            Health::Poisoned(cause) => ("poisoned", false, Some(cause)),
            Health::ShutDown => ("shutDown", false, None),
            _ => ("unknown", false, None),
        };
        let cause = cause.map(|cause| with_causes(cause));
        Self {
            state,
            accepts_commands,
            cause,
        }
    }
}

/// Counters of the store since it was opened, and its current sizes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatsView {
    /// Time of the store's clock.
    now: Timestamp,
    health: HealthView,
    /// Whether the opening also created the store: `created` or `existing`.
    opened: &'static str,
    recovery: RecoveryView,
    /// Number of commands that a group ran and answered.
    commands: u64,
    /// Number of groups of these commands. A group usually costs one write.
    groups: u64,
    /// Number of commands that are waiting in the queue now.
    queued: usize,
    /// Number of commands that were refused because their record was full.
    record_full: u64,
    /// Number of order numbers with an earlier time, because the clock was set back.
    clock_set_back: u64,
    /// Bytes in the journal segments on disk, without preallocated space.
    journal_bytes: u64,
    /// Bytes in the memtables.
    memtable_bytes: u64,
    /// Time that a group waits for the disk, in microseconds, as a moving average.
    write_micros: Option<u64>,
    /// Number of finished checkpoints.
    checkpoints: u64,
    /// Duration of the last checkpoint, in milliseconds.
    last_checkpoint_millis: u64,
    /// Number of groups that were throttled because a checkpoint fell behind.
    throttled: u64,
    /// Number of corrupt pages that reads found.
    damaged_pages: u64,
    /// Number of times that the store opened a file again.
    reopened: u64,
    /// State of the mirror: `off`, `complete`, `filling` or `missing`.
    mirror: &'static str,
    archive: ArchiveView,
    /// Figures of a standby; `null` if the store is none.
    standby: Option<StandbyView>,
}

/// Result of the recovery when the store was opened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryView {
    /// Number of replayed journal frames.
    frames: u64,
    /// Length of the torn write at the end of the journal, in bytes; 0 if there is none.
    dropped_bytes: u64,
    /// Last frame of the journal, as a text of digits.
    last_lsn: String,
    /// Whether the journal ends with the mark of a clean close.
    was_closed: bool,
}

/// Figures of the archive.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveView {
    /// State: `off`, `complete`, `behind` or `fenced`.
    status: &'static str,
    /// Last journal frame that the archive holds, as a text of digits.
    archived_lsn: String,
    /// Time since everything could be restored, in milliseconds; 0 if it can be restored now.
    lag_millis: u64,
    /// Approximate size of the journal that the archive lacks, in bytes.
    lag_bytes: u64,
    /// Journal frame of the newest snapshot, as a text of digits.
    snapshot_lsn: Option<String>,
    /// Number of failed attempts since the store was opened.
    failures: u64,
}

/// Figures of a standby.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StandbyView {
    /// Last journal frame of the other store that the standby shows, as a text of digits.
    lsn: String,
    /// Time since the standby showed everything that the archive held, in milliseconds.
    lag_millis: Option<u64>,
    /// Number of failed attempts since the store was opened.
    failures: u64,
}

impl From<StandbyStats> for StandbyView {
    fn from(standby: StandbyStats) -> Self {
        Self {
            lsn: standby.lsn.to_string(),
            lag_millis: standby.lag.map(millis),
            failures: standby.failures,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the store's counters, sizes and health.
pub(crate) async fn stats(State(app): State<Arc<App>>) -> Json<StatsView> {
    let (store, stats, recovery) = (&app.store, app.store.stats(), app.store.recovery());
    Json(StatsView {
        now: store.now(),
        health: HealthView::of(&store.health()),
        opened: match store.opened() {
            Opened::Created => "created",
            _ => "existing",
        },
        recovery: RecoveryView {
            frames: recovery.frames,
            dropped_bytes: recovery.dropped_bytes,
            last_lsn: recovery.last_lsn.to_string(),
            was_closed: recovery.was_closed,
        },
        commands: stats.commands,
        groups: stats.groups,
        queued: stats.queued,
        record_full: stats.record_full,
        clock_set_back: stats.clock_set_back,
        journal_bytes: stats.journal_bytes,
        memtable_bytes: stats.memtable_bytes,
        write_micros: stats.write_time.map(micros),
        checkpoints: stats.checkpoints,
        last_checkpoint_millis: millis(stats.last_checkpoint),
        throttled: stats.throttled,
        damaged_pages: stats.damaged_pages,
        reopened: stats.reopened,
        mirror: stats.mirror.as_str(),
        archive: ArchiveView {
            status: stats.archive.status.as_str(),
            archived_lsn: stats.archive.archived_lsn.to_string(),
            lag_millis: millis(stats.archive.lag),
            lag_bytes: stats.archive.lag_bytes,
            snapshot_lsn: stats.archive.snapshot_lsn.map(|lsn| lsn.to_string()),
            failures: stats.archive.failures,
        },
        standby: stats.standby.map(StandbyView::from),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use orderstore::{StorageError, StorageErrorKind, Store};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::Limits;
    use crate::guard::is_failure;

    #[tokio::test]
    async fn draining_server_is_not_ready() {
        let draining = CancellationToken::new();
        let app = App::new(
            Store::memory().unwrap(),
            Limits::default(),
            draining.clone(),
        );
        let app = State(Arc::new(app));
        assert_eq!(readyz(app.clone()).await.status(), StatusCode::OK);
        draining.cancel();
        let refused = readyz(app).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn probe_of_standby_is_no_failure_for_log() {
        let standby = readiness(&Health::Standby { cause: None });
        assert_eq!(standby.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!is_failure(&standby));
        let cause = StorageError::new(StorageErrorKind::Io, "cause");
        assert!(is_failure(&readiness(&Health::Poisoned(cause))));
        assert!(!is_failure(&readiness(&Health::Ok)));
    }
}
