//! `copy`: copies everything into another store, in a directory or on a cluster.

use std::ffi::OsString;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location::{self, Location};
use crate::output::{Cell, Column, shown};
use crate::progress;

/// Copy everything into another store: from a directory to a cluster, or back
///
/// The target keeps what earlier copies have written. An interrupted copy continues when you run
/// it again, and a later copy adds the new events. The command reads everything back and compares
/// it.
#[derive(Args)]
pub(crate) struct Copy {
    /// Target store: a directory or a postgres://… URL. The command creates a missing store
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

/// Next steps of the operator after a copy.
const NEXT: &str = "\
A feed consumer that has processed the old feed up to `before` continues in the new store at
`place`. Any other consumer starts there from the beginning. The new store draws its own order
numbers: open it with node digits that no store of these orders has used. Never serve from both
stores.";

impl Copy {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let place = Location::from(self.to.as_os_str());
        context.with_store(|store| {
            let target = place.open_or_init(location::builder())?;
            progress::begin("copying");
            let copied = store
                .copy_to_with_progress(&target, progress::set_position)
                .wait();
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
            progress::print_line(NEXT);
            Ok(Exit::Done)
        })
    }
}
