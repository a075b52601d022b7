//! The verbs for whoever looks after a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use crate::commit::{Call, Pipeline};
use crate::engine::{BackupReport, CopyReport, Progress, RepairReport, RestoreReport, copy};
use crate::error::{Error, StorageErrorKind};

impl Store {
    /// Copies the store into `dir` while it goes on, on a thread of the store's own: a
    /// directory that is missing or empty, best on another disk, whose parent is there.
    ///
    /// The copy holds everything that was answered before the call, and of what comes later
    /// a beginning or nothing: it is the store as of one moment. It is read back from the
    /// disk, every page and every invariant, before it counts as a backup. When this fails
    /// there is none, and nothing takes what was begun for one; the same call may be made
    /// again.
    ///
    /// Callers who write meanwhile go first: it rests five times as long as it works, and
    /// takes six times as long as it would alone. Other long calls ([`Store::verify`],
    /// [`Store::totals`], [`Store::flush`]) wait for it. A backup is not opened, it is
    /// [restored](Store::restore). See [`manual::backup`](crate::manual::backup).
    ///
    /// Besides what a call can fail with, it answers [`Error::NotBackedUp`];
    /// [`Error::AlreadyThere`], [`Error::IsBackup`] or [`Error::Foreign`] where the directory
    /// holds something; [`Error::Locked`] where another backup is being made in it; and
    /// [`Error::Unsupported`] on an engine without files.
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

    /// As [`Store::backup`]; `progress` is told how many rows were copied, of how many. What
    /// follows, the reading back, takes about as long again.
    pub fn backup_telling(
        &self,
        dir: impl Into<PathBuf>,
        progress: Progress,
    ) -> Call<BackupReport> {
        self.back_up(dir.into(), Some(progress))
    }

    fn back_up(&self, dir: PathBuf, progress: Option<Progress>) -> Call<BackupReport> {
        let make = move |flow: &Pipeline| flow.engine().backup(&dir, progress);
        self.read_long(make)
    }

    /// Copies everything into another store, on whatever engine, while this one goes on: all
    /// orders and payments with their histories, as they stand when the call is made. So
    /// orders move from a directory to a cluster, and back.
    ///
    /// What the target has of it already stays: a copy that was interrupted goes on when it is
    /// made again, and a later one brings what happened since. To move, copy while the store
    /// serves, then stop serving, copy the rest, and serve from the target. Each record is
    /// read back and compared, then the target is verified as a whole: see
    /// [`CopyReport::verified`].
    ///
    /// The target has a feed of its own, and an order of its own among records. A consumer that
    /// has worked off this store's feed up to [`CopyReport::before`] goes on in the target's at
    /// [`CopyReport::place`]; any other begins anew there. The target draws order numbers of its
    /// own, too: give it [node digits](crate::Builder::node) that no store of these orders has
    /// had. Other long calls of this store ([`Store::verify`], [`Store::backup`]) wait for the
    /// copy.
    ///
    /// Besides what a call can fail with, it answers [`Error::Differs`] where the target has
    /// something else under a number, [`Error::Invalid`] where it is this store,
    /// [`Error::ShutDown`] where the target was shut down, be it midway,
    /// [`Error::Unreadable`] where either is damaged, and [`Error::NotApplied`] or
    /// [`Error::OutcomeUnknown`] where the target cannot be written.
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

    /// As [`Store::copy_to`]; `progress` is told how many steps were done, two for each
    /// event, and how many there are.
    pub fn copy_to_telling(&self, target: &Self, progress: Progress) -> Call<CopyReport> {
        self.copy(target, Some(progress))
    }

    fn copy(&self, target: &Self, progress: Option<Progress>) -> Call<CopyReport> {
        // The flow and not the store: a call keeps none open.
        let into = Arc::clone(&target.handle.flow);
        let make = move |flow: &Pipeline| {
            into.check_open()?;
            let copied = copy(flow.engine(), into.engine(), progress);
            // Where the target ended meanwhile, that is why.
            copied.or_else(|error| match &error {
                Error::NotApplied(cause) | Error::Unreadable(cause)
                    if cause.kind() != StorageErrorKind::Corrupted =>
                {
                    into.check_open().and(Err(error))
                }
                _ => Err(error),
            })
        };
        self.read_long(make)
    }

    /// Makes a store in `dir` that goes on with the orders of a backup. The directory is
    /// missing or empty, or the same was interrupted in it; the backup is only read.
    ///
    /// The restored store does not know what happened behind the backup, and the channel
    /// does not tell again what was acknowledged to it then. So, before it serves anybody:
    ///
    /// 1. Take [`RestoreReport::last_event_at`]: everything from then on is to be asked for.
    /// 2. Query every order in `Pending` and `Closing` at the channel
    ///    ([`OrderQuery::by_status`](crate::OrderQuery::by_status), then
    ///    [`Store::record_query`]), and every refund that has not ended
    ///    ([`Store::record_refund`]).
    /// 3. Reconcile every day since, that day included, with the channel's bills: they name
    ///    the payments of orders that the store has never heard of, and the refunds.
    ///    Confirmed under their numbers they wait as unclaimed payments for a person, or for
    ///    an [import](Store::import) of the order from other books.
    /// 4. Consumers of the feed hear [`Error::InvalidCursor`]: the restored store is another
    ///    incarnation. [`RestoreReport::translate`] tells where each goes on, or that it has acted
    ///    on events that this store does not know.
    ///
    /// Order numbers go on far beyond any that the old store can have handed out. The old
    /// store must not be served from any more: the two would not know of one another.
    ///
    /// # Errors
    /// Of the backup: [`Error::NotABackup`], [`Error::Unfinished`], [`Error::Missing`],
    /// [`Error::Empty`], [`Error::Foreign`], [`Error::NewerFormat`], and [`Error::Unopened`]
    /// where it is damaged. Of `dir`: those of [`Store::init`], and [`Error::IsBackup`].
    ///
    /// ```
    /// # use orderstore::Store;
    /// # let place = tempfile::tempdir()?;
    /// # let (backup, orders) = (place.path().join("backup"), place.path().join("orders"));
    /// # let store = Store::init(place.path().join("old"))?;
    /// # store.backup(&backup).wait()?;
    /// let restored = Store::restore(backup, &orders)?;
    /// println!("ask the channel for all since {:?}", restored.last_event_at);
    /// let store = Store::open(orders)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        Self::builder().restore(backup, dir)
    }

    /// Makes a sound store in `dir` out of a damaged one, and tells what it could keep. The
    /// damaged store is closed; it is only read, and stays as it is. `dir` is missing or
    /// empty, or the same was interrupted in it. Restore a backup instead where there is one
    /// that is young enough.
    ///
    /// Lists, unique keys and counts are made anew from the records. A record that cannot be
    /// read is made of its history, and a history that cannot be read is replaced by one
    /// event that takes the record over as it stands. No payment, refund or amount is made
    /// of anything else: what is lost is told, and only the channel knows it.
    ///
    /// Whatever [`RepairReport::findings`] names as lost or older, and every day of which events
    /// or groups are lost, is to be asked for at the channel, as behind a
    /// [restore](Store::restore). Here, too, the feed is another incarnation and order
    /// numbers go on far ahead. A key that two records own is left to a person:
    /// [`RepairReport::verified`] names both.
    ///
    /// # Errors
    /// Of the damaged store: those of [`Store::open`]; [`Error::Unopened`] where its
    /// identity is damaged, or its base is no base any more: then nothing but a backup
    /// helps. Of `dir`: those of [`Store::init`], and [`Error::IsBackup`].
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
    pub fn repair(damaged: impl AsRef<Path>, dir: impl AsRef<Path>) -> Result<RepairReport, Error> {
        Self::builder().repair(damaged, dir)
    }
}
