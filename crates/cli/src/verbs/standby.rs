//! `follow` and `promote`: a standby of a store on another machine.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use orderstore::{OldStore, OpenError, Store, with_causes};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, shown};
use crate::progress;
use crate::signals::on_stop;
use crate::standby::{catch_up, failure_of};
use crate::verbs::restore::print_continued;

/// Keep a standby in --store that follows the archive of another store
///
/// Builds the standby if the directory is missing or empty. Runs until it is stopped, and goes on from
/// there the next time. Verbs that only read work on a standby, too.
#[derive(Args)]
pub(crate) struct Follow {
    /// Apply everything that the archive holds, and end
    #[arg(long)]
    once: bool,
}

/// Make the standby in --store the store that serves, after the loss of the old one
///
/// Stop the verb `follow` first. If the directory is missing or empty, builds the standby. After an
/// interruption, run the same command again.
#[derive(Args)]
pub(crate) struct Promote {
    /// Confirm that the old store has stopped for good. Commands that it still accepts are lost
    #[arg(long, required_unless_present = "wait_for_lease")]
    old_primary_stopped: bool,
    /// Wait until the lease of the old store is over, because it may still serve
    #[arg(long, conflicts_with = "old_primary_stopped")]
    wait_for_lease: bool,
}

/// Time between two looks at the health of the standby.
const LOOK: Duration = Duration::from_secs(1);

/// Next steps of the operator after a promotion.
const NEXT: &str = "\
The old store refuses commands from now on, and cannot be opened with this archive any more. Before
this store serves requests, ask the channel for everything since lastEventAt:
  1. query every open order: orderstore list --status wait, then --status closing
  2. query every refund that has not ended: orderstore due --at 9999-01-01
  3. compare the bill of every day since then, including that day: orderstore reconcile
Then serve from this directory with the same archive.";

impl Follow {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        progress::begin("building the standby");
        let builder = context.builder()?.recovery_progress(progress::set_position);
        let store = builder.follow(context.dir()?)?;
        progress::end();
        match self.once {
            true => catch_up(&store)?,
            false => report_failures(&store)?,
        }
        let columns = [shown("outcome"), shown("store"), shown("lsn")];
        let lsn = store.stats().standby.map_or(0, |standby| standby.lsn);
        let cells = vec![
            Cell::Word("followed"),
            Cell::text(context.location()?),
            lsn.into(),
        ];
        store.shutdown().wait()?;
        context.out().one(&columns, cells)?;
        Ok(Exit::Done)
    }
}

/// Reports on stderr when the standby cannot follow, and when it follows again. Returns when the process
/// gets a signal to end.
fn report_failures(store: &Store) -> Result<(), Failure> {
    let (stop, is_stopped) = mpsc::channel();
    on_stop(move || {
        // Ignore a failed send: the verb is about to end.
        let _ = stop.send(());
    })?;
    let mut was_failing = false;
    loop {
        let failure = failure_of(store);
        match &failure {
            Some(cause) if !was_failing => {
                let text = with_causes(&OpenError::Archive(cause.clone()));
                progress::print_line(&format!("cannot follow, tries again: {text}"));
            }
            None if was_failing => progress::print_line("follows again"),
            _ => {}
        }
        was_failing = failure.is_some();
        match is_stopped.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
    }
}

impl Promote {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let old = match self.wait_for_lease {
            true => OldStore::MayServe,
            false => OldStore::Stopped,
        };
        let dir = context.dir()?;
        progress::begin("promoting");
        let builder = context.builder()?.recovery_progress(progress::set_position);
        let promoted = builder.promote(&dir, old)?;
        progress::end();
        print_continued(context, "promoted", &dir, &promoted.continued)?;
        progress::print_line(NEXT);
        Ok(Exit::Done)
    }
}
