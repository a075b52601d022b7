//! `abort-close`: the announcement taken back.

use clap::Args;
use orderstore::OrderNo;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Take the announcement of a close back: the order can be paid again
#[derive(Args)]
pub(crate) struct AbortClose {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
}

impl AbortClose {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let answered = store.abort_close(self.no).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
