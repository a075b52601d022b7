//! Kills a process under full load, deletes its directory, and restores its archive.
//!
//! The child tells its parent each command that it has a reply for. It also tells the number of events
//! that the archive holds for certain. The parent checks the restored store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use orderstore::testing::{SeededRng, Sizes, fixtures};
use orderstore::{Archive, Builder, Error, Event, FeedCursor, RestorePoint, Store};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::process::{Process, tell};
use crate::stores::{assert_same, close, events};

const DIR: &str = "ORDERSTORE_ARCHIVE_DIR";
const URL: &str = "ORDERSTORE_ARCHIVE_URL";

pub(crate) const CALLERS: u64 = 8;

/// Time for which a store serves without its archive.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Number of order numbers that are reserved for one caller.
const OWN: u64 = 1_000_000;

pub(crate) fn builder() -> Builder {
    let sizes = Sizes {
        memtable: 256 << 10,
        segment: 128 << 10,
    };
    Store::builder().in_small_parts(sizes)
}

pub(crate) fn archive(url: &str) -> Archive {
    let archive = Archive::from_url(url).unwrap().in_small_parts();
    archive
        .interval(Duration::from_millis(20))
        .snapshot_interval(Duration::from_millis(200))
        .lease(LEASE)
}

/// Entry point of the child process that the parent starts; not a test by itself.
#[test]
fn entry_point_of_child_process() {
    let (Ok(dir), Ok(url)) = (std::env::var(DIR), std::env::var(URL)) else {
        return;
    };
    let store = builder().archive(archive(&url)).open_or_init(dir).unwrap();
    let next = store.counts().wait().unwrap().orders();
    tell("open");
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let store = &store;
            // A server of objects needs a part of the same cores.
            let pause = Duration::from_millis(if url.contains("://") { 5 } else { 0 });
            scope.spawn(move || create_orders(store, caller, next, pause));
        }
        scope.spawn(|| tell_archived(&store));
    });
}

fn create_orders(store: &Store, caller: u64, first: u64, pause: Duration) {
    for n in first.. {
        thread::sleep(pause);
        let no = fixtures::order_no(caller * OWN + n);
        match store.create(no, fixtures::new(100)).wait() {
            Ok(_) => {}
            // The archive was slow, or the process stopped for a while.
            Err(Error::NotApplied(_)) => {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            // A standby has taken over. Wait for the end.
            Err(Error::Poisoned(_) | Error::OutcomeUnknown(_)) => loop {
                thread::park();
            },
            Err(error) => panic!("{error:?}"),
        }
        tell(format!("done {caller}"));
    }
}

/// Tells the number of events that the archive holds for certain.
fn tell_archived(store: &Store) {
    let mut after = FeedCursor::START;
    let mut count = 0;
    loop {
        while let Some(last) = store.events(after, 1000).wait().unwrap().last() {
            after = last.cursor;
        }
        count = after.seq.max(count);
        let read_at = Instant::now();
        loop {
            // Take the time first: the thread may pause before it compares.
            let asked_at = Instant::now();
            let lag = store.stats().archive.lag;
            if lag < asked_at - read_at {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        tell(format!("archived {count}"));
    }
}

/// What a child has told before it was killed.
#[derive(Default)]
pub(crate) struct Told {
    /// Number of acknowledged orders of each caller.
    done: BTreeMap<u64, usize>,
    pub(crate) archived: u64,
}

/// Running child process.
pub(crate) struct Running {
    child: Process,
    reader: JoinHandle<Vec<String>>,
    /// Number of replies that the child has told.
    replies: Arc<AtomicU64>,
    /// Number of times that the child has told what the archive holds.
    reports: Arc<AtomicU64>,
}

impl Running {
    pub(crate) fn start(dir: &Path, url: &str) -> Self {
        let variables = [
            (DIR, dir.to_str().unwrap().to_owned()),
            (URL, url.to_owned()),
        ];
        let mut child = Process::start("kills::entry_point_of_child_process", &variables);
        // The child reads nothing.
        drop(child.stdin.take());
        let words = std::mem::replace(&mut child.words, Box::new(std::iter::empty()));
        let (replies, reports) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counters = [
            ("done", Arc::clone(&replies)),
            ("archived", Arc::clone(&reports)),
        ];
        let count_reply = move |word: &String| {
            for (begin, counter) in &counters {
                counter.fetch_add(u64::from(word.starts_with(begin)), Ordering::SeqCst);
            }
        };
        let reader = thread::spawn(move || words.inspect(count_reply).collect::<Vec<String>>());
        Self {
            child,
            reader,
            replies,
            reports,
        }
    }

    pub(crate) fn has_reported(&self) -> bool {
        self.reports.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn replies(&self) -> u64 {
        self.replies.load(Ordering::SeqCst)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills the child, and returns what it has told.
    pub(crate) fn kill(mut self) -> Told {
        self.child.kill();
        drop(self.child);
        let mut told = Told::default();
        for word in self.reader.join().unwrap() {
            match *word.split(' ').collect::<Vec<_>>() {
                ["done", caller] => *told.done.entry(caller.parse().unwrap()).or_default() += 1,
                ["archived", count] => told.archived = count.parse().unwrap(),
                ["open"] => {}
                _ => panic!("the child told {word}"),
            }
        }
        told
    }
}

fn run_and_kill(dir: &Path, url: &str, length: Duration) -> Told {
    let running = Running::start(dir, url);
    thread::sleep(length);
    running.kill()
}

/// Compares the restored events with those of the directory, and with what the child has told.
pub(crate) fn check(told: &Told, local: &[Event], restored: &[Event]) {
    assert!(
        restored.len() as u64 >= told.archived,
        "{} of {}",
        restored.len(),
        told.archived
    );
    assert_same(restored, local.get(..restored.len()).unwrap_or(local));
    for (caller, done) in &told.done {
        let first = fixtures::order_no(caller * OWN);
        let last = fixtures::order_no((caller + 1) * OWN - 1);
        let own = local
            .iter()
            .filter(|event| (first..=last).contains(&event.no));
        assert!(
            own.count() >= *done,
            "the directory lacks orders of caller {caller}"
        );
    }
}

#[test]
fn killed_and_deleted_store_is_restored_up_to_last_shipment() {
    let kills = std::env::var("ARCHIVE_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let mut rng = SeededRng::new(5);
    let (mut all, mut lost, mut archived) = (0, 0, 0);
    let mut kill = 0;
    while kill < kills {
        let place = TempDir::new().unwrap();
        let dir = place.path().join("shop");
        let mut archives = 0;
        let mut url = || {
            archives += 1;
            place
                .path()
                .join(format!("archive{archives}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let mut current = url();
        for round in 0..5 {
            kill += 1;
            let length = Duration::from_millis(150 + rng.below(700) as u64);
            let told = run_and_kill(&dir, &current, length);
            if !dir.join("identity").exists() {
                continue;
            }
            // The oracle: the directory of the killed process, opened without the archive.
            let local = builder().open_without_archive().open(&dir).unwrap();
            let held = events(&local);
            close(local);
            let restored_dir = place.path().join(format!("restored{round}"));
            let archive = archive(&current);
            let report = builder().restore_from(&archive, &restored_dir, RestorePoint::Newest);
            let report = match report {
                Ok(report) => report,
                // The child was killed before its first snapshot.
                Err(error) if told.archived == 0 => {
                    println!("no snapshot yet: {error}");
                    continue;
                }
                Err(error) => panic!("{error:?}"),
            };
            let restored = builder().open(&restored_dir).unwrap();
            let found = events(&restored);
            check(&told, &held, &found);
            // Every lost command is in the window that the report names.
            let window = report.restored.last_event_at;
            let missing = &held[found.len()..];
            assert!(
                missing
                    .iter()
                    .all(|event| window.is_none_or(|from| event.at >= from))
            );
            all += held.len();
            lost += missing.len();
            archived += told.archived;
            close(restored);
            if rng.one_in(2) {
                // The machine is lost: the restored store goes on with a new archive.
                fs::remove_dir_all(&dir).unwrap();
                fs::rename(&restored_dir, &dir).unwrap();
                current = url();
            }
        }
    }
    println!("{kill} kills, {all} commands, {lost} in the windows, {archived} told as archived");
    assert!(archived > 0, "no child told that commands were archived");
}
