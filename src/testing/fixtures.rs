//! Test values. Each function returns the same value for the same number.
//!
//! # Panics
//! If a number gives no valid value, such as an amount of 0 fen.
#![expect(
    clippy::expect_used,
    reason = "an invalid fixture is a bug in the test that uses it"
)]

use crate::order::{
    Command, CommandKind, NewOrder, NewRefund, Payment, Prepay, PrepayKind, RefundFact,
    RefundState, Source,
};
use crate::types::{
    AppId, Fen, MchId, Note, OpenId, OrderNo, PrepayValue, Reference, RefundNo, Timestamp,
    TransactionId,
};

/// Returns the start time of every test: 2022-03-21T13:20:07 in Beijing.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_647_840_007_000).expect("a time of this century")
}

/// Returns the `n`th order number.
#[must_use]
pub fn order_no(n: u64) -> OrderNo {
    OrderNo::parse(&format!("ORDER-{n:08}")).expect("a number of 14 to 26 characters is valid")
}

/// Returns the `n`th user's openid: 28 characters, as in WeChat.
#[must_use]
pub fn openid(n: u64) -> OpenId {
    OpenId::parse(&format!("oUser{n:023}")).expect("printable ASCII")
}

/// Returns the `n`th app id.
#[must_use]
pub fn appid(n: u64) -> AppId {
    AppId::parse(&format!("wx{n:016x}")).expect("printable ASCII")
}

/// Returns the `n`th merchant id.
#[must_use]
pub fn mch_id(n: u64) -> MchId {
    MchId::parse(&format!("17{n:08}")).expect("printable ASCII")
}

/// Returns the `n`th transaction id.
#[must_use]
pub fn transaction(n: u64) -> TransactionId {
    TransactionId::parse(&format!("4200{n:024}")).expect("printable ASCII")
}

/// Returns the `n`th refund number.
#[must_use]
pub fn refund_no(n: u64) -> RefundNo {
    RefundNo::parse(&format!("REFUND-{n:08}")).expect("printable ASCII")
}

/// Returns the `n`th merchant reference.
#[must_use]
pub fn reference(n: u64) -> Reference {
    Reference::parse(&format!("cart-{n:08}")).expect("printable ASCII")
}

/// Converts a number of fen to an amount.
#[must_use]
pub fn fen(amount: u64) -> Fen {
    Fen::new(amount).expect("an amount is at most i64::MAX fen")
}

/// Returns a new order of the first user in the first app, with a total of `total_fee` fen.
pub fn new(total_fee: u64) -> NewOrder {
    NewOrder::new(appid(1), fen(total_fee))
        .expect("at least 1 fen")
        .openid(openid(1))
}

/// Returns a payment of `paid_fee` fen by the `n`th transaction, from a callback without openid,
/// app id and merchant id.
#[must_use]
pub fn payment(n: u64, paid_fee: u64) -> Payment {
    Payment::new(transaction(n), fen(paid_fee), now(), Source::CALLBACK).expect("at least 1 fen")
}

/// Returns the `n`th prepay of a mini program.
#[must_use]
pub fn prepay(n: u64) -> Prepay {
    let value = PrepayValue::parse(&format!("wx{n:034}")).expect("printable ASCII");
    Prepay::new(PrepayKind::Jsapi, value)
}

/// Returns a request to refund `amount` fen of a transaction, with the `n`th refund number.
pub fn refund_of(transaction_n: u64, n: u64, amount: u64) -> NewRefund {
    NewRefund::new(refund_no(n), transaction(transaction_n), fen(amount)).expect("at least 1 fen")
}

/// Returns the channel's report about a refund of `amount` fen of a transaction, with the `n`th
/// refund number.
pub fn refund_fact(transaction_n: u64, n: u64, amount: u64, state: RefundState) -> RefundFact {
    RefundFact::new(refund_no(n), transaction(transaction_n), fen(amount), state)
        .expect("at least 1 fen")
}

/// Returns the note of an operator.
#[must_use]
pub fn note() -> Note {
    Note::parse("seen with the customer").expect("a short text")
}

/// Returns the command that creates the `n`th order.
#[must_use]
pub fn create(n: u64, new: NewOrder) -> Command {
    command(n, CommandKind::Create(Box::new(new)))
}

/// Returns the command that confirms a payment of the `n`th order.
#[must_use]
pub fn confirm(n: u64, payment: Payment) -> Command {
    command(n, CommandKind::Confirm(Box::new(payment)))
}

/// Returns a command for the `n`th order.
#[must_use]
pub fn command(n: u64, kind: CommandKind) -> Command {
    let no = order_no(n);
    Command { no, kind }
}
