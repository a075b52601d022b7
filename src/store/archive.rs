//! Archive of a local store: settings, restore, and reports.

use std::path::Path;

use super::builder::check;
use super::{Builder, Store};
use crate::archive::{Archive, Retention};
use crate::engine::{
    ArchiveReport, ArchiveRestoreReport, LocalEngine, OldStore, PromoteReport, PruneReport,
    RestorePoint, StandbyEngine, prune_archive, report_archive,
};
use crate::error::OpenError;

impl Builder {
    /// Ships the journal of the store to an archive, which survives the loss of the machine.
    /// Default: no archive.
    ///
    /// - A background thread ships the frames of the journal at each
    ///   [`Archive::interval`], and a snapshot at each [`Archive::snapshot_interval`]. No command
    ///   waits for the archive. If the archive fails, the store goes on, and
    ///   [`Store::health`] returns
    ///   [`Health::ArchiveBehind`](crate::Health::ArchiveBehind).
    /// - [`Store::restore_from`] creates a store from the archive. The commands that were not shipped
    ///   are lost.
    /// - One store writes to an archive. The call that opens the store claims it. If another store
    ///   has claimed it since, the call fails with [`OpenError::Fenced`], and an open store refuses
    ///   commands as soon as it notices.
    /// - From then on, the call that opens the store needs the archive: see
    ///   [`Builder::open_without_archive`].
    ///
    /// See [`manual::backup`](crate::manual::backup).
    pub fn archive(mut self, archive: Archive) -> Self {
        self.local.archive = Some(archive);
        self
    }

    /// Opens the store although its archive cannot be reached. Default: the call fails with
    /// [`OpenError::Archive`], or with [`OpenError::ArchiveMissing`] if it names no archive.
    ///
    /// With an archive, the store claims it later, in the background. Another store may have claimed it
    /// before: make sure that no other store serves the same orders.
    pub const fn open_without_archive(mut self) -> Self {
        self.local.without_archive = true;
        self
    }

    /// Opens a standby with these settings: see [`Store::follow`]. The archive is that of
    /// [`Builder::archive`].
    ///
    /// # Errors
    /// Those of [`Store::follow`]; [`OpenError::Invalid`] if a setting is invalid, or if there is no
    /// archive.
    pub fn follow(self, dir: impl AsRef<Path>) -> Result<Store, OpenError> {
        let archive = self.needed_archive()?;
        let engine = StandbyEngine::follow(dir, &archive, &self.local_options())?;
        self.engine(engine)
    }

    /// Promotes a standby with these settings: see [`Store::promote`]. The archive is that of
    /// [`Builder::archive`].
    ///
    /// # Errors
    /// Those of [`Store::promote`]; [`OpenError::Invalid`] if a setting is invalid, or if there is no
    /// archive.
    pub fn promote(self, dir: impl AsRef<Path>, old: OldStore) -> Result<PromoteReport, OpenError> {
        let archive = self.needed_archive()?;
        LocalEngine::promote(dir, old, &archive, &self.local_options())
    }

    /// Checks the settings of the archive.
    pub(super) fn check_archive(&self) -> Result<(), OpenError> {
        let Some(archive) = &self.local.archive else {
            return Ok(());
        };
        let is_paced = !archive.interval.is_zero() && !archive.snapshot_interval.is_zero();
        check(is_paced, "archive.interval", "it must be more than zero")?;
        let is_enough = archive.lag_max >= 4 * self.local_options().segment_bytes;
        check(is_enough, "archive.lag_max", "the minimum is 64 MiB")?;
        let shortest = archive.interval.saturating_mul(4);
        let is_long = archive.lease.is_none_or(|lease| lease >= shortest);
        let why = "the minimum is four times the interval";
        check(is_long, "archive.lease", why)
    }

    fn needed_archive(&self) -> Result<Archive, OpenError> {
        self.check()?;
        let why = "a standby has no mirror: open the promoted store with one";
        check(self.local.mirror.is_none(), "mirror", why)?;
        let missing = || OpenError::Invalid {
            what: "archive",
            why: "a standby follows an archive: name one".to_owned(),
        };
        self.local.archive.clone().ok_or_else(missing)
    }

    /// Restores a store from an archive with these settings: see [`Store::restore_from`]. The
    /// callback of [`Builder::recovery_progress`] gets the number of copied chunks of the snapshot,
    /// and their total number.
    ///
    /// # Errors
    /// Those of [`Store::restore_from`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn restore_from(
        self,
        archive: &Archive,
        dir: impl AsRef<Path>,
        until: RestorePoint,
    ) -> Result<ArchiveRestoreReport, OpenError> {
        self.check()?;
        LocalEngine::restore_from(archive, dir, until, &self.local_options())
    }
}

impl Store {
    /// Creates a store in `dir` from an archive, as of a moment. The directory must be missing or
    /// empty, or hold an interrupted restore. The archive is only read, so the old store may go on:
    /// call this every week to test that the archive can be restored.
    ///
    /// The restore reads the newest snapshot at or before the moment, and the frames after it. It
    /// then verifies every page and every invariant.
    ///
    /// Before the restored store serves, do what [`Store::restore`] says. The time to ask the channel
    /// about begins at `last_event_at` of [`ArchiveRestoreReport::restored`]: a few seconds before
    /// the loss, if the archive was complete. Then open the store with a new, empty archive. Never
    /// serve from the old store again.
    ///
    /// # Errors
    /// - [`OpenError::Archive`] if the archive cannot be read, if an object is missing or corrupt, or
    ///   if there is no snapshot at or before the moment.
    /// - For `dir`: those of [`Store::init`], and [`OpenError::Unclosed`] if the new store is complete
    ///   but its files could not be closed.
    pub fn restore_from(
        archive: &Archive,
        dir: impl AsRef<Path>,
        until: RestorePoint,
    ) -> Result<ArchiveRestoreReport, OpenError> {
        Self::builder().restore_from(archive, dir, until)
    }
}

impl Store {
    /// Opens a standby in `dir`: a store that only serves reads, and follows the archive of another
    /// store. The directory must hold a standby, or be missing or empty: then the call builds the standby
    /// from the newest snapshot.
    ///
    /// - All reads work, [`Store::feed`](Store::feed) and [`Store::verify`] included. A command gets
    ///   [`Error::ReadOnly`](crate::Error::ReadOnly).
    /// - A consumer of the feed that has seen more than the standby shows gets no event until the standby
    ///   has caught up.
    /// - [`Stats::standby`](crate::Stats::standby) has the lag, and [`Store::health`] returns
    ///   [`Health::Standby`](crate::Health::Standby).
    /// - The standby looks at the archive four times in each [`Archive::interval`].
    /// - If the archive cannot be reached, the standby shows what it has, and tries again.
    ///
    /// The standby needs only read access to the archive.
    ///
    /// # Errors
    /// - [`OpenError::Archive`] if the standby must be built, and the archive cannot be read or has no
    ///   snapshot.
    /// - For `dir`: those of [`Store::open`] and [`Store::init`].
    pub fn follow(archive: Archive, dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().archive(archive).follow(dir)
    }

    /// Makes the standby in `dir` the store that serves, after the loss of the old store. Shut the
    /// standby down before. Then [open](Builder::open) the directory with the same archive.
    ///
    /// **The old store must not serve any more.** It refuses commands as soon as it notices that the
    /// archive was claimed, and it never opens again with this archive. But a store without access to the
    /// archive does not notice: what it still accepts is lost. So either it has stopped for good, or it
    /// has a [lease](Archive::lease): see [`OldStore`].
    ///
    /// The new store has everything that the archive holds. Before it serves, do what
    /// [`Store::restore`] says, for the time from `continued.last_event_at` of the report until the old
    /// store stopped: a few seconds. Order numbers continue far ahead. The consumers of the feed go on
    /// by themselves.
    ///
    /// After an interruption, repeat the same call. It fails with [`OpenError::AlreadyThere`] if the
    /// directory has become a store before the interruption: open it.
    ///
    /// # Errors
    /// - [`OpenError::Archive`] if the archive cannot be read or written.
    /// - [`OpenError::Invalid`] if the old store may serve and has no lease.
    /// - [`OpenError::Fenced`] if another promotion has claimed the archive in the meantime.
    /// - For `dir`: those of [`Store::follow`].
    pub fn promote(
        archive: Archive,
        dir: impl AsRef<Path>,
        old: OldStore,
    ) -> Result<PromoteReport, OpenError> {
        Self::builder().archive(archive).promote(dir, old)
    }
}

impl Archive {
    /// Describes the archive: its snapshots, its last frame and its gaps. To check that everything
    /// in it is readable, restore it: see [`Store::restore_from`].
    ///
    /// # Errors
    /// [`OpenError::Archive`] if the archive is empty, or cannot be read.
    pub fn report(&self) -> Result<ArchiveReport, OpenError> {
        report_archive(self).map_err(OpenError::Archive)
    }

    /// Deletes the snapshots that `keep` does not name, and the frames that no kept snapshot needs.
    /// Always keeps the newest snapshot and everything after it. An open store does this by itself
    /// after each snapshot: see [`Archive::keep`].
    ///
    /// # Errors
    /// [`OpenError::Archive`] if the archive is empty, or cannot be read or written.
    pub fn prune(&self, keep: Retention) -> Result<PruneReport, OpenError> {
        prune_archive(self, keep).map_err(OpenError::Archive)
    }
}
