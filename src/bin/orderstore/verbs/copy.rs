//! `copy`: everything into another store, on whatever engine.

use std::ffi::OsString;

use clap::Args;
use orderstore::Store;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::Location;
use crate::output::{Cell, Column, shown};
use crate::progress;

/// Copy everything into another store: from a directory to a cluster, or back
///
/// What the other store has of it already stays, so that a copy that was interrupted goes on, and
/// a later one brings what happened since. Everything is read back and compared.
#[derive(Args)]
pub(crate) struct Copy {
    /// The other store: a directory or postgres://…; one is made where there is none
    #[arg(value_name = "PLACE")]
    to: OsString,
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("store"),
    shown("events"),
    shown("records"),
    shown("before"),
    shown("place"),
];

const NEXT: &str = "\
A consumer of the feed that has worked off the old one up to `before` goes on in the other store
at `place`; any other begins anew there. It draws order numbers of its own: give the server that
opens it node digits that no store of these orders has had. Never serve from both.";

impl Copy {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let place = Location::from(self.to.as_os_str());
        context.with_store(|store| {
            let target = place.open_or_init(Store::builder())?;
            progress::begin("copying");
            let copied = store.copy_to_telling(&target, progress::tell).wait();
            progress::end();
            let ended = target.shutdown().wait();
            let copied = copied?;
            ended?;
            if let Some(found) = copied.verified.violations.first() {
                return Err(Failure::damaged(format_args!("in {place}: {found}")));
            }
            let cells = vec![
                Cell::Word("copied"),
                Cell::text(&place),
                copied.events.into(),
                copied.records.into(),
                Cell::text(copied.before),
                Cell::text(copied.place),
            ];
            context.out().one(COLUMNS, cells)?;
            progress::say(NEXT);
            Ok(Exit::Done)
        })
    }
}
