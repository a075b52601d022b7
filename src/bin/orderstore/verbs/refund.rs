//! `refund`: money on its way back, from its request to its end.
//!
//! What is not said of the payment is taken from the order. Where that leaves a choice, the
//! verb refuses: it never picks one of several payments.

use clap::{Args, Subcommand, ValueEnum};
use orderstore::{
    Channel, ClosedRefund, Currency, Label, NewRefund, Order, OrderNo, Payment, RefundFact,
    RefundId, RefundNo, RefundState, Store, Timestamp, TransactionId,
};

use super::page::Page;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::{answer, found};
use crate::money::{self, Amount};
use crate::output::{Cell, Column, Rows, data, shown};
use crate::time_arg;

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
    Request(Request),
    /// Take in how the channel says that a refund stands
    Record(Record),
    /// The channel refused to take it at all: what it reserved is free again
    Refused(Refused),
    /// List the refunds that ended without success, newest first: each may need another attempt
    Closed(Closed),
}

#[derive(Args)]
struct Request {
    #[command(flatten)]
    which: Which,
    /// Which attempt under this number: after the channel refused or closed the first, 2
    #[arg(long, value_name = "N", default_value_t = 1)]
    attempt: u32,
}

#[derive(Args)]
struct Closed {
    #[command(flatten)]
    page: Page,
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
    /// The transaction whose money goes back; needed only where several are known here
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    transaction_id: Option<TransactionId>,
    #[command(flatten)]
    amount: Amount,
    /// The payment's currency, for which the amount is meant; with a transaction, CNY where
    /// nothing is said
    #[arg(long, value_parser = Currency::parse)]
    currency: Option<Currency>,
    /// Where it was paid; with a transaction, wechat where nothing is said
    #[arg(long, value_parser = Channel::parse)]
    channel: Option<Channel>,
}

/// A payment, as far as a refund names it.
struct Paid {
    transaction_id: TransactionId,
    channel: Channel,
    currency: Currency,
}

impl From<&Payment> for Paid {
    fn from(payment: &Payment) -> Self {
        Self {
            transaction_id: payment.transaction_id.clone(),
            channel: payment.channel,
            currency: payment.currency,
        }
    }
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
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    success_at: Option<Timestamp>,
    /// When the query was sent that the channel answered so; nothing for a notification. After a
    /// retry or a success only the answer to a later query shows that the refund failed
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    query_sent_at: Option<Timestamp>,
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
    /// Which attempt under this number was refused
    #[arg(long, value_name = "N", default_value_t = 1)]
    attempt: u32,
    /// The channel's code, such as NOTENOUGH
    #[arg(long, value_parser = Label::parse)]
    code: Label,
}

impl Refund {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.step {
            Step::Request(request) => request.run(context),
            Step::Record(record) => record.run(context),
            Step::Refused(refused) => refused.run(context),
            Step::Closed(closed) => closed.run(context),
        }
    }
}

impl Request {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (which, attempt) = (self.which, self.attempt);
        let said = which.said().map(|paid| which.refund(paid)).transpose()?;
        context.with_store(|store| {
            let refund = match said {
                Some(refund) => refund,
                None => which.refund(which.known(store)?)?,
            };
            let answered = store
                .request_refund(which.no, refund.attempt(attempt))
                .wait()?;
            answer(&mut context.out(), which.no, &answered)
        })
    }
}

const CLOSED: &[Column] = &[
    shown("outTradeNo"),
    shown("refundNo"),
    data("amount"),
    shown("transactionId"),
    shown("code"),
    shown("attempt"),
    shown("endedAt"),
];

impl Closed {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let page = store.closed_refunds(self.page.of(false)).wait()?;
            let rows = page.rows.iter().map(closed_cells).collect();
            let rows = Rows::new(CLOSED, rows)
                .or_else_says("no refund ended without success")
                .next(page.next);
            context.out().many(&rows)?;
            Ok(Exit::Done)
        })
    }
}

fn closed_cells(closed: &ClosedRefund) -> Vec<Cell> {
    let refund = &closed.refund;
    vec![
        Cell::text(closed.no),
        Cell::text(&refund.refund_no),
        Cell::fen(refund.amount),
        Cell::text(&refund.transaction_id),
        Cell::maybe(refund.code.as_ref()),
        u64::from(refund.attempt).into(),
        refund.ended_at.map_or(Cell::None, Cell::Time),
    ]
}

impl Which {
    fn refund(&self, paid: Paid) -> Result<NewRefund, Failure> {
        let amount = self.amount.of(paid.currency)?;
        let refund = NewRefund::new(self.refund_no.clone(), paid.transaction_id, amount);
        Ok(refund.map_err(Failure::usage)?.channel(paid.channel))
    }

    /// The payment, where its transaction was said.
    fn said(&self) -> Option<Paid> {
        Some(Paid {
            transaction_id: self.transaction_id.clone()?,
            channel: self.channel.unwrap_or_default(),
            currency: self.currency.unwrap_or_default(),
        })
    }

    /// The payment that the refund is of where it is known here, else the only one there is.
    fn known(&self, store: &Store) -> Result<Paid, Failure> {
        let order = found(self.no, store.get(self.no).wait()?)
            .map_err(|failure| failure.and("Name its transaction with --transaction-id."))?;
        let mut payments = payments(&order);
        if let Some(channel) = self.channel {
            payments.retain(|payment| payment.channel == channel);
        }
        if let Some(refund) = order
            .refunds
            .iter()
            .find(|refund| refund.refund_no == self.refund_no)
        {
            payments.retain(|payment| refund.is_of(payment));
        }
        let payment = match payments.as_slice() {
            [payment] => *payment,
            [] => {
                return Err(Failure::nothing(format_args!(
                    "no such payment of {} is known: name its transaction with --transaction-id",
                    self.no
                )));
            }
            several => return Err(self.choice(several)),
        };
        match self.currency {
            Some(currency) if currency != payment.currency => Err(Failure::usage(format_args!(
                "{} was paid in {}: give the amount in that, with --fen",
                self.no, payment.currency
            ))),
            _ => Ok(payment.into()),
        }
    }

    fn choice(&self, payments: &[&Payment]) -> Failure {
        let each = payments.iter().map(|payment| {
            let fee = money::show(u128::from(payment.paid_fee.as_u64()), payment.currency);
            format!("  --transaction-id {} ({fee})", payment.transaction_id)
        });
        let each: Vec<String> = each.collect();
        Failure::usage(format_args!(
            "several payments of {} are known: say which one goes back\n{}",
            self.no,
            each.join("\n")
        ))
    }
}

/// The payments that an order knows, each once: the one that stands, and those in doubt.
fn payments(order: &Order) -> Vec<&Payment> {
    let doubtful = order.anomalies.iter().filter_map(|it| it.payment.as_ref());
    let mut payments: Vec<&Payment> = Vec::new();
    for payment in order.payment.iter().chain(doubtful) {
        if !payments.iter().any(|known| known.is_same(payment)) {
            payments.push(payment);
        }
    }
    payments
}

impl Record {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let no = self.which.no;
        let said = self.which.said().map(|paid| self.fact(paid)).transpose()?;
        context.with_store(|store| {
            let fact = match said {
                Some(fact) => fact,
                None => self.fact(self.which.known(store)?)?,
            };
            let answered = store.record_refund(no, fact).wait()?;
            answer(&mut context.out(), no, &answered)
        })
    }

    fn fact(&self, paid: Paid) -> Result<RefundFact, Failure> {
        let which = &self.which;
        let amount = which.amount.of(paid.currency)?;
        let (refund_no, state) = (which.refund_no.clone(), self.state.into());
        let fact = RefundFact::new(refund_no, paid.transaction_id, amount, state);
        let mut fact = fact.map_err(Failure::usage)?.with_channel(paid.channel);
        if let Some(id) = self.refund_id.clone() {
            fact = fact.with_refund_id(id);
        }
        if let Some(moment) = self.success_at {
            fact = fact.with_success_at(moment);
        }
        if let Some(moment) = self.query_sent_at {
            fact = fact.with_query_sent_at(moment);
        }
        Ok(fact)
    }
}

impl Refused {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let refund = (self.refund_no, self.attempt);
            let call = store.record_refund_refused(self.no, refund, self.code);
            let answered = call.wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
