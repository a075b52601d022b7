//! `follow` and `promote`: a standby of a store on another machine.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use orderstore::{Error, Health, OpenError, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, shown};
use crate::progress;
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
    /// Confirm that the old store has stopped for good. What it still accepts would be lost
    #[arg(long, required = true)]
    old_primary_stopped: bool,
}

/// Time in which a failed attempt is repeated.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(20);

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
        if !self.once {
            report_failures(&store);
        }
        catch_up(&store)?;
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

/// Reports on stderr when the standby cannot follow, and when it follows again. Never returns.
fn report_failures(store: &Store) -> ! {
    let mut was_failing = false;
    loop {
        let failure = failure_of(store);
        match &failure {
            Some(cause) if !was_failing => {
                let error = OpenError::Archive(cause.clone());
                let text = orderstore::with_causes(&error);
                progress::print_line(&format!("cannot follow, tries again: {text}"));
            }
            None if was_failing => progress::print_line("follows again"),
            _ => {}
        }
        was_failing = failure.is_some();
        thread::sleep(Duration::from_secs(1));
    }
}

fn failure_of(store: &Store) -> Option<orderstore::StorageError> {
    match store.health() {
        Health::Standby { cause } => cause,
        _ => None,
    }
}

/// Waits until a standby shows what its archive held at the call. Fails if the archive fails for a
/// while.
pub(crate) fn catch_up(store: &Store) -> Result<(), Failure> {
    let mut failing_since = None;
    while store
        .stats()
        .standby
        .is_some_and(|standby| standby.lag.is_none())
    {
        match failure_of(store) {
            Some(cause) => {
                let since = failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() > GIVE_UP_AFTER {
                    return Err(Error::from(OpenError::Archive(cause)).into());
                }
            }
            None => failing_since = None,
        }
        thread::sleep(POLL);
    }
    Ok(())
}

impl Promote {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        debug_assert!(self.old_primary_stopped, "clap requires the flag");
        let dir = context.dir()?;
        progress::begin("promoting");
        let builder = context.builder()?.recovery_progress(progress::set_position);
        let promoted = builder.promote(&dir)?;
        progress::end();
        print_continued(context, "promoted", &dir, &promoted.continued)?;
        progress::print_line(NEXT);
        Ok(Exit::Done)
    }
}
