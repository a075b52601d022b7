//! `backup`: a copy of the store as of one moment.

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, data, shown};
use crate::progress;

/// Make a backup of a store that nobody uses, in a directory that is missing or empty
///
/// It is read back, every page and every invariant, before it counts. Of a store that a server
/// has open only that server can make one, and does while it serves (Store::backup).
#[derive(Args)]
pub(crate) struct Backup {
    /// The backup's directory, best on another disk; its parent must be there
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
            let made = store.backup_telling(&self.to, progress::tell).wait()?;
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
