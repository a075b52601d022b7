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
enum Failure {
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

/// B-tree that was built.
pub(super) struct Built {
    pub(super) plan: Plan,
    pub(super) replayed: Replayed,
    /// Number of plans before this one whose snapshot is corrupt.
    pub(super) corrupt_snapshots: u64,
}

/// Builds a B-tree from the first plan whose snapshot can be read.
pub(super) fn build(
    plans: Vec<Plan>,
    to: &Target<'_>,
    options: &LocalOptions,
) -> Result<Built, OpenError> {
    let mut corrupt = Vec::new();
    for plan in plans {
        match build_from(&plan, to, options) {
            Ok(replayed) => {
                return Ok(Built {
                    plan,
                    replayed,
                    corrupt_snapshots: u64_of(corrupt.len()),
                });
            }
            Err(Failure::Snapshot(cause)) if cause.is_corrupt() => {
                event!(error, "found corrupt snapshot", cause = with_causes(&cause));
                corrupt.push(cause);
            }
            Err(Failure::Dir(cause)) => return Err(to.dir.open_error(cause)),
            Err(Failure::Snapshot(cause) | Failure::Frames(cause)) => {
                return Err(OpenError::of_archive(cause));
            }
        }
    }
    let none = || StorageError::corrupted("the archive has no snapshot that can be read");
    Err(OpenError::of_archive(corrupt.pop().unwrap_or_else(none)))
}

/// Builds a B-tree as of the moment of a plan, or as of its snapshot.
fn build_from(plan: &Plan, to: &Target<'_>, options: &LocalOptions) -> Result<Replayed, Failure> {
    let disk = &**to.dir.disk();
    // An earlier plan may have left its rows.
    let cleared = to
        .dir
        .remove(to.path)
        .and_then(|()| to.dir.create_file(to.path));
    cleared.map_err(|error| Failure::Dir(error.into()))?;
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
        to.clear(Creation::Successor)?;
        let Built {
            plan,
            replayed,
            corrupt_snapshots,
        } = build(plans, &target, options)?;
        let mut header = replayed.header;
        if archive.has_fault(ArchiveFault::ForgetHashKey) {
            header.hash_key = [0; 16];
        }
        let base = BTree::open(&**to.disk(), &to.btree_path(), options.page_bytes(), true);
        let base = base.map_err(|error| to.open_error(error))?;
        let unsound = &OpenError::of_archive;
        let opened = (base, lock);
        let restored = continue_store(header, &to, options, opened, plan.counter, unsound)?;
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
            corrupt_snapshots: u64_of(unreadable) + corrupt_snapshots,
        })
    }
}
