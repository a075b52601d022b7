//! `begin-close`: begins to close an order.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Begin to close an order: it accepts no new prepay, but can still be paid
#[derive(Args)]
pub(crate) struct BeginClose {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl BeginClose {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let reply = store.begin_close(self.no).wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
