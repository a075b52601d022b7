//! `verify`: every invariant of every record.

use clap::Args;
use orderstore::{Store, VerifyReport, Violation};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, Rows, shown};
use crate::progress;

/// Look at everything in the store, and list what breaks an invariant
///
/// It takes as long as the store is large. It says that a sound store is sound; what is broken
/// ends with exit code 4.
#[derive(Args)]
pub(crate) struct Verify {
    /// Then read every page and every value of the files, too, as they stand on the disk
    #[arg(long)]
    pages: bool,
}

const COLUMNS: &[Column] = &[shown("invariant"), shown("outTradeNo"), shown("what")];

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let pages = self.pages.then(|| context.dir()).transpose()?;
        let report = context.with_store(|store| {
            progress::begin("verifying");
            let report = store.verify().wait()?;
            progress::end();
            if report.is_ok() {
                return Ok(report);
            }
            context.out().many(&rows(&report))?;
            let broken = report.broken;
            Err(Failure::damaged(format_args!(
                "what must hold of every record is broken in {broken} places"
            )))
        })?;
        if let Some(dir) = pages {
            progress::begin("reading every page");
            Store::open_verified(dir)?.shutdown().wait()?;
            progress::end();
        }
        // The store counts as sound only now, when its pages are read, too.
        context.out().many(&rows(&report))?;
        Ok(Exit::Done)
    }
}

/// What is broken, as far as the report spells it out.
fn rows(report: &VerifyReport) -> Rows {
    let rows = report.violations.iter().map(cells).collect();
    Rows::new(COLUMNS, rows)
        .or_else_says("sound: every record, event and list entry is as it must be")
        .about("sound", Cell::Flag(report.is_ok()))
        .about("records", report.records.into())
        .about("events", report.events.into())
        .about("entries", report.entries.into())
        .about("broken", report.broken.into())
}

fn cells(violation: &Violation) -> Vec<Cell> {
    vec![
        Cell::text(violation.invariant),
        Cell::maybe(violation.no),
        Cell::text(&violation.what),
    ]
}
