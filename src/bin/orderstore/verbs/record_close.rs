//! `record-close`: what the channel said when it was asked to close.

use clap::{Args, ValueEnum};
use orderstore::{CloseReply, OrderNo};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Take in what the channel said when it was asked to close an order
#[derive(Args)]
pub(crate) struct RecordClose {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// What it said
    #[arg(long, value_enum)]
    reply: Reply,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reply {
    /// It says that it closed it
    Closed,
    /// ORDERPAID: it was paid in the meantime
    OrderPaid,
    /// ORDERNOTEXIST: it knows no such order
    NoSuchOrder,
    /// It could not say
    Retry,
}

impl From<Reply> for CloseReply {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Closed => Self::Closed,
            Reply::OrderPaid => Self::OrderPaid,
            Reply::NoSuchOrder => Self::NoSuchOrder,
            Reply::Retry => Self::Retry,
        }
    }
}

impl RecordClose {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let answered = store.record_close(self.no, self.reply.into()).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
