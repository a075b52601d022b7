//! Random commands on few order numbers, so that they conflict, and a way to run each of them.

use std::sync::Arc;
use std::time::Duration;

use orderstore::testing::fixtures;
use orderstore::testing::model::Model;
use orderstore::{
    AnomalyId, AnomalyRef, Call, Channel, ChannelState, CloseReply, Command, CommandKind, Conflict,
    Error, Fen, Label, Metadata, NewOrder, NewRefund, Order, OrderNo, Outcome, Payment, Prepay,
    RefundAttempt, RefundFact, RefundState, Reply, Resolution, Store, Timestamp,
};
use proptest::prelude::{Just, Strategy, prop_oneof};

/// Number of order numbers that the commands use.
pub(super) const ORDERS: u64 = 5;
pub(super) const TRANSACTIONS: u64 = 4;
pub(super) const REFERENCES: u64 = 2;
pub(super) const REFUNDS: u64 = 3;
pub(super) const USERS: u64 = 3;

pub(super) fn other_channel() -> Channel {
    Channel::parse("other").unwrap()
}

pub(super) fn any_command() -> impl Strategy<Value = Command> {
    (0..ORDERS, any_ask()).prop_map(|(n, ask)| match ask {
        CommandKind::Import { order, conflict } => {
            let no = order.no;
            let ask = CommandKind::Import { order, conflict };
            Command { no, kind: ask }
        }
        ask => fixtures::command(n, ask),
    })
}

fn any_ask() -> impl Strategy<Value = CommandKind> {
    let query = |state: ChannelState| CommandKind::RecordQuery(Box::new(state));
    prop_oneof![
        20 => any_new().prop_map(|new| CommandKind::Create(Box::new(new))),
        20 => any_payment().prop_map(|payment| CommandKind::Confirm(Box::new(payment))),
        12 => any_state().prop_map(query),
        5 => any_prepay().prop_map(|prepay| CommandKind::RecordPrepay(Box::new(prepay))),
        3 => Just(CommandKind::RecordUnanswered),
        4 => Just(CommandKind::BeginClose),
        4 => any_reply().prop_map(CommandKind::RecordClose),
        2 => Just(CommandKind::AbortClose),
        8 => any_resolution(),
        8 => any_request().prop_map(|new| CommandKind::RequestRefund(Box::new(new))),
        4 => any_import(),
        8 => any_fact().prop_map(|fact| CommandKind::RecordRefund(Box::new(fact))),
        2 => (0..REFUNDS, any_attempt()).prop_map(|(n, attempt)| CommandKind::RecordRefundRefused {
            refund: (fixtures::refund_no(n), attempt).into(),
            code: Label::parse("NOTENOUGH").unwrap(),
        }),
        2 => (0..REFUNDS).prop_map(|n| CommandKind::RecordRefundUnanswered {
            refund_no: fixtures::refund_no(n),
        }),
        2 => Just(CommandKind::EndOrder { note: fixtures::note() }),
        2 => Just(CommandKind::Hide),
        1 => Just(CommandKind::Unhide),
        3 => (1..8_u64).prop_map(|version| CommandKind::Annotate {
            version,
            metadata: Metadata::new(version.to_le_bytes()).unwrap(),
        }),
    ]
}

fn maybe<T: std::fmt::Debug>(some: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

fn any_fee() -> impl Strategy<Value = Fen> {
    prop_oneof![6 => Just(100), 1 => Just(99)].prop_map(fixtures::fen)
}

fn any_channel() -> impl Strategy<Value = Channel> {
    prop_oneof![9 => Just(Channel::WECHAT), 1 => Just(other_channel())]
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..3_u64).prop_map(|hours| {
        let later = Duration::from_secs(hours * 60 * 60);
        fixtures::now().saturating_add(later)
    })
}

fn any_new() -> impl Strategy<Value = NewOrder> {
    let references = maybe(0..REFERENCES);
    let fields = (any_fee(), maybe(0..USERS), references, any_channel());
    (fields, maybe(any_time())).prop_map(|((fee, user, reference, channel), expiry)| {
        let new = NewOrder::new(fixtures::appid(1), fee)
            .unwrap()
            .channel(channel);
        let new = user.map_or(new.clone(), |n| new.openid(fixtures::openid(n)));
        let with = |n| new.clone().reference(fixtures::reference(n));
        let new = reference.map_or(new.clone(), with);
        expiry.map_or(new.clone(), |moment| new.expires_at(moment))
    })
}

fn any_payment() -> impl Strategy<Value = Payment> {
    let facts = (0..TRANSACTIONS, any_fee(), any_time(), any_channel());
    (facts, maybe(0..USERS)).prop_map(|((n, fee, time_end, channel), user)| {
        let mut payment = fixtures::payment(n, fee.as_u64());
        payment.time_end = time_end;
        payment.channel = channel;
        payment.openid = user.map(fixtures::openid);
        payment
    })
}

fn any_request() -> impl Strategy<Value = NewRefund> {
    let amounts = prop_oneof![Just(40_u64), Just(60), Just(100)];
    let facts = (0..TRANSACTIONS, 0..REFUNDS, amounts, any_channel());
    (facts, any_attempt()).prop_map(|((transaction, n, amount, channel), attempt)| {
        let refund = fixtures::refund_of(transaction, n, amount);
        refund.channel(channel).attempt(attempt)
    })
}

fn any_attempt() -> impl Strategy<Value = u32> {
    prop_oneof![5 => Just(1), 3 => Just(2), 1 => Just(3)]
}

fn any_fact() -> impl Strategy<Value = RefundFact> {
    let states = prop_oneof![
        2 => Just(RefundState::Processing),
        3 => Just(RefundState::Success),
        2 => Just(RefundState::Closed),
        1 => Just(RefundState::Abnormal),
    ];
    let amounts = prop_oneof![Just(40_u64), Just(60), Just(100)];
    let facts = (0..TRANSACTIONS, 0..REFUNDS, amounts, states);
    let times = (maybe(any_time()), maybe(any_time()));
    (facts, any_channel(), times).prop_map(|(facts, channel, (success_at, sent_at))| {
        let (transaction, n, amount, state) = facts;
        let fact = fixtures::refund_fact(transaction, n, amount, state).with_channel(channel);
        let fact = sent_at.map_or(fact.clone(), |at| fact.with_query_sent_at(at));
        success_at.map_or(fact.clone(), |at| fact.with_success_at(at))
    })
}

/// Generates an import of an order in the state that a few commands on another store produce.
fn any_import() -> impl Strategy<Value = CommandKind> {
    let payment = maybe(any_payment()).prop_map(|p| p.map(|p| CommandKind::Confirm(Box::new(p))));
    let closed = maybe(Just(CommandKind::RecordQuery(Box::new(
        ChannelState::Closed,
    ))));
    let request =
        maybe(any_request()).prop_map(|r| r.map(|r| CommandKind::RequestRefund(Box::new(r))));
    let fact = maybe(any_fact()).prop_map(|f| f.map(|f| CommandKind::RecordRefund(Box::new(f))));
    let conflicts = prop_oneof![Just(Conflict::Skip), Just(Conflict::Advance)];
    let path = (any_new(), closed, payment, request, fact);
    (0..ORDERS, path, conflicts).prop_map(|(n, (new, closed, payment, request, fact), conflict)| {
        let mut books = Model::default();
        let asks = [closed, payment, request, fact].into_iter().flatten();
        let _ = books.run(fixtures::now(), &fixtures::create(n, new));
        for ask in asks {
            let _ = books.run(fixtures::now(), &fixtures::command(n, ask));
        }
        let order = Box::new(Order::clone(&books.order(fixtures::order_no(n)).unwrap()));
        CommandKind::Import { order, conflict }
    })
}

fn any_state() -> impl Strategy<Value = ChannelState> {
    prop_oneof![
        3 => any_payment().prop_map(ChannelState::Success),
        2 => any_payment().prop_map(ChannelState::Refund),
        2 => Just(ChannelState::NotPay),
        1 => Just(ChannelState::UserPaying),
        1 => Just(ChannelState::Accept),
        2 => Just(ChannelState::Closed),
        1 => Just(ChannelState::PayError),
        1 => Just(ChannelState::Revoked),
        2 => Just(ChannelState::NoSuchOrder),
    ]
}

fn any_prepay() -> impl Strategy<Value = Prepay> {
    (0..2_u64, maybe(any_time())).prop_map(|(n, end)| {
        let prepay = fixtures::prepay(n);
        end.map_or(prepay.clone(), |end| prepay.valid_until(end))
    })
}

fn any_reply() -> impl Strategy<Value = CloseReply> {
    prop_oneof![
        Just(CloseReply::Closed),
        Just(CloseReply::OrderPaid),
        Just(CloseReply::NoSuchOrder),
        Just(CloseReply::Retry),
    ]
}

fn any_resolution() -> impl Strategy<Value = CommandKind> {
    let how = prop_oneof![
        Just(Resolution::Accept),
        Just(Resolution::Dismiss),
        (0..REFUNDS).prop_map(|n| Resolution::Refund {
            refund_no: fixtures::refund_no(n)
        }),
    ];
    let reopenings = prop_oneof![4 => Just(0), 1 => Just(1)];
    (1..5_u32, reopenings, how).prop_map(|(anomaly, reopenings, how)| CommandKind::Resolve {
        anomaly: AnomalyRef {
            id: AnomalyId(anomaly),
            reopenings,
        },
        how,
        note: fixtures::note(),
    })
}

/// Outcome, order and acknowledgement of a reply.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    outcome: Outcome,
    order: Option<Arc<Order>>,
    acknowledge: bool,
}

impl From<Reply<Outcome>> for Heard {
    fn from(answered: Reply<Outcome>) -> Self {
        Self {
            acknowledge: answered.should_acknowledge(),
            outcome: answered.outcome,
            order: answered.order,
        }
    }
}

/// Runs a command through its store method and returns the reply.
pub(super) fn say(store: &Store, command: &Command, by: impl By) -> Heard {
    let no = command.no;
    match command.kind.clone() {
        CommandKind::Create(new) => heard(by.hear(store.create(no, *new)), Outcome::Create),
        CommandKind::Annotate { version, metadata } => {
            let call = store.annotate(no, version, metadata);
            heard(by.hear(call), Outcome::Annotate)
        }
        CommandKind::RecordPrepay(prepay) => {
            let call = store.record_prepay(no, *prepay);
            heard(by.hear(call), Outcome::RecordPrepay)
        }
        CommandKind::Confirm(payment) => {
            heard(by.hear(store.confirm(no, *payment)), Outcome::Confirm)
        }
        CommandKind::RecordQuery(state) => {
            let call = store.record_query(no, *state);
            heard(by.hear(call), Outcome::RecordQuery)
        }
        CommandKind::RecordUnanswered => {
            heard(by.hear(store.record_unanswered(no)), Outcome::RecordQuery)
        }
        CommandKind::BeginClose => heard(by.hear(store.begin_close(no)), Outcome::Close),
        CommandKind::RecordClose(reply) => {
            heard(by.hear(store.record_close(no, reply)), Outcome::Close)
        }
        CommandKind::AbortClose => heard(by.hear(store.abort_close(no)), Outcome::Close),
        CommandKind::Resolve { anomaly, how, note } => {
            let call = store.resolve(no, anomaly, how, note);
            heard(by.hear(call), Outcome::Resolve)
        }
        CommandKind::RequestRefund(new) => {
            let call = store.request_refund(no, *new);
            heard(by.hear(call), Outcome::RequestRefund)
        }
        CommandKind::RecordRefund(fact) => {
            let call = store.record_refund(no, *fact);
            heard(by.hear(call), Outcome::RecordRefund)
        }
        CommandKind::EndOrder { note } => heard(by.hear(store.end_order(no, note)), Outcome::Close),
        CommandKind::RecordRefundRefused { refund, code } => {
            let RefundAttempt { refund_no, attempt } = refund;
            let call = store.record_refund_refused(no, (refund_no, attempt), code);
            heard(by.hear(call), Outcome::RefuseRefund)
        }
        CommandKind::RecordRefundUnanswered { refund_no } => {
            let call = store.record_refund_unanswered(no, refund_no);
            heard(by.hear(call), Outcome::RefundUnanswered)
        }
        CommandKind::Import { order, conflict } => {
            heard(by.hear(store.import(*order, conflict)), Outcome::Import)
        }
        CommandKind::Hide => heard(by.hear(store.hide(no)), Outcome::Visibility),
        CommandKind::Unhide => heard(by.hear(store.unhide(no)), Outcome::Visibility),
        other => panic!("no store method for {other:?}"),
    }
}

fn heard<O: Send + 'static>(answered: Reply<O>, outcome: fn(O) -> Outcome) -> Heard {
    Heard {
        acknowledge: answered.should_acknowledge(),
        outcome: outcome(answered.outcome),
        order: answered.order,
    }
}

/// Way in which the test runs a call: with `wait` or with `submit`.
pub(super) trait By {
    fn hear<O: Send + 'static>(&self, call: Call<Reply<O>>) -> Reply<O>;
}

/// Runs a call with `wait`.
pub(super) struct ByWaiting;

/// Runs a call with `submit` and waits for the ticket.
pub(super) struct BySubmitting;

impl By for ByWaiting {
    fn hear<O: Send + 'static>(&self, call: Call<Reply<O>>) -> Reply<O> {
        call.wait().unwrap()
    }
}

impl By for BySubmitting {
    fn hear<O: Send + 'static>(&self, call: Call<Reply<O>>) -> Reply<O> {
        let ticket = call.submit().map_err(Error::from).unwrap();
        ticket.wait().unwrap()
    }
}

pub(super) fn every_order_no() -> Vec<OrderNo> {
    (0..ORDERS).map(fixtures::order_no).collect()
}
