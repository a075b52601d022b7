//! What became of a command, as a word for programs and a sentence for people.
//!
//! Invariant: *done* means that what was asked for holds now. A fact that is kept but does not
//! stand with its order is not done: a person must look.

mod order;
mod payment;
mod refund;

use std::sync::Arc;

use orderstore::{Currency, Difference, Fen, Order, OrderNo, Outcome, Reply};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::money;
use crate::output::{Cell, Column, Out, data, shown};

pub(crate) use self::refund::status as refund_status;

/// What became of a command.
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

/// Makes a sentence of plain words.
macro_rules! said {
    ($done:ident, $word:literal, $($sentence:tt)+) => {
        $crate::messages::$done($word, format!($($sentence)+))
    };
}
use said;

/// An outcome of a later version.
fn unknown() -> Message {
    said!(
        not,
        "other",
        "the store answered what this version does not know"
    )
}

/// What became of one kind of command.
pub(crate) trait Messages {
    /// In words. The amounts of an answer are in the order's `currency`.
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

/// A field by the name that it has in an order.
const fn name_of(field: Difference) -> &'static str {
    match field {
        Difference::Channel => "channel",
        Difference::Appid => "appid",
        Difference::MchId => "mchId",
        Difference::Openid => "_openid",
        Difference::TotalFee => "totalFee",
        Difference::Currency => "feeType",
        Difference::Description => "description",
        Difference::Attach => "attach",
        Difference::Reference => "reference",
        _ => "another field",
    }
}

/// An amount as it is shown.
fn show(fee: Fen, currency: Currency) -> String {
    money::show(u128::from(fee.as_u64()), currency)
}

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

/// Writes what became of a command, and the order as it stands.
pub(crate) fn answer(
    out: &mut Out,
    no: OrderNo,
    answered: &Reply<impl Messages>,
) -> Result<Exit, Failure> {
    let order = answered.order.as_deref();
    let currency = order.map(|order| order.currency).unwrap_or_default();
    let said = answered.outcome.said(currency);
    let done = said.done;
    out.one(ANSWER, cells(no, said, order))?;
    Ok(Exit::of(done))
}

fn cells(no: OrderNo, said: Message, order: Option<&Order>) -> Vec<Cell> {
    let fee = order.map(|order| (order.total_fee, order.currency));
    let anomalies = order.map(|order| order.open_anomalies().count());
    vec![
        Cell::Word(said.word),
        Cell::Text(said.sentence),
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

/// The order that is asked about, or the refusal to go on without it.
pub(crate) fn found(no: OrderNo, order: Option<Arc<Order>>) -> Result<Arc<Order>, Failure> {
    order.ok_or_else(|| {
        Failure::nothing(format_args!("there is no order {no}")).and(
            "Compare the number, or search with `orderstore list`. Payments or refunds may wait for it
all the same: see `orderstore history` of its number.",
        )
    })
}
