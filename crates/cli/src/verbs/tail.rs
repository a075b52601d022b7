//! `tail`: prints events as they happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use orderstore::{FeedCursor, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Column, data, shown};
use crate::progress;
use crate::render::fed_cells;
use crate::signals::on_stop;

/// Print the events of all orders as they happen
///
/// Runs until it is stopped. With a store in a directory, it shows the events of the server that has the
/// store open. At its end it prints the cursor with which a later run continues.
#[derive(Args)]
pub(crate) struct Tail {
    /// Begin after this cursor. Default: print new events only
    #[arg(long, value_name = "CURSOR")]
    after: Option<FeedCursor>,
    /// Begin with the first event of the store
    #[arg(long, conflicts_with = "after")]
    from_start: bool,
    /// End after this number of events
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,
}

const COLUMNS: &[Column] = &[
    shown("outTradeNo"),
    shown("version"),
    shown("at"),
    shown("event"),
    shown("detail"),
    data("what"),
    data("cursor"),
];

/// Longest time until the verb notices that it should end.
const LOOK: Duration = Duration::from_millis(250);

impl Tail {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        on_stop(move || stop.store(true, Ordering::SeqCst))?;
        context.with_store(|store| {
            let mut last = self.begin(store)?;
            let printed = self.print(store, context, &mut last, &is_stopped);
            // Also after a failure, so that the operator can continue.
            progress::print_line(&format!("continue with: --after {last}"));
            printed?;
            Ok(Exit::Done)
        })
    }

    fn begin(&self, store: &Store) -> Result<FeedCursor, Failure> {
        match self.after {
            _ if self.from_start => Ok(FeedCursor::START),
            Some(after) => Ok(after),
            None => Ok(store.feed_end().wait()?),
        }
    }

    /// Prints events until the signal. Sets `last` to the cursor of the last printed one.
    fn print(
        &self,
        store: &Store,
        context: &Context,
        last: &mut FeedCursor,
        is_stopped: &AtomicBool,
    ) -> Result<(), Failure> {
        let mut out = context.out().stream(COLUMNS)?;
        let mut feed = store.feed(*last);
        let mut left = self.count;
        while left > 0 && !is_stopped.load(Ordering::SeqCst) {
            if let Some(entry) = feed.wait(LOOK)? {
                out.rows(&[fed_cells(&entry, context.redactor())])?;
                *last = entry.cursor;
                left -= 1;
            }
        }
        Ok(())
    }
}
