//! Random commands. They use few different order numbers, transactions and refund numbers, so that
//! several commands often concern the same order.

use std::time::Duration;

use super::Bytes;
use crate::order::{
    AnomalyId, AnomalyRef, ChannelState, CloseReply, Command, CommandKind, Conflict, NewOrder,
    NewRefund, Order, Payment, Prepay, PrepayKind, RefundFact, RefundState, Resolution, Source,
    Status,
};
use crate::rules::Policy;
use crate::testing::fixtures;
use crate::testing::model::Model;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, Label, Metadata, PrepayValue, Timestamp,
};

pub(super) const ORDERS: u64 = 5;
pub(super) const TRANSACTIONS: u64 = 5;
pub(super) const REFERENCES: u64 = 2;
pub(super) const REFUNDS: u64 = 4;
pub(super) const USERS: u64 = 3;

/// Returns the two payment channels that the random commands use.
pub(super) fn channels() -> [Channel; 2] {
    [Channel::WECHAT, Channel::parse("other").unwrap()]
}

/// Returns a random policy.
#[must_use]
pub fn any_policy(bytes: &mut Bytes<'_>) -> Policy {
    let second = Duration::from_secs(1);
    let chosen = bytes.byte();
    let mut policy = Policy {
        strict: chosen & 1 != 0,
        close_needs_query: chosen & 2 == 0,
        ..Policy::default()
    };
    if chosen & 4 != 0 {
        policy.close_after = Duration::ZERO;
    }
    if chosen & 8 != 0 {
        policy.grace = Duration::ZERO;
    }
    if chosen & 16 != 0 {
        policy.expires_after = Duration::MAX;
    }
    if chosen & 32 != 0 {
        policy.check_after = vec![second];
        policy.refund_check_after = vec![second, Duration::MAX];
    }
    policy
}

/// Returns a random command. Most commands concern existing orders, because few order numbers are
/// in use.
#[must_use]
pub fn any_command(bytes: &mut Bytes<'_>) -> Command {
    let n = bytes.number(ORDERS);
    if bytes.one_in(16) {
        return any_import(n, bytes);
    }
    fixtures::command(n, any_kind(bytes))
}

/// Returns a random command of any kind except an import.
fn any_kind(bytes: &mut Bytes<'_>) -> CommandKind {
    match bytes.below(24) {
        0..=2 => CommandKind::Create(Box::new(any_new(bytes))),
        3..=5 => CommandKind::Confirm(Box::new(any_payment(bytes))),
        6..=8 => CommandKind::RecordQuery(Box::new(any_state(bytes))),
        9 => CommandKind::RecordPrepay(Box::new(any_prepay(bytes))),
        10 => CommandKind::BeginClose,
        11 => CommandKind::RecordClose(bytes.pick(&[
            CloseReply::Closed,
            CloseReply::OrderPaid,
            CloseReply::NoSuchOrder,
            CloseReply::Retry,
        ])),
        12 => CommandKind::AbortClose,
        13 | 14 => any_resolution(bytes),
        15 => CommandKind::RequestRefund(Box::new(any_request(bytes))),
        16 | 17 => CommandKind::RecordRefund(Box::new(any_fact(bytes))),
        18 => CommandKind::RecordRefundRefused {
            refund: (
                fixtures::refund_no(bytes.number(REFUNDS)),
                any_attempt(bytes),
            )
                .into(),
            code: Label::parse("NOTENOUGH").unwrap(),
        },
        19 if bytes.one_in(2) => CommandKind::Unhide,
        19 => CommandKind::Hide,
        20 => CommandKind::RecordUnanswered,
        21 => CommandKind::RecordRefundUnanswered {
            refund_no: fixtures::refund_no(bytes.number(REFUNDS)),
        },
        22 => CommandKind::EndOrder {
            note: fixtures::note(),
        },
        _ => CommandKind::Annotate {
            version: bytes.number(8),
            metadata: any_metadata(bytes),
        },
    }
}

fn any_fee(bytes: &mut Bytes<'_>) -> Fen {
    bytes.pick(&[100, 100, 100, 100, 99, 1, Fen::MAX.as_u64()].map(fixtures::fen))
}

/// Returns a time near the limits of the policies, or the first or last possible time.
pub(super) fn any_time(bytes: &mut Bytes<'_>) -> Timestamp {
    let seconds = |seconds| fixtures::now().saturating_add(Duration::from_secs(seconds));
    let day = 24 * 60 * 60;
    match bytes.below(12) {
        0..=2 => fixtures::now(),
        3 => seconds(5),
        4 => seconds(300),
        5 => seconds(2 * 60 * 60),
        6 => seconds(7 * day),
        7 => seconds(365 * day),
        8 => Timestamp::EPOCH,
        9 => Timestamp::MAX,
        _ => seconds(bytes.word() % (400 * day)),
    }
}

/// Returns the latest time for a test clock: one second before [`Timestamp::MAX`]. At
/// `Timestamp::MAX` a postponed action would be due at once, because no later time exists.
pub(super) fn clocks_end() -> Timestamp {
    Timestamp::MAX.saturating_sub(Duration::from_secs(1))
}

pub(super) fn any_now(bytes: &mut Bytes<'_>) -> Timestamp {
    any_time(bytes).min(clocks_end())
}

fn maybe<'a, T>(bytes: &mut Bytes<'a>, some: impl FnOnce(&mut Bytes<'a>) -> T) -> Option<T> {
    bytes.one_in(2).then(|| some(bytes))
}

fn any_metadata(bytes: &mut Bytes<'_>) -> Metadata {
    let len = bytes.pick(&[0, 1, 40, 4096]);
    Metadata::new(vec![bytes.byte(); len]).unwrap()
}

fn any_new(bytes: &mut Bytes<'_>) -> NewOrder {
    let fee = any_fee(bytes);
    let mut new = NewOrder::new(fixtures::appid(1), fee).unwrap();
    new.reference = maybe(bytes, |bytes| fixtures::reference(bytes.number(REFERENCES)));
    new.openid = maybe(bytes, |bytes| fixtures::openid(bytes.number(USERS)));
    if bytes.one_in(8) {
        new.channel = channels()[1];
        new.appid = fixtures::appid(2);
        new.mch_id = maybe(bytes, |bytes| fixtures::mch_id(bytes.number(2)));
        new.expires_at = maybe(bytes, any_time);
        new.currency = bytes.pick(&[Currency::default(), Currency::parse("USD").unwrap()]);
        new.description = Description::parse("tea, black").unwrap();
        new.attach = Attach::parse("b").unwrap();
        new.metadata = any_metadata(bytes);
    }
    new
}

fn any_payment(bytes: &mut Bytes<'_>) -> Payment {
    let transaction = fixtures::transaction(bytes.number(TRANSACTIONS));
    let source = bytes.pick(&[
        Source::CALLBACK,
        Source::Query,
        Source::Bill,
        Source::Import,
        Source::Operator,
    ]);
    let fee = any_fee(bytes);
    let mut payment = Payment::new(transaction, fee, any_time(bytes), source).unwrap();
    payment.openid = maybe(bytes, |bytes| fixtures::openid(bytes.number(USERS)));
    if bytes.one_in(8) {
        payment.channel = bytes.pick(&channels());
        payment.currency = bytes.pick(&[Currency::default(), Currency::parse("USD").unwrap()]);
        payment.appid = maybe(bytes, |bytes| fixtures::appid(1 + bytes.number(2)));
        payment.mch_id = maybe(bytes, |bytes| fixtures::mch_id(bytes.number(2)));
        payment.trade_type = maybe(bytes, |_| Label::parse("JSAPI").unwrap());
        payment.payer_total = maybe(bytes, any_fee);
        payment.settlement_total = maybe(bytes, any_fee);
    }
    payment
}

fn any_state(bytes: &mut Bytes<'_>) -> ChannelState {
    match bytes.below(12) {
        0 | 1 => ChannelState::Success(any_payment(bytes)),
        2 | 3 => ChannelState::Refund(any_payment(bytes)),
        4 => ChannelState::NotPay,
        5 => ChannelState::UserPaying,
        6 => ChannelState::Accept,
        7 | 8 => ChannelState::Closed,
        9 => ChannelState::PayError,
        10 => ChannelState::Revoked,
        _ => ChannelState::NoSuchOrder,
    }
}

fn any_prepay(bytes: &mut Bytes<'_>) -> Prepay {
    let kinds = [
        PrepayKind::Jsapi,
        PrepayKind::App,
        PrepayKind::Native,
        PrepayKind::H5,
    ];
    let value = PrepayValue::parse(&format!("wx{:034}", bytes.number(2))).unwrap();
    let mut prepay = Prepay::new(bytes.pick(&kinds), value);
    prepay.valid_until = maybe(bytes, any_time);
    prepay
}

fn any_resolution(bytes: &mut Bytes<'_>) -> CommandKind {
    let anomaly = AnomalyId(u32::try_from(bytes.below(6)).unwrap());
    let how = match bytes.below(3) {
        0 => Resolution::Accept,
        1 => Resolution::Dismiss,
        _ => Resolution::Refund {
            refund_no: fixtures::refund_no(bytes.number(REFUNDS)),
        },
    };
    let note = fixtures::note();
    let reopenings = if bytes.one_in(4) { 1 } else { 0 };
    let anomaly = AnomalyRef {
        id: anomaly,
        reopenings,
    };
    CommandKind::Resolve { anomaly, how, note }
}

fn any_attempt(bytes: &mut Bytes<'_>) -> u32 {
    bytes.pick(&[1, 1, 1, 2, 2, 3])
}

fn any_part(bytes: &mut Bytes<'_>) -> Fen {
    bytes.pick(&[40, 60, 100, 1, Fen::MAX.as_u64()].map(fixtures::fen))
}

fn any_request(bytes: &mut Bytes<'_>) -> NewRefund {
    let transaction = fixtures::transaction(bytes.number(TRANSACTIONS));
    let number = fixtures::refund_no(bytes.number(REFUNDS));
    let new = NewRefund::new(number, transaction, any_part(bytes)).unwrap();
    let new = new.attempt(any_attempt(bytes));
    match bytes.one_in(8) {
        true => new.channel(channels()[1]),
        false => new,
    }
}

fn any_fact(bytes: &mut Bytes<'_>) -> RefundFact {
    let transaction = fixtures::transaction(bytes.number(TRANSACTIONS));
    let number = fixtures::refund_no(bytes.number(REFUNDS));
    let state = bytes.pick(&[
        RefundState::Success,
        RefundState::Processing,
        RefundState::Closed,
        RefundState::Abnormal,
    ]);
    let amount = any_part(bytes);
    let mut fact = RefundFact::new(number, transaction, amount, state).unwrap();
    if bytes.one_in(8) {
        fact = fact.with_channel(channels()[1]);
    }
    if let Some(at) = maybe(bytes, any_time) {
        fact = fact.with_query_sent_at(at);
    }
    match maybe(bytes, any_time) {
        Some(at) => fact.with_success_at(at),
        None => fact,
    }
}

/// Returns a command that imports an order, as another store exports it after a few commands. In
/// half of the orders, one field is changed at random.
fn any_import(n: u64, bytes: &mut Bytes<'_>) -> Command {
    let mut model = Model::new(any_policy(bytes));
    let _ = model.run(fixtures::now(), &fixtures::create(n, any_new(bytes)));
    for _ in 0..bytes.below(6) {
        let kind = any_kind(bytes);
        let _ = model.run(any_now(bytes), &fixtures::command(n, kind));
    }
    let exported = model.order(fixtures::order_no(n)).unwrap();
    let mut order = Order::clone(&exported);
    if bytes.one_in(2) {
        distort(&mut order, bytes);
    }
    let conflict = bytes.pick(&[Conflict::Skip, Conflict::Advance]);
    let kind = CommandKind::Import {
        order: Box::new(order),
        conflict,
    };
    fixtures::command(if bytes.one_in(16) { 0 } else { n }, kind)
}

fn distort(order: &mut Order, bytes: &mut Bytes<'_>) {
    match bytes.below(12) {
        0 => order.status = bytes.pick(&Status::ALL),
        1 => order.late = !order.late,
        2 => order.payment = maybe(bytes, any_payment),
        3 => order.create_time = any_time(bytes),
        4 => order.update_time = any_time(bytes),
        5 => order.hidden_at = maybe(bytes, any_time),
        6 => order.version = bytes.pick(&[0, 1, u64::MAX]),
        7 => order.total_fee = bytes.pick(&[Fen::ZERO, fixtures::fen(1), Fen::MAX]),
        8 => {
            order.refunds = order
                .refunds
                .iter()
                .cycle()
                .take(order.refunds.len() * bytes.below(80))
                .cloned()
                .collect()
        }
        9 => {
            let count = order.anomalies.len() * bytes.below(80);
            order.anomalies = order
                .anomalies
                .iter()
                .cycle()
                .take(count)
                .cloned()
                .collect();
        }
        10 => order.appid = AppId::parse("another").unwrap(),
        _ => order.ended_at = maybe(bytes, any_time),
    }
}
