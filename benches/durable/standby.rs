//! Lag of a standby while threads submit one command at a time to its store, and the time in which it
//! takes over.
//!
//! Both stores and the archive use the same disk and the same cores.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Archive, Store};
use serde::Serialize;

use crate::expect::expect;
use crate::figures::to;
use crate::latencies::Latencies;
use crate::lifecycle::{Callers, Figures, USERS};
use crate::sample::Checked;
use crate::setting::Setting;

/// Interval between two shipments: the default.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at both stores.
const LOOK: Duration = Duration::from_millis(5);

/// Figures of one run.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "standby")]
pub(crate) struct Followed {
    callers: usize,
    /// The store with the archive.
    followed: Figures,
    /// Percentiles of the age of the oldest order that the standby does not show, in seconds.
    lag_p50: f64,
    lag_p99: f64,
    /// Number of orders when the standby took over.
    orders: u64,
    /// Seconds from the loss of the store until the standby serves commands.
    takeover: f64,
}

/// Looks at the age of the oldest order that the standby does not show, until `is_over`.
fn watch(store: &Store, standby: &Store, is_over: &AtomicBool) -> Checked<Latencies> {
    let mut lags = Latencies::default();
    // Times at which the store had these numbers of orders.
    let mut unseen: VecDeque<(Instant, u64)> = VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        unseen.push_back((Instant::now(), store.counts().wait()?.orders()));
        let shown = standby.counts().wait()?.orders();
        while unseen.front().is_some_and(|(_, orders)| *orders <= shown) {
            unseen.pop_front();
        }
        lags.push(
            unseen
                .front()
                .map_or(Duration::ZERO, |(at, _)| at.elapsed()),
        );
        thread::sleep(LOOK);
    }
    Ok(lags)
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    callers: usize,
    length: Duration,
) -> Checked<Followed> {
    let place = dir.join("archive");
    let place = place.to_str().ok_or("the directory has no UTF-8 name")?;
    let archive = || Ok::<_, orderstore::OpenError>(Archive::from_url(place)?.interval(INTERVAL));
    let store = setting.init_archived(&dir.join("store"), archive()?)?;
    while store.stats().archive.snapshot_lsn.is_none() {
        thread::sleep(LOOK);
    }
    let standby_dir = dir.join("standby");
    let standby = setting.follow(&standby_dir, archive()?)?;
    let mut crowd = Callers::new(callers, USERS)?;
    let is_over = AtomicBool::new(false);
    let (seen, lags) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&store, &standby, &is_over).map_err(|e| e.to_string()));
        let seen = crowd.run(&store, length);
        is_over.store(true, Ordering::Relaxed);
        (seen, watcher.join())
    });
    let mut lags = lags.map_err(|_| "the watcher panicked")??;
    let orders = store.counts().wait()?.orders();
    // The store ships the rest. The standby has not applied it yet.
    store.shutdown().wait()?;
    let began = Instant::now();
    standby.shutdown().wait()?;
    let promoted = setting.promote(&standby_dir, archive()?)?;
    let store = setting.open_archived(&standby_dir, archive()?)?;
    let _number = store.next_order_no().wait()?;
    let takeover = began.elapsed();
    expect(&promoted.continued.records, &orders)?;
    expect(&store.counts().wait()?.orders(), &orders)?;
    store.shutdown().wait()?;
    let lags = lags.percentiles();
    Ok(Followed {
        callers,
        followed: seen?.figures(),
        lag_p50: to(1000.0, lags.p50_us / 1e6),
        lag_p99: to(1000.0, lags.p99_us / 1e6),
        orders,
        takeover: to(1000.0, takeover.as_secs_f64()),
    })
}
