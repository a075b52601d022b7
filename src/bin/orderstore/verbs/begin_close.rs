//! `begin-close`: the announcement of a close.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Announce that an order is to be closed: no new prepay from now on, and a payment still wins
#[derive(Args)]
pub(crate) struct BeginClose {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl BeginClose {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let answered = store.begin_close(self.no).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
