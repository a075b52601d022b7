//! `top`: prints the load and the health of a store in use, again and again.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::{self, Admin};
use crate::output::{Cell, Column, data, shown};
use crate::signals::on_stop;
use crate::time_arg;

/// Print the load and the health of a store that a server has open, once in each interval
///
/// Runs until it is stopped. The first row counts since the server started, each other row since the row
/// before.
#[derive(Args)]
pub(crate) struct Top {
    /// Time between two rows, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=3600))]
    interval: u16,
    /// End after this number of rows
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,
}

const COLUMNS: &[Column] = &[
    shown("at"),
    shown("health"),
    shown("commands"),
    shown("perSecond"),
    shown("groups"),
    shown("writeMicros"),
    shown("queued"),
    shown("throttled"),
    shown("wait"),
    shown("anomalies"),
    shown("unclaimed"),
    data("mirror"),
    data("archive"),
    shown("archiveLagMillis"),
    data("journalBytes"),
    data("memtableBytes"),
];

/// Part of the reply of `/v1/stats`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    health: Health,
    commands: u64,
    groups: u64,
    queued: u64,
    write_micros: Option<u64>,
    throttled: u64,
    journal_bytes: u64,
    memtable_bytes: u64,
    mirror: String,
    archive: Archive,
}

#[derive(Deserialize)]
struct Health {
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Archive {
    status: String,
    lag_millis: u64,
}

/// Part of the reply of `/v1/counts`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    by_status: ByStatus,
    unclaimed: u64,
    open_anomalies: u64,
}

#[derive(Deserialize)]
struct ByStatus {
    wait: u64,
}

/// Counters of the row before.
#[derive(Default)]
struct Before {
    commands: u64,
    groups: u64,
    throttled: u64,
    at: Option<Instant>,
}

impl Top {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let admin = live::connect(&context.dir()?)?.ok_or_else(|| {
            Failure::usage("no server has the store open: `orderstore serve` opens it")
        })?;
        let (stop, is_stopped) = mpsc::channel();
        on_stop(move || {
            // Ignore a failed send: the verb is about to end.
            let _ = stop.send(());
        })?;
        let mut out = context.out().stream(COLUMNS)?;
        let mut before = Before::default();
        for row in 0..self.count {
            let pause = Duration::from_secs(u64::from(self.interval));
            if row > 0 && is_stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            out.rows(&[next_row(&admin, &mut before)?])?;
        }
        Ok(Exit::Done)
    }
}

fn next_row(admin: &Admin, before: &mut Before) -> Result<Vec<Cell>, Failure> {
    let stats: Stats = admin.get("/v1/stats")?;
    let counts: Counts = admin.get("/v1/counts")?;
    let now = Instant::now();
    // A restarted server counts from 0 again.
    let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
    let commands = since(stats.commands, before.commands);
    let millis = before.at.map(|at| (now - at).as_millis().max(1));
    let rate = millis.map(|millis| u128::from(commands) * 1000 / millis);
    let cells = vec![
        Cell::Time(time_arg::now()),
        Cell::Text(stats.health.state),
        commands.into(),
        rate.map_or(Cell::None, Cell::Number),
        since(stats.groups, before.groups).into(),
        stats.write_micros.map_or(Cell::None, Cell::from),
        stats.queued.into(),
        since(stats.throttled, before.throttled).into(),
        counts.by_status.wait.into(),
        counts.open_anomalies.into(),
        counts.unclaimed.into(),
        Cell::Text(stats.mirror),
        Cell::Text(stats.archive.status),
        stats.archive.lag_millis.into(),
        stats.journal_bytes.into(),
        stats.memtable_bytes.into(),
    ];
    *before = Before {
        commands: stats.commands,
        groups: stats.groups,
        throttled: stats.throttled,
        at: Some(now),
    };
    Ok(cells)
}
