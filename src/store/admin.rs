//! Methods for operators: backup, copy, restore and repair.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use crate::commit::{Call, Pipeline};
use crate::engine::{BackupReport, CopyReport, Progress, RepairReport, RestoreReport, copy};
use crate::error::{Error, OpenError};

impl Store {
    /// Copies the open store into the directory `dir`, on the store's background thread. The
    /// directory must be missing or empty, and its parent must exist. Prefer another disk.
    ///
    /// The backup is a snapshot of one point in time. It contains every change that was
    /// acknowledged before the call, and may contain the first changes after it. The store reads
    /// the backup back from the disk and checks every page and every invariant. If a check fails,
    /// the call fails, and no other call accepts the files as a backup. You may repeat the same
    /// call.
    ///
    /// Commands have priority. While callers write, the backup pauses five times as long as it
    /// works, so it takes six times as long. Other long calls ([`Store::verify`],
    /// [`Store::totals`], [`Store::checkpoint`]) wait for the backup. A backup cannot be opened: it
    /// must be [restored](Store::restore). See [`manual::backup`](crate::manual::backup).
    ///
    /// The reply can also be one of these errors:
    ///
    /// - [`Error::NotBackedUp`] if the backup failed.
    /// - [`Error::Open`] if the directory cannot be used: [`OpenError::AlreadyThere`],
    ///   [`OpenError::IsBackup`] or [`OpenError::Foreign`] if it is not empty,
    ///   [`OpenError::Locked`] if another backup into it is running.
    /// - [`Error::Unsupported`] if the engine keeps no files.
    ///
    /// ```
    /// # use orderstore::Store;
    /// # let place = tempfile::tempdir()?;
    /// # let (orders, backups) = (place.path().join("orders"), place.path().join("backups"));
    /// # std::fs::create_dir(&backups)?;
    /// # let store = Store::init(orders)?;
    /// let backup = store.backup(backups.join("2026-05-01")).wait()?;
    /// println!("{} records, up to {:?}", backup.records, backup.last_event_at);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backup(&self, dir: impl Into<PathBuf>) -> Call<BackupReport> {
        self.back_up(dir.into(), None)
    }

    /// Makes a backup like [`Store::backup`], and calls `progress` with the number of copied rows
    /// and their total number. Reading the copy back takes about as long again, without progress.
    pub fn backup_with_progress(
        &self,
        dir: impl Into<PathBuf>,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Call<BackupReport> {
        self.back_up(dir.into(), Some(Progress::new(progress)))
    }

    fn back_up(&self, dir: PathBuf, progress: Option<Progress>) -> Call<BackupReport> {
        let make = move |pipeline: &Pipeline| pipeline.engine().backup(&dir, progress);
        self.read_long(make)
    }

    /// Copies all orders and payments with their histories into another store, on any engine, for
    /// example from a directory to a cluster. The store stays open. The copy has the state at the
    /// start of the call.
    ///
    /// The copy keeps the existing data of the target. After an interruption, the same call
    /// continues the copy. A later call adds the events since the last copy. To move a store, first
    /// copy while the store serves. Then stop serving, copy the rest, and serve from the target. At
    /// the end, the call compares each record with its source and verifies the whole target: see
    /// [`CopyReport::verified`].
    ///
    /// - **Feed.** The target has its own feed. Events of different records may be in another
    ///   sequence there. A consumer that has processed this store's feed up to
    ///   [`CopyReport::before`] continues at [`CopyReport::place`]. Any other consumer starts again
    ///   at the beginning of the target's feed.
    /// - **Order numbers.** The target issues its own numbers. Give it [node
    ///   digits](crate::Builder::node) that no store of these orders has ever had.
    ///
    /// Other long calls of this store ([`Store::verify`], [`Store::backup`]) wait for the copy.
    ///
    /// The reply can also be one of these errors:
    ///
    /// - [`Error::Differs`] if the target has different contents for an order number.
    /// - [`Error::Invalid`] if the target is this store.
    /// - [`Error::ShutDown`] if the target was shut down, before or during the copy.
    /// - [`Error::Unreadable`] if one of the stores is corrupt.
    /// - [`Error::NotApplied`] or [`Error::OutcomeUnknown`] if the target cannot be written.
    ///
    /// ```
    /// # use orderstore::Store;
    /// # let (store, other) = (Store::memory()?, Store::memory()?);
    /// let copied = store.copy_to(&other).wait()?;
    /// assert!(copied.verified.is_ok());
    /// # Ok::<(), orderstore::Error>(())
    /// ```
    pub fn copy_to(&self, target: &Self) -> Call<CopyReport> {
        self.copy(target, None)
    }

    /// Copies like [`Store::copy_to`], and calls `progress` with the number of finished steps and
    /// their total number. Each event counts as two steps.
    pub fn copy_to_with_progress(
        &self,
        target: &Self,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Call<CopyReport> {
        self.copy(target, Some(Progress::new(progress)))
    }

    fn copy(&self, target: &Self, progress: Option<Progress>) -> Call<CopyReport> {
        // Keep only the target's pipeline and not the target store, because a pending call must not
        // keep a store open.
        let into = Arc::clone(&target.handle.pipeline);
        let make = move |pipeline: &Pipeline| {
            into.check_open()?;
            // The target's readers of the feed do not wait for the end of the copy.
            let target = Arc::clone(&into);
            let wake_and_report = Progress::new(move |done, total| {
                target.wake_readers();
                if let Some(progress) = &progress {
                    progress.report(done, total);
                }
            });
            let copied = copy(pipeline.engine(), into.engine(), &wake_and_report);
            into.wake_readers();
            // A shutdown of the target during the copy causes engine errors. Report the shutdown
            // instead of these errors, but still report corruption.
            copied.or_else(|error| match &error {
                Error::NotApplied(cause) | Error::Unreadable(cause) if !cause.is_corrupt() => {
                    into.check_open().and(Err(error))
                }
                _ => Err(error),
            })
        };
        self.read_long(make)
    }

    /// Creates a store in `dir` that continues with the orders of a backup. The directory must be
    /// missing or empty, or hold an interrupted restore. The backup is only read.
    ///
    /// The restored store lacks the changes after the backup, and the channel does not repeat a
    /// notification that the old store acknowledged. Do this before the restored store serves:
    ///
    /// 1. Read [`RestoreReport::last_event_at`]. The steps below cover the time since then.
    /// 2. Query every order in `Pending` and `Closing` at the channel.
    ///    [`OrderQuery::by_status`](crate::OrderQuery::by_status) lists them. Pass the answers to
    ///    [`Store::record_query`]. Query every refund that has not ended, and pass the answers to
    ///    [`Store::record_refund`].
    /// 3. Reconcile every day since then, that day included, with the channel's bills. The bills
    ///    contain refunds, and payments of orders that the store does not know. Confirm such
    ///    payments under their order numbers. They then wait as unclaimed payments for a person, or
    ///    for an [import](Store::import) of the order from another system.
    /// 4. Check the consumers of the feed. The restored store takes their cursors up to
    ///    [`RestoreReport::before`]. It answers a later one with [`Error::InvalidCursor`]: the consumer
    ///    has processed events that this store lacks.
    ///
    /// Order numbers continue far beyond any number that the old store can have issued. Never serve
    /// from the old store again: neither store would know the orders of the other.
    ///
    /// # Errors
    /// - For the backup: [`OpenError::NotABackup`], [`OpenError::Unfinished`],
    ///   [`OpenError::Missing`], [`OpenError::Empty`], [`OpenError::Foreign`],
    ///   [`OpenError::NewerFormat`], and [`OpenError::Unopened`] if it is corrupt.
    /// - For `dir`: those of [`Store::init`], and [`OpenError::Unclosed`] if the new store is complete
    ///   but its files could not be closed.
    ///
    /// ```
    /// # use orderstore::Store;
    /// # let place = tempfile::tempdir()?;
    /// # let (backup, orders) = (place.path().join("backup"), place.path().join("orders"));
    /// # let store = Store::init(place.path().join("old"))?;
    /// # store.backup(&backup).wait()?;
    /// let restored = Store::restore(backup, &orders)?;
    /// println!("query the channel from {:?} on", restored.last_event_at);
    /// let store = Store::open(orders)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RestoreReport, OpenError> {
        Self::builder().restore(backup, dir)
    }

    /// Makes one directory of a mirrored store a store of its own. Call it when the other directory
    /// is lost for good and [`Store::open`] fails with [`OpenError::MirrorMissing`]. The store must be
    /// closed.
    ///
    /// The lost directory may have held newer commands: if this one failed first, the store went on
    /// without it. Query the channel for everything after [`RestoreReport::last_event_at`]. If both
    /// directories worked until the loss, nothing is missing. The feed gets another incarnation, and
    /// order numbers continue far ahead, as after a [restore](Store::restore).
    ///
    /// Then open the store, with an empty directory as its new mirror. After an interruption, repeat
    /// the same call.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`OpenError::NotMirrored`] if the directory can be opened as it is.
    pub fn accept_one_side(dir: impl AsRef<Path>) -> Result<RestoreReport, OpenError> {
        Self::builder().accept_one_side(dir)
    }

    /// Ends the mirroring of a closed store whose directories both work. `dir` is then a store
    /// without a mirror. Remove the directory `mirror`: it is stale.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`OpenError::MirrorMissing`] if one of the directories is missing or
    /// not complete.
    pub fn detach_mirror(dir: impl AsRef<Path>, mirror: impl AsRef<Path>) -> Result<(), OpenError> {
        Self::builder().detach_mirror(dir, mirror)
    }

    /// Builds a sound store in `dir` from the readable data of a damaged one. Returns a report of
    /// what was kept and what is lost.
    ///
    /// The damaged store must be closed. The repair only reads it. `dir` must be missing or empty,
    /// or hold an interrupted repair. If there is a backup that is recent enough, restore it
    /// instead.
    ///
    /// The repair rebuilds lists, unique keys and counts from the records. It rebuilds an
    /// unreadable record from its history. It replaces an unreadable history with one event that
    /// contains the record. It never guesses a payment, a refund or an amount. The report names the
    /// lost data, which only the channel still has.
    ///
    /// Query the channel about each order that [`RepairReport::findings`] names as lost or older.
    /// Reconcile each day on which events or journal frames are lost. The steps are those after a
    /// [restore](Store::restore). The feed has another incarnation, and order numbers continue far
    /// ahead. If two records own the same key, [`RepairReport::verified`] names both, and a person
    /// must decide.
    ///
    /// # Errors
    /// - For the damaged store: those of [`Store::open`]. [`OpenError::Unopened`] if its identity
    ///   file or its B-tree file is unusable: only a backup helps then.
    /// - For `dir`: those of [`Store::init`], and [`OpenError::Unclosed`] if the new store is complete
    ///   but its files could not be closed.
    ///
    /// ```
    /// # use orderstore::Store;
    /// # let place = tempfile::tempdir()?;
    /// # let (damaged, orders) = (place.path().join("damaged"), place.path().join("orders"));
    /// # Store::init(&damaged)?.shutdown().wait()?;
    /// let repaired = Store::repair(damaged, &orders)?;
    /// for (no, found) in &repaired.findings {
    ///     println!("{no}: {found:?}");
    /// }
    /// let store = Store::open_verified(orders)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repair(
        damaged: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RepairReport, OpenError> {
        Self::builder().repair(damaged, dir)
    }
}
