//! `history`: what happened under a number.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Rows;
use crate::render::{EVENTS, event_cells};

/// Show what happened to an order, or to what waits for it, oldest first
#[derive(Args)]
pub(crate) struct History {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl History {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let events = store.history(self.no).wait()?;
            if events.is_empty() {
                let no = self.no;
                return Err(Failure::nothing(format_args!(
                    "nothing is known under {no}: compare the number, or search with `orderstore list`"
                )));
            }
            let veil = context.veil();
            let rows = events.iter().map(|event| event_cells(event, veil));
            let rows = Rows::new(EVENTS, rows.collect());
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}
