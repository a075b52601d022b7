//! `abort-close`: cancels a close.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Cancel the close of an order: its status is `wait` again
#[derive(Args)]
pub(crate) struct AbortClose {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl AbortClose {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let reply = store.abort_close(self.no).wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
