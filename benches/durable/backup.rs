//! Rate of 64 callers during a backup, compared with their rate before and after it.
//!
//! The store first gets a base of orders, so that a backup takes a while. Its time
//! includes its verification. Afterwards the callers run alone for at least as long. Checkpoints
//! run with and without a backup, so both rates include them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::batch;
use crate::figures::to;
use crate::latencies::Percentiles;
use crate::lifecycle::{Callers, Seen, USERS};
use crate::sample::Checked;
use crate::setting::Setting;

const CALLERS: usize = 64;

/// Duration of one slice of the callers' work. After each slice the bench checks whether the
/// backup is done.
const SLICE: Duration = Duration::from_millis(250);

/// Figures of one backup. Rates are durable commands per second.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "backup")]
pub(crate) struct BackedUp {
    base_orders: u64,
    callers: usize,
    rate_alone: f64,
    rate_beside: f64,
    /// Rate during the backup divided by the rate without one.
    kept: f64,
    #[serde(flatten)]
    latencies: Percentiles,
    backup_s: f64,
    backup_records: u64,
    backup_mib: u64,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (base_orders, users): (u64, u64),
    length: Duration,
) -> Checked<BackedUp> {
    let store = setting.init(&dir.join("store"))?;
    batch::fill(&store, base_orders, users)?;
    let mut crowd = Callers::new(CALLERS, USERS)?;
    let mut alone = crowd.run(&store, length)?;
    let began = Instant::now();
    let backup = store.backup(dir.join("backup")).submit()?;
    let (mut beside, mut took) = (Seen::default(), Duration::ZERO);
    loop {
        let slice = crowd.run(&store, SLICE.min(length))?;
        let is_over = backup.is_ready();
        // The backup ended within the last slice, so that slice counts only if it is the only one.
        if !is_over || took.is_zero() {
            beside.add(slice);
        }
        took = began.elapsed();
        if is_over {
            break;
        }
    }
    let backup = backup.wait()?;
    alone.add(crowd.run(&store, length.max(took))?);
    store.shutdown().wait()?;
    Ok(BackedUp {
        base_orders,
        callers: CALLERS,
        rate_alone: alone.rate(),
        rate_beside: beside.rate(),
        kept: to(1000.0, beside.rate() / alone.rate()),
        latencies: beside.latencies.percentiles(),
        backup_s: to(10.0, took.as_secs_f64()),
        backup_records: backup.records,
        backup_mib: backup.bytes >> 20,
    })
}
