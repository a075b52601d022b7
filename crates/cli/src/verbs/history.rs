//! `history`: lists the events of an order number.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Rows;
use crate::render::{EVENTS, event_cells};

/// List the events of an order, or of payments and refunds that wait for it, oldest first
#[derive(Args)]
pub(crate) struct History {
    /// Order number
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
                    "order number {no} has no events: check the number, or search with \
                     `orderstore list`"
                )));
            }
            let redactor = context.redactor();
            let rows = events.iter().map(|event| event_cells(event, redactor));
            let rows = Rows::new(EVENTS, rows.collect());
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}
