//! Message for the outcome of a command: a word for programs and a sentence for people.
//!
//! Invariant: `done` is true only if the command reached the requested state. If the store records
//! a fact as an anomaly or without its order, `done` is false, because a person must decide.

mod order;
mod payment;
mod refund;

use std::sync::Arc;

use orderstore::{Currency, Fen, Order, OrderNo, Outcome, Reply};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::money;
use crate::output::{Cell, Column, Out, data, shown};

pub(crate) use self::refund::status as refund_status;

/// Message about the outcome of a command: whether the command is done, a status word and a
/// sentence.
pub(crate) struct Message {
    pub(crate) done: bool,
    pub(crate) word: &'static str,
    pub(crate) sentence: String,
}

const fn done(word: &'static str, sentence: String) -> Message {
    let done = true;
    Message {
        done,
        word,
        sentence,
    }
}

const fn not(word: &'static str, sentence: String) -> Message {
    let done = false;
    Message {
        done,
        word,
        sentence,
    }
}

/// Builds a [`Message`] from a function name (`done` or `not`), the outcome and a format string.
macro_rules! said {
    ($done:ident, $outcome:expr, $($sentence:tt)+) => {
        $crate::messages::$done($outcome.as_str(), format!($($sentence)+))
    };
}
use said;

/// Returns the message for an outcome that only a later library version defines.
fn unknown() -> Message {
    let sentence = "the store returned an outcome that this program version does not know";
    not("other", sentence.to_owned())
}

/// Outcome of a command that can be shown as a [`Message`].
pub(crate) trait Messages {
    /// Returns the message for the outcome. Amounts in the message are in `currency`.
    fn said(&self, currency: Currency) -> Message;
}

impl Messages for Outcome {
    fn said(&self, currency: Currency) -> Message {
        match self {
            Outcome::Create(outcome) => outcome.said(currency),
            Outcome::Confirm(outcome) => outcome.said(currency),
            Outcome::RecordQuery(outcome) => outcome.said(currency),
            Outcome::Close(outcome) => outcome.said(currency),
            Outcome::Resolve(outcome) => outcome.said(currency),
            Outcome::RequestRefund(outcome) => outcome.said(currency),
            Outcome::RecordRefund(outcome) => outcome.said(currency),
            Outcome::RefuseRefund(outcome) => outcome.said(currency),
            Outcome::RefundUnanswered(outcome) => outcome.said(currency),
            _ => unknown(),
        }
    }
}

/// Formats an amount for display.
fn show(fee: Fen, currency: Currency) -> String {
    money::show(u128::from(fee.as_u64()), currency)
}

/// Columns of the result of a command.
const ANSWER: &[Column] = &[
    shown("outcome"),
    shown("says"),
    shown("outTradeNo"),
    shown("payStatus"),
    data("totalFee"),
    shown("totalYuan"),
    data("feeType"),
    shown("transactionId"),
    shown("openAnomalies"),
    shown("version"),
];

/// Writes the outcome of a command and the current order. Returns the exit code.
pub(crate) fn answer(
    out: &mut Out,
    no: OrderNo,
    reply: &Reply<impl Messages>,
) -> Result<Exit, Failure> {
    let order = reply.order.as_deref();
    let currency = order.map(|order| order.currency).unwrap_or_default();
    let message = reply.outcome.said(currency);
    let done = message.done;
    out.one(ANSWER, cells(no, message, order))?;
    Ok(Exit::of(done))
}

fn cells(no: OrderNo, message: Message, order: Option<&Order>) -> Vec<Cell> {
    let fee = order.map(|order| (order.total_fee, order.currency));
    let anomalies = order.map(|order| order.open_anomalies().count());
    vec![
        Cell::Word(message.word),
        Cell::Text(message.sentence),
        Cell::text(order.map_or(no, |order| order.no)),
        Cell::maybe(order.map(|order| order.status)),
        fee.map_or(Cell::None, |(fee, _)| Cell::fen(fee)),
        fee.map_or(Cell::None, |(fee, currency)| Cell::yuan(fee, currency)),
        Cell::maybe(order.map(|order| order.currency)),
        Cell::maybe(order.and_then(Order::transaction_id)),
        anomalies.map_or(Cell::None, Cell::count),
        order.map_or(Cell::None, |order| order.version.into()),
    ]
}

/// Returns the order, or a failure if it does not exist.
pub(crate) fn found(no: OrderNo, order: Option<Arc<Order>>) -> Result<Arc<Order>, Failure> {
    order.ok_or_else(|| {
        Failure::nothing(format_args!("order {no} does not exist")).and(
            "Check the number, or search with `orderstore list`. Payments or refunds may wait for
the order: `orderstore history` shows them.",
        )
    })
}
