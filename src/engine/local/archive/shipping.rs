//! State of the archive of an open store, and the thread that ships frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::archive::{Archive, Objects};
use crate::clock::since_boot;
use crate::engine::local::journal::reader::JournalPosition;
use crate::engine::{ArchiveStats, ArchiveStatus};
use crate::error::{StorageError, StorageErrorKind};

/// Longest time between two attempts while the archive fails.
pub(super) const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

/// Settings and state of the archive.
#[derive(Debug)]
pub(in crate::engine::local) struct Shipping {
    /// `None` if the store has no archive.
    pub(super) archive: Option<Archive>,
    /// Time since the start of the machine, in milliseconds, until which the store may serve;
    /// `u64::MAX` if it always may.
    lease_until: AtomicU64,
    /// Epoch in which the store writes. `None` while it claims one.
    own: Mutex<Option<(Objects, u64)>>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Writer of an archive in one epoch.
#[derive(Debug)]
pub(in crate::engine::local) struct Shipper {
    pub(super) objects: Objects,
    pub(super) epoch: u64,
    /// Position in the journal after the last shipped frame.
    pub(super) position: JournalPosition,
    /// Frame before the first one of the frames without a gap.
    pub(super) before: u64,
    /// Whether the journal lost frames before they were shipped.
    pub(super) is_broken: bool,
    /// Number of shipments since the last merge.
    pub(super) unmerged: u64,
    /// Epoch and first LSN of the first shipment that may be left to merge or to delete.
    pub(super) merge_from: (u64, u64),
    /// When the next snapshot is due.
    pub(super) snapshot_at: Option<Instant>,
}

#[derive(Debug)]
struct State {
    status: ArchiveStatus,
    archived_lsn: u64,
    /// Time at which every frame was shipped.
    shipped_at: Instant,
    /// Time at which everything could be restored.
    complete_at: Instant,
    /// Reason why the last attempt failed.
    failure: Option<StorageError>,
    failures: u64,
    /// Number of shipments in a row that failed.
    failed_in_a_row: u32,
    snapshot_lsn: Option<u64>,
    /// Whether nothing can be restored before the next snapshot.
    needs_snapshot: bool,
    has_failed_snapshot: bool,
    is_started: bool,
    is_closing: bool,
}

impl Shipping {
    pub(in crate::engine::local) fn new(archive: Option<Archive>) -> Self {
        let status = match archive {
            Some(_) => ArchiveStatus::Behind,
            None => ArchiveStatus::Off,
        };
        let state = State {
            status,
            archived_lsn: 0,
            shipped_at: Instant::now(),
            complete_at: Instant::now(),
            failure: None,
            failures: 0,
            failed_in_a_row: 0,
            snapshot_lsn: None,
            needs_snapshot: true,
            has_failed_snapshot: false,
            is_started: false,
            is_closing: false,
        };
        let has_lease = archive
            .as_ref()
            .is_some_and(|archive| archive.lease.is_some());
        Self {
            archive,
            // A store with a lease must first reach the archive.
            lease_until: AtomicU64::new(if has_lease { 0 } else { u64::MAX }),
            own: Mutex::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(in crate::engine::local) const fn is_on(&self) -> bool {
        self.archive.is_some()
    }

    fn lease(&self) -> Option<Duration> {
        self.archive.as_ref().and_then(|archive| archive.lease)
    }

    /// Length of the lease in milliseconds; 0 if there is none.
    pub(super) fn lease_millis(&self) -> u64 {
        self.lease().map_or(0, millis)
    }

    /// Extends the lease. `asked_at` is a time before the store asked the archive whether it may still
    /// serve.
    pub(super) fn extend_lease(&self, asked_at: Duration) {
        if let Some(lease) = self.lease() {
            let until = millis(asked_at.saturating_add(lease));
            self.lease_until.fetch_max(until, Ordering::SeqCst);
        }
    }

    /// Notes the epoch in which the store writes. `None`: it is about to claim one.
    pub(super) fn note_epoch(&self, own: Option<(Objects, u64)>) {
        *self.own.lock() = own;
    }

    /// Objects and number of the epoch in which the store writes.
    pub(super) fn own_epoch(&self) -> Option<(Objects, u64)> {
        self.own.lock().clone()
    }

    /// Waits until the lease must be renewed, sooner after a failure. Returns `false` when the store
    /// closes or is fenced, or if it has no lease.
    pub(super) fn wait_for_renewal(&self, has_failed: bool) -> bool {
        let Some(lease) = self.lease() else {
            return false;
        };
        let pause = match has_failed {
            true => (lease / 8).min(Duration::from_secs(1)),
            false => lease / 8,
        };
        let mut state = self.state.lock();
        self.changed
            .wait_while_for(&mut state, |state| !state.is_closing, pause);
        !state.is_closing && state.status != ArchiveStatus::Fenced
    }

    /// Error if the store must answer no command, because another store has claimed the archive.
    pub(in crate::engine::local) fn fencing(&self) -> Option<StorageError> {
        self.archive.as_ref()?;
        let state = self.state.lock();
        let is_fenced = state.status == ArchiveStatus::Fenced;
        state.failure.clone().filter(|_| is_fenced)
    }

    /// Error if the lease ends within a time.
    fn lease_error(&self, within: Duration, why: &'static str) -> Option<StorageError> {
        let until = self.lease_until.load(Ordering::SeqCst);
        let is_over = until < u64::MAX && millis(since_boot().saturating_add(within)) >= until;
        is_over.then(|| StorageError::new(StorageErrorKind::Io, why))
    }

    /// Error if the store must not begin a write. A write needs some time before the lease ends.
    pub(in crate::engine::local) fn refusal(&self) -> Option<StorageError> {
        let why = "the store does not reach its archive, and its lease is about to end; it serves \
                   again as soon as it reaches the archive";
        self.lease_error(self.lease()? / 4, why)
    }

    /// Error if the store must not acknowledge a write. Another store may serve already.
    pub(in crate::engine::local) fn expiry(&self) -> Option<StorageError> {
        let why = "the lease of the archive ended during the write; open the store again";
        self.lease_error(Duration::ZERO, why)
    }

    /// Lets shipments begin.
    pub(super) fn start(&self) {
        self.state.lock().is_started = true;
    }

    /// Archive to which the store ships. `None` if it must not ship, or not yet.
    pub(super) fn started(&self) -> Option<&Archive> {
        let state = self.state.lock();
        let ships = state.is_started && state.status != ArchiveStatus::Fenced;
        self.archive.as_ref().filter(|_| ships)
    }

    /// Notes that everything was shipped, and that no snapshot is missing.
    pub(super) fn note_success(&self) {
        let mut state = self.state.lock();
        let is_fenced = state.status == ArchiveStatus::Fenced;
        if !is_fenced && !state.needs_snapshot && !state.has_failed_snapshot {
            state.failure = None;
            state.status = ArchiveStatus::Complete;
        }
    }

    /// Whether the next shipment is due, if they follow each other at this interval.
    pub(super) fn is_due(&self, interval: Duration) -> bool {
        self.state.lock().shipped_at.elapsed() >= interval
    }

    /// Notes the last frame that the archive holds.
    pub(super) fn note_archived(&self, lsn: u64) {
        self.state.lock().archived_lsn = lsn;
    }

    pub(super) fn archived_lsn(&self) -> u64 {
        self.state.lock().archived_lsn
    }

    /// Notes that the archive held every frame at a time.
    pub(super) fn note_complete(&self, at: Instant) {
        let mut state = self.state.lock();
        state.shipped_at = at;
        if !state.needs_snapshot {
            state.complete_at = at;
        }
        state.failed_in_a_row = 0;
    }

    /// Whether nothing can be restored before the next snapshot.
    pub(super) fn needs_snapshot(&self) -> bool {
        self.state.lock().needs_snapshot
    }

    pub(super) fn snapshot_lsn(&self) -> Option<u64> {
        self.state.lock().snapshot_lsn
    }

    /// Notes the newest snapshot from which the frames since then can be restored; `None` if there is
    /// none.
    pub(super) fn note_snapshot(&self, lsn: Option<u64>) {
        let mut state = self.state.lock();
        state.snapshot_lsn = lsn;
        state.needs_snapshot = lsn.is_none();
        if lsn.is_some() {
            state.complete_at = state.shipped_at;
        }
    }

    pub(super) fn note_snapshot_result(&self, is_made: bool) {
        self.state.lock().has_failed_snapshot = !is_made;
    }

    /// Notes that the shipment failed. The next ones follow at longer intervals.
    pub(super) fn note_failed_shipment(&self) {
        let mut state = self.state.lock();
        state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
    }

    /// Notes a failed attempt. Returns whether it is the first in a row.
    pub(super) fn note_failure(&self, cause: StorageError, is_fenced: bool) -> bool {
        let mut state = self.state.lock();
        // A store that is fenced once stays fenced.
        if state.status == ArchiveStatus::Fenced {
            return false;
        }
        state.status = match is_fenced {
            true => ArchiveStatus::Fenced,
            false => ArchiveStatus::Behind,
        };
        state.failures += 1;
        let is_first = state.failure.is_none();
        state.failure = Some(cause);
        is_first
    }

    /// Counts a failure that leaves the archive complete.
    pub(super) fn count_failure(&self) {
        self.state.lock().failures += 1;
    }

    /// Whether the last shipment failed.
    pub(super) fn is_failing(&self) -> bool {
        self.state.lock().failed_in_a_row > 0
    }

    pub(in crate::engine::local) fn failure(&self) -> Option<StorageError> {
        self.state.lock().failure.clone()
    }

    /// Statistics, if the last frame of the journal is `published`, and `unshipped` bytes of it wait.
    pub(in crate::engine::local) fn stats(&self, published: u64, unshipped: u64) -> ArchiveStats {
        let state = self.state.lock();
        let is_complete = state.archived_lsn >= published && !state.needs_snapshot;
        ArchiveStats {
            status: state.status,
            archived_lsn: state.archived_lsn,
            lag: match is_complete || !self.is_on() {
                true => Duration::ZERO,
                false => state.complete_at.elapsed(),
            },
            lag_bytes: if is_complete { 0 } else { unshipped },
            snapshot_lsn: state.snapshot_lsn,
            failures: state.failures,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().is_closing
    }

    pub(in crate::engine::local) fn close(&self) {
        self.state.lock().is_closing = true;
        self.changed.notify_all();
    }

    /// Waits until the next attempt, which is due `interval` after `began`; later if attempts fail.
    /// Returns `false` when the store closes.
    pub(super) fn wait(&self, began: Instant, interval: Duration) -> bool {
        let mut state = self.state.lock();
        let longest = self.lease().map_or(AGAIN_AFTER_MAX, |lease| lease / 4);
        let pause = backed_off(interval, state.failed_in_a_row, longest.max(interval));
        let left = pause.saturating_sub(began.elapsed());
        let may_ship =
            |state: &mut State| !state.is_closing && state.status != ArchiveStatus::Fenced;
        self.changed.wait_while_for(&mut state, may_ship, left);
        if may_ship(&mut state) {
            return true;
        }
        while !state.is_closing {
            self.changed.wait(&mut state);
        }
        false
    }
}

/// Time from one attempt to the next: twice as long after each failure in a row, up to `longest`.
pub(super) fn backed_off(pause: Duration, failed_in_a_row: u32, longest: Duration) -> Duration {
    let doublings = failed_in_a_row.min(16);
    pause.saturating_mul(1 << doublings).min(longest)
}

/// Whole milliseconds. Saturates after 500 million years.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
