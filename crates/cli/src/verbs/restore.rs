//! `restore`: creates a store from a backup or an archive, and prints the operator's next steps.

use std::path::{Path, PathBuf};

use clap::Args;
use orderstore::{RestorePoint, RestoreReport, Timestamp};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, data, shown};
use crate::progress;
use crate::time_arg;

/// Create a store from a backup or from an archive, in a missing or empty directory
///
/// The command only reads the backup or the archive. It ignores --store.
#[derive(Args)]
pub(crate) struct Restore {
    /// Directory of the backup
    #[arg(value_parser = location::path(), required_unless_present = "from")]
    backup: Option<PathBuf>,
    /// Archive to restore instead of a backup: a directory, or the URL of an object store
    #[arg(long, value_name = "URL", conflicts_with = "backup")]
    from: Option<String>,
    /// Directory of the new store. Its parent must exist
    #[arg(long, value_name = "DIR", value_parser = location::path())]
    into: PathBuf,
    /// Restore an archive up to the last group of changes that ended by this time
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse, requires = "from")]
    until: Option<Timestamp>,
    /// Restore an archive up to the last group of events with at most this number in the feed
    #[arg(long, value_name = "N", requires = "from", conflicts_with = "until")]
    until_seq: Option<u64>,
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("store"),
    shown("records"),
    shown("lastEventAt"),
    data("before"),
    data("place"),
];

/// Next steps of the operator after a restore.
const NEXT: &str = "\
Before the new store serves requests, ask the channel for everything since lastEventAt:
  1. query every open order: orderstore list --status wait, then --status closing
  2. query every refund that has not ended: orderstore due --at 9999-01-01
  3. compare the bill of every day since then, including that day: orderstore reconcile
  4. check every feed consumer whose cursor the new store refuses: it saw events that are lost
Never serve from the old store again.";

impl Restore {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        progress::begin("restoring");
        let builder = location::builder().recovery_progress(progress::set_position);
        let mut is_complete = true;
        let restored = match (&self.from, &self.backup) {
            (Some(url), _) => {
                let until = match (self.until, self.until_seq) {
                    (Some(time), _) => RestorePoint::Time(time),
                    (None, Some(seq)) => RestorePoint::Seq(seq),
                    (None, None) => RestorePoint::Newest,
                };
                let archive = context.archive_at(url)?;
                let report = builder.restore_from(&archive, &self.into, until)?;
                is_complete = !report.has_later && report.corrupt_snapshots == 0;
                report.restored
            }
            (None, Some(backup)) => builder.restore(backup, &self.into)?,
            (None, None) => return Err(Failure::usage("name a backup, or an archive with --from")),
        };
        progress::end();
        print_continued(context, "made", &self.into, &restored)?;
        progress::print_line(NEXT);
        if !is_complete {
            progress::print_line(
                "The archive has corrupt snapshots, or later frames after a gap, which are not restored: \
                 see `orderstore archive status`.",
            );
        }
        Ok(Exit::of(is_complete))
    }
}

/// Prints a store that continues after a restore, or after the acceptance of one directory.
pub(super) fn print_continued(
    context: &Context,
    outcome: &'static str,
    dir: &Path,
    report: &RestoreReport,
) -> Result<(), Failure> {
    let cells = vec![
        Cell::Word(outcome),
        Cell::text(dir.display()),
        report.records.into(),
        Cell::time(report.last_event_at),
        Cell::text(report.before),
        Cell::text(report.place),
    ];
    context.out().one(COLUMNS, cells)
}
