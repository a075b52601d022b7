//! `restore`: a store of a backup, and what must follow.

use std::path::PathBuf;

use clap::Args;
use orderstore::Store;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, data, shown};
use crate::progress;

/// Make a store of a backup, in a directory that is missing or empty
///
/// The backup is only read. --store plays no part.
#[derive(Args)]
pub(crate) struct Restore {
    /// The backup's directory
    #[arg(value_parser = location::path())]
    backup: PathBuf,
    /// The new store's directory; its parent must be there
    #[arg(long, value_name = "DIR", value_parser = location::path())]
    into: PathBuf,
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("store"),
    shown("records"),
    shown("lastEventAt"),
    data("before"),
    data("place"),
];

const NEXT: &str = "\
Before it serves anybody, ask the channel for everything since lastEventAt:
  1. query every order of: orderstore list --status wait, and --status closing
  2. query every refund that has not ended: orderstore due --at 9999-01-01
  3. compare the bill of every day since, that day included: orderstore reconcile
  4. consumers of the feed begin anew: it is another incarnation (Restored::translate)
Never serve from the old store again.";

impl Restore {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        progress::begin("restoring");
        let builder = Store::builder().recovery_progress(progress::tell);
        let restored = builder.restore(&self.backup, &self.into)?;
        progress::end();
        let cells = vec![
            Cell::Word("made"),
            Cell::text(self.into.display()),
            restored.records.into(),
            Cell::time(restored.last_event_at),
            Cell::text(restored.before),
            Cell::text(restored.place),
        ];
        context.out().one(COLUMNS, cells)?;
        progress::say(NEXT);
        Ok(Exit::Done)
    }
}
