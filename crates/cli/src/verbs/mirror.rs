//! `mirror`: works on the two directories of a mirrored store while no server has them open.

use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use orderstore::{Error, Health, MirrorStatus, OpenError, Store};

use super::restore::print_continued;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::location;
use crate::output::{Cell, shown};
use crate::patience::{POLL, Patience};
use crate::progress;

/// Fill the mirror of a store, accept one directory after the loss of the other, or end the mirroring
#[derive(Args)]
pub(crate) struct Mirror {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Fill the directory --mirror from --store, and wait until both hold everything
    ///
    /// A server does this by itself while it serves.
    Fill,
    /// Accept the directory --store alone. The lost one may have held newer changes
    ///
    /// Use it only if the other directory is lost for good. Order numbers continue far ahead, and
    /// the feed has another incarnation, as after a restore.
    Accept,
    /// End the mirroring: --store is then a store without a mirror, and --mirror is stale
    Detach,
}

/// Next steps of the operator after the acceptance of one directory.
const NEXT: &str = "\
If both directories worked until the loss, nothing is missing. If this one failed first, the store
went on without it. Before it serves requests, ask the channel for everything since lastEventAt:
  1. query every open order: orderstore list --status wait, then --status closing
  2. query every refund that has not ended: orderstore due --at 9999-01-01
  3. compare the bill of every day since then, including that day: orderstore reconcile
  4. check every feed consumer whose cursor the store refuses: it saw events that are lost
Then serve with an empty directory as the new mirror.";

/// Time in which a failed attempt to fill the mirror is repeated.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);

/// Returns the directory of the mirror. Fails if none is named.
fn named<'a>(context: &'a Context, dir: &Path) -> Result<&'a Path, Failure> {
    let missing = || OpenError::MirrorMissing {
        dir: dir.to_path_buf(),
        missing: None,
    };
    context.mirror().ok_or_else(|| missing().into())
}

/// Waits until both directories hold every change. Fails if the mirror cannot be filled.
fn wait_until_complete(store: &Store) -> Result<(), Failure> {
    let mut patience = Patience::new(GIVE_UP_AFTER);
    loop {
        let (status, health) = (store.stats().mirror, store.health());
        if status == MirrorStatus::Complete {
            return Ok(());
        }
        let is_over = patience.is_over(status == MirrorStatus::Missing);
        match health {
            Health::Poisoned(cause) => return Err(Error::Poisoned(cause).into()),
            Health::Unmirrored { cause: Some(cause) } | Health::Failing(cause) if is_over => {
                return Err(Error::NotApplied(cause).into());
            }
            Health::DiskFull if is_over => return Err(Error::DiskFull.into()),
            _ if is_over => {
                return Err(Failure::damaged(
                    "the mirror cannot be filled from this store",
                ));
            }
            _ => thread::sleep(POLL),
        }
    }
}

impl Mirror {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let dir = context.dir()?;
        match self.step {
            Step::Fill => {
                named(context, &dir)?;
                progress::begin("filling the mirror");
                context.with_own_store(wait_until_complete)?;
                progress::end();
                let cells = vec![Cell::Word("complete"), Cell::text(dir.display())];
                let columns = [shown("outcome"), shown("store")];
                context.out().one(&columns, cells)?;
            }
            Step::Accept => {
                let accepted = location::builder().accept_one_side(&dir)?;
                print_continued(context, "accepted", &dir, &accepted)?;
                progress::print_line(NEXT);
            }
            Step::Detach => {
                let mirror = named(context, &dir)?;
                location::builder().detach_mirror(&dir, mirror)?;
                let cells = vec![Cell::Word("detached"), Cell::text(dir.display())];
                let columns = [shown("outcome"), shown("store")];
                context.out().one(&columns, cells)?;
            }
        }
        Ok(Exit::Done)
    }
}
