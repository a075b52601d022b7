//! Contents of a golden store: at least one of every status, event, anomaly, refund and source.

use std::time::Duration;

use orderstore::testing::fuzz::{Bytes, any_command};
use orderstore::testing::model::Model;
use orderstore::testing::{ManualClock, SeededRng, fixtures};
use orderstore::{
    AnomalyId, AnomalyRef, AppId, Attach, Channel, ChannelState, CloseReply, Command, CommandKind,
    Conflict, Description, Event, EventKind, Label, Metadata, Order, OrderNo, Payment, Prepay,
    PrepayKind, PrepayValue, RefundState, Resolution, Source, Store,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const STATUSES: &[&str] =
    &["wait", "success", "closing", "closed", "failed", "latePaid"];

pub(super) const EVENTS: &[&str] = &[
    "created",
    "annotated",
    "prepayRecorded",
    "checked",
    "closeBegan",
    "closeAborted",
    "closed",
    "failed",
    "paid",
    "paidLate",
    "anomalyRaised",
    "anomalyReclassified",
    "anomalyEnded",
    "anomalyReopened",
    "anomaliesFolded",
    "endedByPerson",
    "hidden",
    "unhidden",
    "refundOpened",
    "refundMoved",
    "imported",
    "refundChecked",
];

pub(super) const ANOMALIES: &[&str] = &[
    "unclaimed",
    "transactionTaken",
    "identityMismatch",
    "amountMismatch",
    "doublePayment",
    "latePayment",
    "refundUnknown",
    "reversed",
    "channelDisagrees",
    "refundDiffers",
    "refundExceeds",
    "refundNoTaken",
    "givenBack",
    "refundDisagrees",
    "refundedElsewhere",
    "accepted",
    "refunded",
    "dismissed",
    "settled",
];

pub(super) const REFUNDS: &[&str] = &[
    "requested",
    "processing",
    "success",
    "closed",
    "abnormal",
    "returned",
];

pub(super) const SOURCES: &[&str] = &["callback", "query", "bill", "import", "operator"];

/// Order that tests use in the opened store. Its order number and transaction follow from `.0`.
#[derive(Clone, Copy)]
pub(super) struct Known(u64);

/// Order that is unpaid in the golden store.
pub(super) const PENDING: Known = Known(100);

/// Order that is paid in the golden store.
pub(super) const PAID: Known = Known(101);

impl Known {
    pub(super) fn no(self) -> OrderNo {
        fixtures::order_no(self.0)
    }

    pub(super) fn payment(self) -> Payment {
        fixtures::payment(self.0, 1990)
    }
}

/// Returns the order numbers that the store itself generated.
pub(super) fn numbers(feed: &[Event]) -> Vec<OrderNo> {
    let is_drawn = |event: &&Event| {
        matches!(event.what, EventKind::Created(_)) && event.no.as_str().len() == 32
    };
    feed.iter().filter(is_drawn).map(|event| event.no).collect()
}

/// Fills the store with groups of two commands, 61 seconds apart. Half of them go into the B-tree
/// through a checkpoint; the rest stays in the journal.
pub(super) fn fill(store: &Store, clock: &ManualClock) {
    let named = named();
    let random = random(150);
    let submit = |commands: &[Command]| {
        for group in commands.chunks(2) {
            clock.advance(Duration::from_secs(61));
            for ticket in store.submit_all(group.to_vec()).unwrap() {
                let _ = ticket.wait().unwrap();
            }
        }
    };
    let (first, second) = named.split_at(named.len() / 2);
    let (early, late) = random.split_at(100);
    submit(early);
    submit(first);
    drawn(store);
    store.checkpoint().wait().unwrap();
    submit(second);
    submit(late);
    drawn(store);
}

/// Creates orders under numbers that the store generates.
fn drawn(store: &Store) {
    for _ in 0..3 {
        let no = store.next_order_no().wait().unwrap();
        let _ = store.create(no, fixtures::new(5)).wait().unwrap();
    }
}

fn random(count: usize) -> Vec<Command> {
    let mut rng = SeededRng::new(1);
    let chosen = |rng: &mut SeededRng| -> Vec<u8> { (0..100).map(|_| rng.next() as u8).collect() };
    let command = |_| any_command(&mut Bytes::new(&chosen(&mut rng)));
    (0..count).map(command).collect()
}

fn on(n: u64, asks: impl IntoIterator<Item = CommandKind>) -> Vec<Command> {
    let no = fixtures::order_no(n);
    asks.into_iter()
        .map(|ask| Command { no, kind: ask })
        .collect()
}

fn create() -> CommandKind {
    CommandKind::Create(Box::new(fixtures::new(1990)))
}

fn confirm(payment: Payment) -> CommandKind {
    CommandKind::Confirm(Box::new(payment))
}

fn pay(n: u64) -> CommandKind {
    confirm(fixtures::payment(n, 1990))
}

fn query(state: ChannelState) -> CommandKind {
    CommandKind::RecordQuery(Box::new(state))
}

fn request_refund(transaction: u64, n: u64, amount: u64) -> CommandKind {
    CommandKind::RequestRefund(Box::new(fixtures::refund_of(transaction, n, amount)))
}

fn record_refund(transaction: u64, n: u64, amount: u64, state: RefundState) -> CommandKind {
    let fact = fixtures::refund_fact(transaction, n, amount, state);
    CommandKind::RecordRefund(Box::new(fact))
}

fn resolve(anomaly: u32, how: Resolution) -> CommandKind {
    CommandKind::Resolve {
        anomaly: AnomalyId(anomaly).into(),
        how,
        note: fixtures::note(),
    }
}

/// Returns commands that produce every status, anomaly and refund state.
fn named() -> Vec<Command> {
    [
        waiting(),
        ending(),
        misfits(),
        refunds(),
        attempts(),
        settled(),
        imported(),
    ]
    .concat()
}

fn waiting() -> Vec<Command> {
    let mut new = fixtures::new(1990).reference(fixtures::reference(1));
    new = new
        .description(Description::parse("two cups of tea, 两杯茶").unwrap())
        .attach(Attach::parse("table 7").unwrap())
        .metadata(Metadata::new([7; 300]).unwrap())
        .mch_id(fixtures::mch_id(1));
    let url = PrepayValue::parse("weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00").unwrap();
    let prepaid = Prepay::new(PrepayKind::Native, url);
    let annotate = CommandKind::Annotate {
        version: 2,
        metadata: Metadata::new("shipped by hand").unwrap(),
    };
    let pending = [
        CommandKind::Create(Box::new(new)),
        CommandKind::RecordPrepay(Box::new(prepaid)),
        annotate,
        query(ChannelState::NotPay),
    ];
    let closing = [create(), CommandKind::BeginClose];
    let again = [create(), CommandKind::BeginClose, CommandKind::AbortClose];
    [
        on(PENDING.0, pending),
        on(102, closing),
        on(103, again),
        on(104, [pay(104)]),
    ]
    .concat()
}

fn ending() -> Vec<Command> {
    let mut whole = PAID.payment();
    let label = |text| Some(Label::parse(text).unwrap());
    whole.source = Source::Callback {
        notify_id: label("EV-2018022511223320873"),
    };
    whole.openid = Some(fixtures::openid(1));
    whole.appid = Some(fixtures::appid(1));
    whole.trade_type = label("JSAPI");
    whole.bank_type = label("OTHERS");
    whole.payer_total = Some(fixtures::fen(1900));
    whole.settlement_total = Some(fixtures::fen(1990));
    let paid = [create(), confirm(whole), CommandKind::Hide];
    let closed = [
        create(),
        query(ChannelState::Closed),
        CommandKind::Hide,
        CommandKind::Unhide,
    ];
    let closed_by_us = [
        create(),
        CommandKind::BeginClose,
        CommandKind::RecordClose(CloseReply::NoSuchOrder),
    ];
    let failed = [create(), query(ChannelState::Revoked)];
    let late = |n| [create(), query(ChannelState::Closed), pay(n)];
    let accepted = resolve(1, Resolution::Accept);
    [
        on(PAID.0, paid),
        on(111, closed),
        on(112, closed_by_us),
        on(113, failed),
        on(114, late(114)),
        on(115, late(115)),
        on(115, [accepted]),
    ]
    .concat()
}

fn misfits() -> Vec<Command> {
    let other_user = |n| {
        let mut payment = fixtures::payment(n, 1990);
        payment.openid = Some(fixtures::openid(2));
        confirm(payment)
    };
    let of = |n, source| {
        let mut payment = fixtures::payment(n, 1990);
        payment.source = source;
        payment
    };
    let taken = [create(), pay(PAID.0)];
    let foreign = [create(), other_user(121), resolve(1, Resolution::Accept)];
    let amount = [
        create(),
        confirm(fixtures::payment(122, 1)),
        resolve(1, Resolution::Dismiss),
        confirm(of(222, Source::Operator)),
        confirm(of(322, Source::Bill)),
    ];
    let refunded = [
        create(),
        query(ChannelState::Refund(of(123, Source::Query))),
    ];
    let reversed = [create(), pay(124), query(ChannelState::Revoked)];
    let disagrees = [create(), pay(125), query(ChannelState::NoSuchOrder)];
    let waited = [confirm(fixtures::payment(126, 5)), create()];
    let settled = [pay(127), create()];
    let given_back = [
        pay(128),
        resolve(
            1,
            Resolution::Refund {
                refund_no: fixtures::refund_no(128),
            },
        ),
        create(),
    ];
    let given_back_unasked = [pay(129), request_refund(129, 129, 1990), create()];
    [
        on(120, taken),
        on(121, foreign),
        on(122, amount),
        on(123, refunded),
        on(124, reversed),
        on(125, disagrees),
        on(126, waited),
        on(127, settled),
        on(128, given_back),
        on(129, given_back_unasked),
    ]
    .concat()
}

fn refunds() -> Vec<Command> {
    use RefundState::{Abnormal, Closed, Processing, Success};
    let first = [
        create(),
        pay(130),
        request_refund(130, 10, 100),
        request_refund(130, 11, 100),
        record_refund(130, 11, 100, Processing),
        record_refund(130, 11, 100, Processing),
        request_refund(130, 12, 100),
        record_refund(130, 12, 100, Success),
        request_refund(130, 13, 100),
        record_refund(130, 13, 100, Abnormal),
        request_refund(130, 14, 100),
        record_refund(130, 14, 100, Closed),
        request_refund(130, 15, 100),
        CommandKind::RecordRefundRefused {
            refund: fixtures::refund_no(15).into(),
            code: Label::parse("NOTENOUGH").unwrap(),
        },
        record_refund(130, 16, 60, Success),
    ];
    let misfits = [
        create(),
        pay(131),
        request_refund(131, 20, 100),
        record_refund(131, 20, 90, Success),
        record_refund(131, 21, 1990, Success),
        record_refund(131, 12, 50, Success),
    ];
    let unknown = [record_refund(132, 30, 50, Processing)];
    [on(130, first), on(131, misfits), on(132, unknown)].concat()
}

/// Returns commands for a refund that is refused, retried and paid, and for a refund of another
/// order's transaction.
fn attempts() -> Vec<Command> {
    let give_back = |n| Resolution::Refund {
        refund_no: fixtures::refund_no(n),
    };
    let reopened = AnomalyRef {
        id: AnomalyId(1),
        reopenings: 1,
    };
    let failed = fixtures::refund_fact(331, 50, 1990, RefundState::Closed);
    let failed = failed.with_query_sent_at(fixtures::now().saturating_add(DAY));
    let retried = [
        create(),
        pay(330),
        pay(331),
        resolve(1, give_back(50)),
        CommandKind::RecordRefundRefused {
            refund: (fixtures::refund_no(50), 1).into(),
            code: Label::parse("NOTENOUGH").unwrap(),
        },
        CommandKind::Resolve {
            anomaly: reopened,
            how: give_back(50),
            note: fixtures::note(),
        },
        record_refund(331, 50, 1990, RefundState::Success),
        CommandKind::RecordRefund(Box::new(failed)),
        resolve(2, Resolution::Accept),
    ];
    let waits = [pay(332), request_refund(332, 51, 1990)];
    let elsewhere = [
        create(),
        pay(332),
        record_refund(332, 52, 10, RefundState::Success),
    ];
    [on(150, retried), on(151, waits), on(152, elsewhere)].concat()
}

/// Returns commands for an order that an operator ended, and for one whose ended anomalies were
/// folded (shortened).
fn settled() -> Vec<Command> {
    let dismiss = |n| resolve(n, Resolution::Dismiss);
    let fen = |n| confirm(fixtures::payment(n, 1));
    let note = fixtures::note();
    let ended = [
        create(),
        fen(333),
        dismiss(1),
        CommandKind::EndOrder { note },
    ];
    let mut folded = vec![create()];
    for place in 1..=64_u32 {
        folded.push(fen(400 + u64::from(place)));
        folded.push(dismiss(place));
    }
    folded.push(fen(500));
    [on(153, ended), on(154, folded)].concat()
}

/// Returns commands that import orders with the age that they had in their former store.
fn imported() -> Vec<Command> {
    let other = Channel::parse("other").unwrap();
    let of_books = |n: u64, asks: &[CommandKind]| {
        let then = fixtures::now().saturating_sub(Duration::from_secs(700 * 24 * 3600));
        let mut books = Model::default();
        let new = fixtures::new(1990).channel(other);
        let _ = books.run(then, &fixtures::create(n, new));
        for command in on(n, asks.to_vec()) {
            let _ = books.run(then.saturating_add(Duration::from_secs(60)), &command);
        }
        let order = books.order(fixtures::order_no(n)).unwrap();
        let mut order = Order::clone(&order);
        order.appid = AppId::parse("wxd2565e6a04246fd1").unwrap();
        let ask = CommandKind::Import {
            order: Box::new(order),
            conflict: Conflict::Skip,
        };
        on(n, [ask])
    };
    let mut payment = fixtures::payment(141, 1990);
    payment.channel = other;
    payment.source = Source::Import;
    let back = orderstore::NewRefund::new(
        fixtures::refund_no(40),
        fixtures::transaction(141),
        fixtures::fen(500),
    );
    let back = CommandKind::RequestRefund(Box::new(back.unwrap().channel(other)));
    [
        of_books(140, &[]),
        of_books(141, &[confirm(payment), back, CommandKind::Hide]),
        of_books(142, &[query(ChannelState::Closed)]),
    ]
    .concat()
}
