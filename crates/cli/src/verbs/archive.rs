//! `archive`: inspects, verifies and prunes the archive of a store.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use orderstore::{
    Archive as StoreArchive, ArchiveStatus, Error, Health, OpenError, RestorePoint, Retention,
    Store,
};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, Rows, data, shown};
use crate::patience::{POLL, Patience};
use crate::progress;

/// Inspect, verify or prune the archive that --archive names. A server may use it meanwhile
#[derive(Args)]
pub(crate) struct Archive {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Ship everything that --store holds, and wait until the archive has a snapshot
    ///
    /// A server does this by itself while it serves.
    Ship,
    /// Show the newest frame, the number of gaps and the number of snapshots
    Status,
    /// List the snapshots, oldest first
    Snapshots,
    /// Restore the newest state into a scratch directory, verify it, and remove the directory
    ///
    /// Run it every week. Only a restore shows that an archive can be restored.
    Verify {
        /// Directory for the restored store: missing or empty. Default: a new one in the directory
        /// for temporary files
        #[arg(long, value_name = "DIR", value_parser = location::path())]
        scratch: Option<PathBuf>,
    },
    /// Keep some snapshots, and delete the other ones and the frames before the oldest one
    ///
    /// A server does this after each snapshot. The newest snapshot always stays.
    Prune {
        /// Keep the newest snapshot of this many days
        #[arg(long, value_name = "N", default_value_t = 7)]
        daily: u32,
        /// Keep the newest snapshot of this many weeks
        #[arg(long, value_name = "N", default_value_t = 4)]
        weekly: u32,
    },
}

/// Time in which a failed attempt is repeated.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

const SNAPSHOTS: &[Column] = &[
    shown("madeAt"),
    shown("lastEventAt"),
    shown("lsn"),
    shown("seq"),
    shown("bytes"),
    data("epoch"),
];

impl Archive {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let missing = "no archive is named: use --archive URL, or set ORDERSTORE_ARCHIVE in the \
                       environment";
        let archive = context.archive()?;
        let archive = archive.ok_or_else(|| Failure::usage(missing))?;
        match self.step {
            Step::Ship => {
                progress::begin("writing to the archive");
                context.with_own_store(wait_until_complete)?;
                progress::end();
                let columns = [shown("outcome"), shown("store")];
                let store = Cell::text(context.location()?);
                context
                    .out()
                    .one(&columns, vec![Cell::Word("complete"), store])?;
                Ok(Exit::Done)
            }
            Step::Status => status(context, &archive),
            Step::Snapshots => snapshots(context, &archive),
            Step::Verify { scratch } => verify(context, &archive, scratch),
            Step::Prune { daily, weekly } => {
                let pruned = archive.prune(Retention { daily, weekly })?;
                let columns = [shown("outcome"), shown("snapshots"), shown("bytes")];
                let (snapshots, bytes) = (pruned.snapshots.into(), pruned.bytes.into());
                let cells = vec![Cell::Word("pruned"), snapshots, bytes];
                context.out().one(&columns, cells)?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Waits until the archive holds every change. Fails if the archive fails for a while.
fn wait_until_complete(store: &Store) -> Result<(), Failure> {
    let mut patience = Patience::new(GIVE_UP_AFTER);
    loop {
        let (archive, health) = (store.stats().archive, store.health());
        let is_failing = matches!(health, Health::ArchiveBehind { cause: Some(_) });
        let is_over = patience.is_over(is_failing);
        match health {
            Health::Poisoned(cause) => return Err(Error::Poisoned(cause).into()),
            Health::ArchiveBehind { cause: Some(cause) } if is_over => {
                return Err(OpenError::Archive(cause).into());
            }
            Health::ArchiveBehind { cause: Some(_) } => {}
            _ if archive.status == ArchiveStatus::Off => {
                let why = "the store was opened without an archive: name one with --archive";
                return Err(Failure::usage(why));
            }
            _ if archive.status == ArchiveStatus::Complete && archive.lag.is_zero() => {
                return Ok(());
            }
            _ => {}
        }
        thread::sleep(POLL);
    }
}

fn status(context: &Context, archive: &StoreArchive) -> Result<Exit, Failure> {
    let report = archive.report()?;
    let columns = [
        shown("epoch"),
        shown("lsn"),
        shown("shippedAt"),
        shown("gaps"),
        shown("snapshots"),
        shown("unreadableSnapshots"),
    ];
    let cells = vec![
        report.epoch.into(),
        report.lsn.into(),
        Cell::time(report.shipped_at),
        report.gaps.into(),
        (report.snapshots.len() as u64).into(),
        report.unreadable_snapshots.into(),
    ];
    context.out().one(&columns, cells)?;
    Ok(Exit::of(report.unreadable_snapshots == 0))
}

fn snapshots(context: &Context, archive: &StoreArchive) -> Result<Exit, Failure> {
    let report = archive.report()?;
    let rows = report.snapshots.iter().map(|snapshot| {
        vec![
            Cell::time(Some(snapshot.made_at)),
            Cell::time(snapshot.last_event_at),
            snapshot.lsn.into(),
            snapshot.seq.into(),
            snapshot.bytes.into(),
            snapshot.epoch.into(),
        ]
    });
    let rows = Rows::new(SNAPSHOTS, rows.collect());
    let rows = rows.or_else_says("The archive has no snapshot yet.");
    context.out().many(&rows)?;
    Ok(Exit::Done)
}

/// Restores the archive into a directory that is removed at the end.
fn verify(
    context: &Context,
    archive: &StoreArchive,
    scratch: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let is_own = scratch.is_none();
    let scratch = scratch.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let name = format!("orderstore-archive-{}-{now}", std::process::id());
        std::env::temp_dir().join(name)
    });
    let began = Instant::now();
    progress::begin("restoring");
    let builder = location::builder().recovery_progress(progress::set_position);
    let restored = builder.restore_from(archive, &scratch, RestorePoint::Newest);
    if restored.is_err() && is_own {
        // Ignore a failure: the restore may have failed before it created the directory.
        let _ = std::fs::remove_dir_all(&scratch);
    }
    let restored = restored?;
    progress::end();
    let removed = std::fs::remove_dir_all(&scratch);
    removed.map_err(|error| Failure::file(&scratch, &error))?;
    let columns = [
        shown("outcome"),
        shown("records"),
        shown("lastEventAt"),
        shown("lsn"),
        shown("framesReplayed"),
        shown("bytes"),
        shown("corruptSnapshots"),
        shown("millis"),
    ];
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cells = vec![
        Cell::Word("verified"),
        restored.restored.records.into(),
        Cell::time(restored.restored.last_event_at),
        restored.lsn.into(),
        restored.frames.into(),
        restored.bytes.into(),
        restored.corrupt_snapshots.into(),
        millis.into(),
    ];
    context.out().one(&columns, cells)?;
    Ok(Exit::of(restored.corrupt_snapshots == 0))
}
