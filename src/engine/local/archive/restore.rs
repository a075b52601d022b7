//! Restores a store from an archive.

use std::path::Path;
use std::time::Instant;

use super::replay::{Plan, Replayed, plans};
use crate::archive::{Archive, ArchiveFault};
use crate::engine::local::LocalEngine;
use crate::engine::local::admin::contents::Creation;
use crate::engine::local::admin::layout::Dir;
use crate::engine::local::admin::restore::continue_store;
use crate::engine::local::btree::BTree;
use crate::engine::local::options::LocalOptions;
use crate::engine::{ArchiveRestoreReport, RestorePoint};
use crate::error::{OpenError, StorageError, StorageErrorKind, with_causes};
use crate::log::event;
use crate::number::u64_of;

/// Reason why a B-tree could not be built.
pub(super) enum Failure {
    /// The directory failed.
    Dir(StorageError),
    Snapshot(StorageError),
    Frames(StorageError),
}

/// B-tree file that is built.
pub(super) struct Target<'a> {
    pub(super) dir: &'a Dir,
    pub(super) path: &'a Path,
    /// Whether the frames after the snapshot are replayed.
    pub(super) with_frames: bool,
    /// Fails if the work must end.
    pub(super) may_go_on: &'a dyn Fn() -> Result<(), StorageError>,
}

/// Builds a B-tree as of the moment of a plan, or as of its snapshot.
pub(super) fn build(
    plan: &Plan,
    to: &Target<'_>,
    options: &LocalOptions,
) -> Result<Replayed, Failure> {
    let disk = &**to.dir.disk();
    let room = to.dir.check_room(plan.manifest.bytes);
    room.map_err(Failure::Dir)?;
    let base = BTree::create(disk, to.path, options.page_bytes(), Vec::new());
    let base = base.map_err(Failure::Dir)?;
    let mut on_chunk = |done, all| {
        if let Some(progress) = &options.progress {
            progress.report(done, all);
        }
        (to.may_go_on)()
    };
    let is_full = |cause: &StorageError| cause.kind() == StorageErrorKind::DiskFull;
    let failure = |of: fn(StorageError) -> Failure| {
        move |cause| match is_full(&cause) {
            true => Failure::Dir(cause),
            false => of(cause),
        }
    };
    let written = plan
        .manifest
        .write_rows(&plan.objects, &base, &mut on_chunk);
    written.map_err(failure(Failure::Snapshot))?;
    let replayed = match to.with_frames {
        true => plan.replay(&base, options.memtable_bytes),
        false => plan.skip_frames(&base),
    };
    let replayed = replayed.map_err(failure(Failure::Frames))?;
    base.close().map_err(Failure::Dir)?;
    Ok(replayed)
}

impl LocalEngine {
    /// Creates a store from an archive, in a directory that is missing or empty, or that an
    /// interrupted restore left behind. The archive is only read.
    ///
    /// # Errors
    /// [`OpenError::Archive`] if the archive cannot be read, or if it has no snapshot at or before
    /// the moment; for the directory, the errors of creating a store.
    pub fn restore_from(
        archive: &Archive,
        dir: impl AsRef<Path>,
        until: RestorePoint,
        options: &LocalOptions,
    ) -> Result<ArchiveRestoreReport, OpenError> {
        let began = Instant::now();
        let (plans, unreadable) = plans(archive, until).map_err(OpenError::of_archive)?;
        let to = Dir::of(options, dir.as_ref())?;
        let (to, lock) = to.claim(Creation::Successor, options.lock_wait)?;
        let path = to.btree_path();
        let target = Target {
            dir: &to,
            path: &path,
            with_frames: true,
            may_go_on: &|| Ok(()),
        };
        let mut corrupt_snapshots = u64_of(unreadable);
        let mut plans = plans.into_iter().peekable();
        let (plan, replayed) = loop {
            let Some(plan) = plans.next() else {
                let why = "the archive has no snapshot that can be read";
                return Err(OpenError::of_archive(StorageError::corrupted(why)));
            };
            to.clear(Creation::Successor)?;
            match build(&plan, &target, options) {
                Err(Failure::Snapshot(cause)) if cause.is_corrupt() && plans.peek().is_some() => {
                    event!(error, "found corrupt snapshot", cause = with_causes(&cause));
                    corrupt_snapshots += 1;
                }
                Err(Failure::Dir(cause)) => return Err(to.open_error(cause)),
                Err(Failure::Snapshot(cause) | Failure::Frames(cause)) => {
                    return Err(OpenError::of_archive(cause));
                }
                Ok(replayed) => break (plan, replayed),
            }
        };
        let mut header = replayed.header;
        if archive.has_fault(ArchiveFault::ForgetHashKey) {
            header.hash_key = [0; 16];
        }
        let base = BTree::open(&**to.disk(), &to.btree_path(), options.page_bytes(), true);
        let base = base.map_err(|error| to.open_error(error))?;
        let restored = {
            let unsound = &OpenError::of_archive;
            continue_store(header, &to, options, (base, lock), (plan.counter, unsound))?
        };
        event!(
            info,
            "restored store from archive",
            to = to.given_path.display().to_string(),
            records = restored.records,
            millis = began.elapsed().as_millis(),
        );
        Ok(ArchiveRestoreReport {
            restored,
            lsn: replayed.lsn,
            snapshot_lsn: plan.manifest.lsn,
            frames: replayed.frames,
            bytes: plan.manifest.bytes + replayed.bytes,
            shipped_at: replayed.shipped_at,
            has_later: plan.has_later,
            corrupt_snapshots,
        })
    }
}
