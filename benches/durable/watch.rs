//! What goes on inside a store while it works: its flushes, and the most that it holds.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use orderstore::{Stats, Store};
use serde::Serialize;

use crate::sample::Checked;
use crate::setting::Setting;

/// How often the store is asked: rarely enough to cost nothing, and more often than it
/// can flush.
const EVERY: Duration = Duration::from_millis(10);

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Watched {
    /// How long each flush took that ended meanwhile, in milliseconds.
    pub(crate) flush_ms: Vec<u64>,
    /// The groups that were slowed down because a flush fell behind.
    pub(crate) slowed: u64,
    pub(crate) memory: Memory,
}

/// The most that was held at any time, in bytes, and in commands that waited.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Memory {
    pub(crate) memtables_max: u64,
    pub(crate) journal_max: u64,
    pub(crate) queued_max: usize,
    /// Of the whole process, with the bench's own orders and figures.
    pub(crate) resident_max: u64,
    /// What the settings bound it by.
    pub(crate) bound: usize,
}

/// Does some work on a store, and watches the store meanwhile.
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
    let (mut watched, mut flushes) = (Watched::default(), before.flushes);
    watched.memory.bound = setting.bound_bytes();
    loop {
        let was_over = is_over.load(Ordering::Relaxed);
        let now = store.stats();
        if now.flushes > flushes {
            flushes = now.flushes;
            let took = now.last_flush.as_millis();
            watched
                .flush_ms
                .push(u64::try_from(took).unwrap_or(u64::MAX));
        }
        watched.memory.see(&now);
        if was_over {
            watched.slowed = now.slowed - before.slowed;
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

/// The memory that this process takes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
