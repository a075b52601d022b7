//! `mirror`: works on the two directories of a mirrored store while no server has them open.

use clap::{Args, Subcommand};
use orderstore::OpenError;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, Column, data, shown};
use crate::progress;

/// Accept one directory of a mirrored store after the loss of the other, or end the mirroring
#[derive(Args)]
pub(crate) struct Mirror {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Accept the directory --store alone, although the lost one may have held newer changes
    ///
    /// Use it only if the other directory is lost for good. Order numbers continue far ahead, and
    /// the feed has another incarnation, as after a restore.
    Accept,
    /// End the mirroring: --store is then a store without a mirror, and --mirror is stale
    Detach,
}

const COLUMNS: &[Column] = &[
    shown("outcome"),
    shown("store"),
    shown("records"),
    shown("lastEventAt"),
    data("before"),
    data("place"),
];

/// Next steps of the operator after the acceptance of one directory.
const NEXT: &str = "\
If both directories worked until the loss, nothing is missing. If this one failed first, the store
went on without it. Before it serves requests, ask the channel for everything since lastEventAt:
  1. query every open order: orderstore list --status wait, then --status closing
  2. query every refund that has not ended: orderstore due --at 9999-01-01
  3. compare the bill of every day since then, including that day: orderstore reconcile
  4. convert the cursor of every feed consumer, because the feed has another incarnation
     (RestoreReport::translate)
Then serve with an empty directory as the new mirror.";

impl Mirror {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let dir = context.dir()?;
        match self.step {
            Step::Accept => {
                let accepted = location::builder().accept_one_side(&dir)?;
                let cells = vec![
                    Cell::Word("accepted"),
                    Cell::text(dir.display()),
                    accepted.records.into(),
                    Cell::time(accepted.last_event_at),
                    Cell::text(accepted.before),
                    Cell::text(accepted.place),
                ];
                context.out().one(COLUMNS, cells)?;
                progress::print_line(NEXT);
            }
            Step::Detach => {
                let Some(mirror) = context.mirror() else {
                    let missing = None;
                    return Err(OpenError::MirrorMissing { dir, missing }.into());
                };
                location::builder().detach_mirror(&dir, mirror)?;
                let cells = vec![Cell::Word("detached"), Cell::text(dir.display())];
                let columns = [shown("outcome"), shown("store")];
                context.out().one(&columns, cells)?;
            }
        }
        Ok(Exit::Done)
    }
}
