//! `end-order`: an unpaid order for which no payment is expected any more.

use clap::Args;
use orderstore::{Note, OrderNo};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::text::checked;

/// End an unpaid order whose time is over, or whose only payment was dismissed or went back
///
/// Its reference is free then. An order with an open anomaly or a refund under way is not ended.
#[derive(Args)]
pub(crate) struct EndOrder {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Why, in your words: they are kept with the order
    #[arg(long, value_name = "TEXT")]
    note: String,
}

impl EndOrder {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let note = checked("--note", &self.note, Note::parse)?;
        context.with_store(|store| {
            let answered = store.end_order(self.no, note).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
