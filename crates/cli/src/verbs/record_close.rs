//! `record-close`: records the channel's reply to a close request.

use clap::{Args, ValueEnum};
use orderstore::{CloseReply, OrderNo};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;

/// Record the channel's reply to a request to close an order
#[derive(Args)]
pub(crate) struct RecordClose {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Reply of the channel
    #[arg(long, value_enum)]
    reply: Reply,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reply {
    /// The channel reports that it closed the order
    Closed,
    /// ORDERPAID: the customer has paid the order in the meantime
    OrderPaid,
    /// ORDERNOTEXIST: the channel does not know the order
    NoSuchOrder,
    /// No usable reply, such as a system error or a time-out
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
            let reply = store.record_close(self.no, self.reply.into()).wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
