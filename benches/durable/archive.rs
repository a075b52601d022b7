//! Threads that submit one command at a time to a store with an archive on the same disk.
//!
//! The bench alternates between the store with the archive and a store without one. A change in the
//! speed of the disk then affects both.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use orderstore::{Archive, ArchiveStatus, Store};
use serde::Serialize;

use crate::figures::{float, median, to};
use crate::latencies::Latencies;
use crate::lifecycle::{Callers, Figures, Seen, USERS};
use crate::sample::Checked;
use crate::setting::Setting;

/// Number of turns of each run.
const TURNS: u32 = 7;

/// Interval between two shipments: the default.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at the lag of the archive.
const LOOK: Duration = Duration::from_millis(10);

/// Figures of one run. Rates are per second.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "archive")]
pub(crate) struct Archived {
    callers: usize,
    /// With the archive.
    archived: Figures,
    /// Without the archive.
    alone: Figures,
    /// Median ratio of the rates, over adjacent turns.
    to_alone: f64,
    /// Median ratio of the 99th percentile of the latencies, over adjacent turns.
    p99_to_alone: f64,
    /// Median ratio of the CPU time of a command, over adjacent turns.
    cpu_to_alone: f64,
    /// 99th percentile of the age of the oldest command that the archive lacks, over the interval.
    window_p99: f64,
}

/// Looks at the lag of the archive until `is_over`.
fn watch(store: &Store, is_over: &AtomicBool) -> Latencies {
    let mut lags = Latencies::default();
    while !is_over.load(Ordering::Relaxed) {
        lags.push(store.stats().archive.lag);
        thread::sleep(LOOK);
    }
    lags
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    callers: usize,
    length: Duration,
) -> Checked<Archived> {
    let place = dir.join("archive");
    let archive = Archive::from_url(place.to_str().ok_or("the directory has no UTF-8 name")?)?;
    let alone = setting.init(&dir.join("alone"))?;
    let archived = setting.init_archived(&dir.join("archived"), archive.interval(INTERVAL))?;
    let mut crowds = [Callers::new(callers, USERS)?, Callers::new(callers, USERS)?];
    let slice = length / TURNS;
    let (mut with, mut without) = (Seen::default(), Seen::default());
    let (mut rates, mut tails, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    let mut lags = Latencies::default();
    for _ in 0..TURNS {
        let [first, second] = &mut crowds;
        let mut other = first.run(&alone, slice)?;
        let is_over = AtomicBool::new(false);
        let (own, seen) = thread::scope(|scope| {
            let watcher = scope.spawn(|| watch(&archived, &is_over));
            let own = second.run(&archived, slice);
            is_over.store(true, Ordering::Relaxed);
            (own, watcher.join())
        });
        let mut own = own?;
        lags.append(seen.map_err(|_| "the watcher panicked")?);
        rates.push(own.rate() / other.rate());
        tails.push(own.p99() / other.p99());
        costs.push(own.cpu() / other.cpu());
        with.add(own);
        without.add(other);
        if archived.stats().archive.status == ArchiveStatus::Fenced {
            return Err("another store claimed the archive".into());
        }
    }
    alone.shutdown().wait()?;
    archived.shutdown().wait()?;
    let window = lags.percentiles().p99_us / float(u64::try_from(INTERVAL.as_micros())?);
    Ok(Archived {
        callers,
        archived: with.figures(),
        alone: without.figures(),
        to_alone: to(1000.0, median(rates)),
        p99_to_alone: to(1000.0, median(tails)),
        cpu_to_alone: to(1000.0, median(costs)),
        window_p99: to(100.0, window),
    })
}
