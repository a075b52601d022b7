//! Recovery: a child process fills a store until the journal is nearly at its maximum length. The
//! bench kills the child with signal 9 while it writes, and reopens the store.
//!
//! The maximum length is measured while checkpoints run and all threads write.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Created, Store};
use serde::Serialize;

use crate::batch;
use crate::expect::expect;
use crate::figures::to;
use crate::sample::{Checked, Sample};
use crate::setting::Setting;

/// Line that the child prints when the journal is full.
const FULL: &str = "the journal is full";

/// Number of checkpoints during which the child measures the maximum length of its journal.
const LEARNING: u64 = 3;

/// Figures of one kill and one recovery.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "reopen")]
pub(crate) struct Reopened {
    /// Orders in the B-tree when the interrupted writing began.
    base_orders: u64,
    /// Orders after the recovery.
    orders: u64,
    /// Size of the journal after the kill.
    journal_bytes: u64,
    base_bytes: u64,
    /// Replayed groups.
    frames: u64,
    dropped_bytes: u64,
    open_ms: f64,
    /// Time from the start of the open until a new order is durable.
    first_answer_ms: f64,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (base_orders, users): (u64, u64),
) -> Checked<Reopened> {
    let dir = dir.join("store");
    kill_when_full(setting, &dir, base_orders, users)?;
    let journal_bytes = bytes_of(&dir.join("journal"))?;
    let base_bytes = fs::metadata(dir.join("base.redb"))?.len();
    let began = Instant::now();
    let store = setting.open(&dir)?;
    let opened = began.elapsed();
    create_one(&store)?;
    let answered = began.elapsed();
    let recovery = store.recovery();
    let orders = store.counts().wait()?.orders();
    if orders <= base_orders || recovery.was_closed {
        return Err("the kill did not interrupt the writing of new orders".into());
    }
    store.shutdown().wait()?;
    Ok(Reopened {
        base_orders,
        orders,
        journal_bytes,
        base_bytes,
        frames: recovery.frames,
        dropped_bytes: recovery.dropped_bytes,
        open_ms: to(10.0, opened.as_secs_f64() * 1e3),
        first_answer_ms: to(10.0, answered.as_secs_f64() * 1e3),
    })
}

fn create_one(store: &Store) -> Checked<()> {
    let new = Sample::new(9, 1)?.order()?;
    let no = store.next_order_no().wait()?;
    expect(&store.create(no, new).wait()?.outcome, &Created::Created)
}

fn bytes_of(dir: &Path) -> Checked<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn kill_when_full(setting: Setting, dir: &Path, base: u64, users: u64) -> Checked<()> {
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--setting", setting.name])
        .args(["--base", &base.to_string(), "--users", &users.to_string()])
        .arg("--victim")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let said = victim.stdout.take().ok_or("the child has no stdout")?;
    let mut lines = BufReader::new(said).lines();
    let is_full = lines.any(|line| line.is_ok_and(|line| line == FULL));
    victim.kill()?; // Signal 9.
    victim.wait()?;
    if is_full {
        return Ok(());
    }
    Err("the child process ended before it was killed".into())
}

/// Body of the child process: writes until it is killed.
pub(crate) fn be_killed(setting: Setting, dir: &Path, base: u64, users: u64) -> Checked<()> {
    let store = setting.init(dir)?;
    batch::fill(&store, base, users)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let failed = batch::write_on(&store, users);
            is_over.store(true, Ordering::Relaxed);
            failed
        });
        if is_full_at_last(&store, &is_over) {
            println!("{FULL}");
        }
        writer.join().map_err(|_| "the writer panicked")?
    })
}

/// Waits until the journal is nearly as long as the longest seen so far. Each checkpoint after the
/// first [`LEARNING`] lowers the required length by 1 %, so that the wait ends. Returns false if
/// the writer failed.
fn is_full_at_last(store: &Store, is_over: &AtomicBool) -> bool {
    let began = store.stats().checkpoints;
    let mut longest = 0;
    while !is_over.load(Ordering::Relaxed) {
        let now = store.stats();
        let flushes = now.checkpoints - began;
        let allowed = 100_u64.saturating_sub(flushes.saturating_sub(LEARNING).min(50) + 1);
        if flushes >= LEARNING && now.journal_bytes >= longest / 100 * allowed {
            return true;
        }
        longest = longest.max(now.journal_bytes);
        thread::sleep(Duration::from_micros(500));
    }
    false
}
