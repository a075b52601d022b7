//! `refund`: reserves money for refunds, and records the channel's reports about refunds.
//!
//! If the flags do not name the transaction to refund, the verb uses the payment of the order. If
//! the order has several payments, the verb fails, because it must not choose one.

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

/// Reserve money for a refund, or record the channel's report about it
///
/// First run `request`. Then request the refund from the channel under the same number. Then run
/// `record` or `refused`.
#[derive(Args)]
pub(crate) struct Refund {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Reserve the money, before you request the refund from the channel
    Request(Request),
    /// Record the state of a refund that the channel reports
    Record(Record),
    /// Record that the channel refused the refund: its reserved money is free again
    Refused(Refused),
    /// List the refunds that ended without success, newest first. Each may need a new attempt
    Closed(Closed),
}

#[derive(Args)]
struct Request {
    #[command(flatten)]
    which: Which,
    /// Number of the attempt under this refund number. Use 2 after the channel refused or closed
    /// the first attempt
    #[arg(long, value_name = "N", default_value_t = 1)]
    attempt: u32,
}

#[derive(Args)]
struct Closed {
    #[command(flatten)]
    page: Page,
}

/// Flags that name a refund, its payment and its amount.
#[derive(Args)]
struct Which {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Your number of the refund
    #[arg(long, value_name = "NO", value_parser = RefundNo::parse)]
    refund_no: RefundNo,
    /// Transaction to refund. Needed unless the order has one payment, or has this refund already
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    transaction_id: Option<TransactionId>,
    #[command(flatten)]
    amount: Amount,
    /// Currency of the payment and of the amount. Default: that of the payment, or CNY with
    /// --transaction-id
    #[arg(long, value_parser = Currency::parse)]
    currency: Option<Currency>,
    /// Payment channel. Default: that of the payment, or wechat with --transaction-id
    #[arg(long, value_parser = Channel::parse)]
    channel: Option<Channel>,
}

/// Data of the refunded payment.
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
    /// State that the channel reports
    #[arg(long, value_enum)]
    state: State,
    /// The channel's number of the refund
    #[arg(long, value_name = "ID", value_parser = RefundId::parse)]
    refund_id: Option<RefundId>,
    /// Time of the success, by the channel's clock
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    success_at: Option<Timestamp>,
    /// Time when you sent the query that the channel answered. Leave it out for a notification.
    /// After a retry or a success, the store accepts a failure only from a later query
    #[arg(long, value_name = "TIME", value_parser = time_arg::parse)]
    query_sent_at: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// PROCESSING: the channel is processing the refund
    Processing,
    /// SUCCESS: the customer has received the money
    Success,
    /// CLOSED: the attempt ended without a refund
    Closed,
    /// ABNORMAL: the channel cannot deliver the money
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
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Your number of the refund
    #[arg(long, value_name = "NO", value_parser = RefundNo::parse)]
    refund_no: RefundNo,
    /// Number of the refused attempt under this refund number
    #[arg(long, value_name = "N", default_value_t = 1)]
    attempt: u32,
    /// Error code of the channel, such as NOTENOUGH
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
        let named = which.named().map(|paid| which.refund(paid)).transpose()?;
        context.with_store(|store| {
            let refund = match named {
                Some(refund) => refund,
                None => which.refund(which.known(store)?)?,
            };
            let reply = store
                .request_refund(which.no, refund.attempt(attempt))
                .wait()?;
            answer(&mut context.out(), which.no, &reply)
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

    /// Returns the payment that the flags name; `None` if they name no transaction.
    fn named(&self) -> Option<Paid> {
        Some(Paid {
            transaction_id: self.transaction_id.clone()?,
            channel: self.channel.unwrap_or_default(),
            currency: self.currency.unwrap_or_default(),
        })
    }

    /// Reads the payment from the order. If the order already has this refund, the result is the
    /// refunded payment. Otherwise it is the only payment, and several payments are an error.
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
                    "order {} has no such payment: name its transaction with --transaction-id",
                    self.no
                )));
            }
            several => return Err(self.choice(several)),
        };
        match self.currency {
            Some(currency) if currency != payment.currency => Err(Failure::usage(format_args!(
                "order {} was paid in {}: give the amount in this currency, with --fen",
                self.no, payment.currency
            ))),
            _ => Ok(payment.into()),
        }
    }

    /// Returns a failure that lists the payments from which the operator must choose.
    fn choice(&self, payments: &[&Payment]) -> Failure {
        let each = payments.iter().map(|payment| {
            let fee = money::show(u128::from(payment.paid_fee.as_u64()), payment.currency);
            format!("  --transaction-id {} ({fee})", payment.transaction_id)
        });
        let each: Vec<String> = each.collect();
        Failure::usage(format_args!(
            "order {} has several payments: name the one to refund\n{}",
            self.no,
            each.join("\n")
        ))
    }
}

/// Returns the payments of an order without duplicates: the payment that paid it, then those of its
/// anomalies.
fn payments(order: &Order) -> Vec<&Payment> {
    let in_anomalies = order.anomalies.iter();
    let in_anomalies = in_anomalies.filter_map(|anomaly| anomaly.payment.as_ref());
    let mut payments: Vec<&Payment> = Vec::new();
    for payment in order.payment.iter().chain(in_anomalies) {
        if !payments.iter().any(|known| known.is_same(payment)) {
            payments.push(payment);
        }
    }
    payments
}

impl Record {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let no = self.which.no;
        let named = self.which.named().map(|paid| self.fact(paid)).transpose()?;
        context.with_store(|store| {
            let fact = match named {
                Some(fact) => fact,
                None => self.fact(self.which.known(store)?)?,
            };
            let reply = store.record_refund(no, fact).wait()?;
            answer(&mut context.out(), no, &reply)
        })
    }

    /// Builds the channel's report from the flags.
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
            let reply = call.wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
