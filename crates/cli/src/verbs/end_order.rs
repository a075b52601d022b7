//! `end-order`: ends an unpaid order for which no payment is expected any more.

use clap::Args;
use orderstore::{Note, OrderNo};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::text::checked;

/// End an unpaid order that has expired, or whose only payment was dismissed or refunded
///
/// Another order can then use its reference. The store does not end an order with an open anomaly
/// or a refund under way.
#[derive(Args)]
pub(crate) struct EndOrder {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Reason, in your own words. The store keeps it with the order
    #[arg(long, value_name = "TEXT")]
    note: String,
}

impl EndOrder {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let note = checked("--note", &self.note, Note::parse)?;
        context.with_store(|store| {
            let reply = store.end_order(self.no, note).wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
