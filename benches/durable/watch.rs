//! Observes a store during a run: its checkpoints and its peak memory.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use orderstore::{Stats, Store};
use serde::Serialize;

use crate::sample::Checked;
use crate::setting::Setting;

/// Interval between observations: rare enough to cost nothing, and shorter than a checkpoint.
const EVERY: Duration = Duration::from_millis(10);

/// Observations of one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Watched {
    /// Duration of each checkpoint that ended during the run, in milliseconds.
    pub(crate) flush_ms: Vec<u64>,
    /// Groups that were throttled because a checkpoint fell behind.
    pub(crate) slowed: u64,
    pub(crate) memory: Memory,
}

/// Peaks in bytes, and in queued commands.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Memory {
    pub(crate) memtables_max: u64,
    pub(crate) journal_max: u64,
    pub(crate) queued_max: usize,
    /// Resident memory of the whole process, with the bench's own orders and figures.
    pub(crate) resident_max: u64,
    /// Bound that the settings imply.
    pub(crate) bound: usize,
}

/// Runs some work on a store and observes the store meanwhile.
pub(crate) fn watched<T>(
    store: &Store,
    setting: Setting,
    work: impl FnOnce() -> Checked<T>,
) -> Checked<(T, Watched)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(store, setting, &is_over));
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let watched = watcher.join().map_err(|_| "the watcher panicked")?;
        Ok((done?, watched))
    })
}

fn watch(store: &Store, setting: Setting, is_over: &AtomicBool) -> Watched {
    let before = store.stats();
    let (mut watched, mut flushes) = (Watched::default(), before.checkpoints);
    watched.memory.bound = setting.bound_bytes();
    loop {
        let was_over = is_over.load(Ordering::Relaxed);
        let now = store.stats();
        if now.checkpoints > flushes {
            flushes = now.checkpoints;
            let took = now.last_checkpoint.as_millis();
            watched
                .flush_ms
                .push(u64::try_from(took).unwrap_or(u64::MAX));
        }
        watched.memory.see(&now);
        if was_over {
            watched.slowed = now.throttled - before.throttled;
            return watched;
        }
        thread::sleep(EVERY);
    }
}

impl Memory {
    fn see(&mut self, now: &Stats) {
        self.memtables_max = self.memtables_max.max(now.memtable_bytes);
        self.journal_max = self.journal_max.max(now.journal_bytes);
        self.queued_max = self.queued_max.max(now.queued);
        self.resident_max = self.resident_max.max(resident().unwrap_or_default());
    }
}

/// Returns the resident memory of this process.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
