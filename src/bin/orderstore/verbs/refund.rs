//! `refund`: money on its way back, from its request to its end.

use clap::{Args, Subcommand, ValueEnum};
use orderstore::{
    Channel, Currency, Label, NewRefund, OrderNo, RefundFact, RefundId, RefundNo, RefundState,
    Timestamp, TransactionId,
};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment;
use crate::money::Amount;
use crate::outcome::answer;

/// Reserve money that is to go back, or take in what the channel said of it
///
/// First `request`, then ask the channel under the same number, then `record` or `refused`.
#[derive(Args)]
pub(crate) struct Refund {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Reserve the money; only then ask the channel for it
    Request(Which),
    /// Take in how the channel says that a refund stands
    Record(Record),
    /// The channel refused to take it at all: what it reserved is free again
    Refused(Refused),
}

/// Which refund, of what.
#[derive(Args)]
struct Which {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// The merchant's number for the refund
    #[arg(long, value_name = "NO", value_parser = RefundNo::parse)]
    refund_no: RefundNo,
    /// The transaction whose money goes back
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    transaction_id: TransactionId,
    #[command(flatten)]
    amount: Amount,
    /// The payment's currency, for which the amount is meant
    #[arg(long, default_value = "CNY", value_parser = Currency::parse)]
    currency: Currency,
    /// Where it was paid
    #[arg(long, default_value = "wechat", value_parser = Channel::parse)]
    channel: Channel,
}

#[derive(Args)]
struct Record {
    #[command(flatten)]
    which: Which,
    /// How far it is
    #[arg(long, value_enum)]
    state: State,
    /// The channel's number for it
    #[arg(long, value_name = "ID", value_parser = RefundId::parse)]
    refund_id: Option<RefundId>,
    /// When the channel says that the money went back
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    success_at: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// PROCESSING: the channel is at it
    Processing,
    /// SUCCESS: the money went back
    Success,
    /// CLOSED: it will not go back under this number
    Closed,
    /// ABNORMAL: it cannot be delivered
    Abnormal,
}

impl From<State> for RefundState {
    fn from(state: State) -> Self {
        match state {
            State::Processing => Self::Processing,
            State::Success => Self::Success,
            State::Closed => Self::Closed,
            State::Abnormal => Self::Abnormal,
        }
    }
}

#[derive(Args)]
struct Refused {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// The merchant's number for the refund
    #[arg(long, value_name = "NO", value_parser = RefundNo::parse)]
    refund_no: RefundNo,
    /// The channel's code, such as NOTENOUGH
    #[arg(long, value_parser = Label::parse)]
    code: Label,
}

impl Refund {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.step {
            Step::Request(which) => which.request(context),
            Step::Record(record) => record.run(context),
            Step::Refused(refused) => refused.run(context),
        }
    }
}

impl Which {
    fn request(self, context: &Context) -> Result<Exit, Failure> {
        let amount = self.amount.of(self.currency)?;
        let refund = NewRefund::new(self.refund_no, self.transaction_id, amount);
        let refund = refund.map_err(Failure::usage)?.channel(self.channel);
        context.with_store(|store| {
            let answered = store.request_refund(self.no, refund).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}

impl Record {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (no, fact) = (self.which.no, self.fact()?);
        context.with_store(|store| {
            let answered = store.record_refund(no, fact).wait()?;
            answer(&mut context.out(), no, &answered)
        })
    }

    fn fact(self) -> Result<RefundFact, Failure> {
        let which = self.which;
        let amount = which.amount.of(which.currency)?;
        let state = self.state.into();
        let fact = RefundFact::new(which.refund_no, which.transaction_id, amount, state);
        let mut fact = fact.map_err(Failure::usage)?.with_channel(which.channel);
        if let Some(id) = self.refund_id {
            fact = fact.with_refund_id(id);
        }
        if let Some(moment) = self.success_at {
            fact = fact.with_success_at(moment);
        }
        Ok(fact)
    }
}

impl Refused {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let call = store.record_refund_refused(self.no, self.refund_no, self.code);
            let answered = call.wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
