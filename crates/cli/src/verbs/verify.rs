//! `verify`: checks every invariant of every record.

use clap::Args;
use orderstore::{VerifyReport, Violation};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::Location;
use crate::output::{Cell, Column, Rows, shown};
use crate::progress;

/// Check all records, events and lists of the store, and list the broken invariants
///
/// The command takes longer for a larger store. If no invariant is broken, the output says so. The
/// exit code is 4 if an invariant is broken.
#[derive(Args)]
pub(crate) struct Verify {
    /// Also read every page and every value of the files on disk
    #[arg(long)]
    pages: bool,
}

const COLUMNS: &[Column] = &[shown("invariant"), shown("outTradeNo"), shown("what")];

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let pages = self.pages.then(|| context.dir()).transpose()?;
        // Only this process may read the files.
        let open = match self.pages {
            true => Location::open_here,
            false => Location::open,
        };
        let report = context.with_opened(context.builder()?, open, |store| {
            progress::begin("verifying");
            let report = store.verify().wait()?;
            progress::end();
            if report.is_ok() {
                return Ok(report);
            }
            context.out().many(&rows(&report))?;
            let broken = report.violation_count;
            Err(Failure::damaged(format_args!(
                "the store breaks its invariants in {broken} places"
            )))
        })?;
        if let Some(dir) = pages {
            progress::begin("reading every page");
            context.builder()?.open_verified(dir)?.shutdown().wait()?;
            progress::end();
        }
        // Print the report of a sound store only now: with `--pages`, the page check above may
        // still fail.
        context.out().many(&rows(&report))?;
        Ok(Exit::Done)
    }
}

/// Returns one row per violation, with the counts of checked records, events and entries.
fn rows(report: &VerifyReport) -> Rows {
    let rows = report.violations.iter().map(cells).collect();
    Rows::new(COLUMNS, rows)
        .or_else_says("sound: every record, event and list entry satisfies the invariants")
        .about("sound", Cell::Flag(report.is_ok()))
        .about("records", report.records.into())
        .about("events", report.events.into())
        .about("entries", report.entries.into())
        .about("broken", report.violation_count.into())
}

fn cells(violation: &Violation) -> Vec<Cell> {
    vec![
        Cell::text(violation.invariant),
        Cell::maybe(violation.no),
        Cell::text(&violation.what),
    ]
}
