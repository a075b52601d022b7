//! `backup`: makes a backup of the store.

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, data, shown};
use crate::progress;

/// Back up the store into a missing or empty directory
///
/// The command reads the backup back and checks every page and every invariant before it reports
/// success. If a server has the store open, the server makes the backup.
#[derive(Args)]
pub(crate) struct Backup {
    /// Directory of the backup, best on another disk. Its parent must exist
    #[arg(value_name = "DIR", value_parser = location::path())]
    to: PathBuf,
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("backup"),
    shown("records"),
    shown("bytes"),
    shown("lastEventAt"),
    data("place"),
];

impl Backup {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            progress::begin("backing up");
            let made = store
                .backup_with_progress(&self.to, progress::set_position)
                .wait()?;
            progress::end();
            let cells = vec![
                Cell::Word("made"),
                Cell::text(self.to.display()),
                made.records.into(),
                made.bytes.into(),
                Cell::time(made.last_event_at),
                Cell::text(made.place),
            ];
            context.out().one(COLUMNS, cells)?;
            Ok(Exit::Done)
        })
    }
}
