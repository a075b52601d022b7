//! Folding of random event lists, including lists that no store would write. Readers, `verify` and
//! all commands must handle the resulting record without a panic.

use proptest::prelude::*;
use proptest::sample::select;

use super::random::{commands, payments};
use super::*;
use crate::order::{
    ActionKind, Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyKind, AnomalyRaised, Event, EventKind,
    IdentityField, NextAction, Order, OrderCreated, Record, Refund, RefundStatus, Reopening,
    Status, TradeState,
};
use crate::rules::{evolve, index_entries, unique_keys};
use crate::testing::check_decision;
use crate::types::Metadata;
use crate::verify::VerifyReport;

fn timestamps() -> impl Strategy<Value = Timestamp> {
    select(vec![Timestamp::EPOCH, start(), Timestamp::MAX])
}

fn next_actions() -> impl Strategy<Value = NextAction> {
    let action = select(vec![
        ActionKind::Query,
        ActionKind::AskClose,
        ActionKind::QueryRefund,
    ]);
    (timestamps(), action).prop_map(|(at, action)| NextAction { at, action })
}

fn kinds() -> impl Strategy<Value = AnomalyKind> {
    let refund_no = RefundNo::parse("R").unwrap();
    let other = refund_no.clone();
    let available = Fen::ZERO;
    select(vec![
        AnomalyKind::Unclaimed,
        AnomalyKind::TransactionTaken { by: no("a") },
        AnomalyKind::IdentityMismatch {
            field: IdentityField::Openid,
        },
        AnomalyKind::AmountMismatch {
            expected: fen(100),
            found: Fen::MAX,
        },
        AnomalyKind::DoublePayment {
            first: TransactionId::parse("X").unwrap(),
        },
        AnomalyKind::LatePayment,
        AnomalyKind::RefundUnknown,
        AnomalyKind::Reversed,
        AnomalyKind::ChannelDisagrees {
            state: TradeState::NoSuchOrder,
        },
        AnomalyKind::RefundDiffers {
            refund_no: refund_no.clone(),
        },
        AnomalyKind::RefundExceeds {
            refund_no: refund_no.clone(),
            available,
        },
        AnomalyKind::RefundNoTaken {
            refund_no,
            by: no("a"),
        },
        AnomalyKind::GivenBack { by: None },
        AnomalyKind::GivenBack { by: Some(no("b")) },
        AnomalyKind::RefundDisagrees {
            refund_no: other.clone(),
        },
        AnomalyKind::RefundedElsewhere {
            refund_no: other,
            by: no("b"),
        },
    ])
}

fn ends() -> impl Strategy<Value = AnomalyEndKind> {
    let refund_no = RefundNo::parse("R").unwrap();
    let refunded = AnomalyEndKind::Refunded { refund_no };
    select(vec![
        AnomalyEndKind::Accepted,
        AnomalyEndKind::Dismissed,
        AnomalyEndKind::Settled,
        refunded,
    ])
}

fn refunds() -> impl Strategy<Value = Refund> {
    use RefundStatus::{Abnormal, Closed, Processing, Requested, Returned, Success};
    let status = select(vec![
        Requested, Processing, Success, Closed, Abnormal, Returned,
    ]);
    let amount = select(vec![fen(1), fen(100), Fen::MAX]);
    let numbers = select(vec!["R", "S"]);
    (payments(), numbers, status, amount, timestamps()).prop_map(
        |(payment, number, status, amount, at)| {
            let number = RefundNo::parse(number).unwrap();
            let mut refund = Refund::of_payment(&payment, (number, amount), at, at);
            (refund.status, refund.success_at) = (status, Some(at));
            (refund.ended_at, refund.asked) = (Some(at), Some(Fen::MAX));
            refund
        },
    )
}

fn anomalies() -> impl Strategy<Value = Anomaly> {
    let id = select(vec![0, 1, 2, u32::MAX]);
    let end = prop::option::of((ends(), timestamps()));
    let payment = prop::option::of(payments());
    let refund = prop::option::of(refunds());
    let reopenings = select(vec![0, 1, u32::MAX]);
    let facts = (id, kinds(), payment, refund, timestamps(), end);
    (facts, any::<bool>(), reopenings).prop_map(
        |((id, kind, payment, refund, raised_at, end), folded, count)| Anomaly {
            folded,
            reopening: (count > 0).then(|| Reopening {
                count,
                at: raised_at,
                refund_no: RefundNo::parse("R").unwrap(),
            }),
            id: AnomalyId(id),
            kind,
            payment,
            refund,
            raised_at,
            end: end.map(|(how, at)| AnomalyEnd {
                at,
                how,
                note: Note::default(),
            }),
        },
    )
}

fn creations() -> impl Strategy<Value = OrderCreated> {
    (timestamps(), next_actions(), prop::option::of(Just("r"))).prop_map(
        |(expires_at, next, order)| {
            let new = new();
            OrderCreated {
                channel: new.channel,
                appid: new.appid,
                mch_id: new.mch_id,
                openid: new.openid,
                total_fee: new.total_fee,
                currency: new.currency,
                description: new.description,
                attach: new.attach,
                reference: order.map(reference),
                metadata: new.metadata,
                expires_at,
                next,
            }
        },
    )
}

fn orders() -> impl Strategy<Value = Order> {
    let parts = (
        creations(),
        timestamps(),
        select(Status::ALL.to_vec()),
        prop::option::of(payments()),
        prop::collection::vec(anomalies(), 0..70),
        prop::collection::vec(refunds(), 0..4),
    );
    parts.prop_map(|(creation, at, status, payment, anomalies, refunds)| {
        let what = EventKind::Created(Box::new(creation));
        let event = Event {
            no: no("a"),
            version: u64::MAX,
            at,
            what,
        };
        let born = evolve(None, &event).into_order().unwrap();
        let mut order = Order::clone(&born);
        (order.status, order.payment) = (status, payment);
        (order.anomalies, order.refunds) = (anomalies, refunds);
        order.checks = u32::MAX;
        order
    })
}

fn event_kinds() -> impl Strategy<Value = EventKind> {
    let id = || select(vec![0, 1, 2, u32::MAX]).prop_map(AnomalyId);
    let raised = (
        kinds(),
        prop::option::of(payments()),
        prop::option::of(refunds()),
    );
    prop_oneof![
        creations().prop_map(|creation| EventKind::Created(Box::new(creation))),
        orders().prop_map(|order| EventKind::Imported(Box::new(order))),
        Just(EventKind::Annotated(Metadata::default())),
        Just(EventKind::PrepayRecorded(new_prepay(PrepayKind::App, "p"))),
        (prop::option::of(next_actions()), any::<bool>())
            .prop_map(|(next, counted)| EventKind::Checked { next, counted }),
        next_actions().prop_map(|next| EventKind::CloseBegan { next }),
        next_actions().prop_map(|next| EventKind::CloseAborted { next }),
        select(vec![
            EventKind::Closed,
            EventKind::Failed,
            EventKind::AnomaliesFolded,
            EventKind::EndedByPerson {
                note: Note::default(),
            },
            EventKind::Hidden,
            EventKind::Unhidden
        ]),
        payments().prop_map(|payment| EventKind::Paid(Box::new(payment))),
        payments().prop_map(|payment| EventKind::PaidLate(Box::new(payment))),
        raised.prop_map(|(kind, payment, refund)| {
            EventKind::AnomalyRaised(Box::new(AnomalyRaised {
                kind,
                payment,
                refund,
            }))
        }),
        (id(), kinds()).prop_map(|(id, kind)| EventKind::AnomalyReclassified { id, kind }),
        (id(), ends()).prop_map(|(id, how)| {
            let note = Note::default();
            EventKind::AnomalyEnded { id, how, note }
        }),
        refunds().prop_map(|refund| EventKind::RefundOpened(Box::new(refund))),
        refunds().prop_map(|refund| EventKind::RefundMoved(Box::new(refund))),
        refunds().prop_map(|refund| EventKind::RefundChecked {
            channel: refund.channel,
            refund_no: refund.refund_no,
            next_check: refund.ended_at.filter(|at| *at > Timestamp::EPOCH),
            counted: true,
        }),
        (id(), Just(RefundNo::parse("R").unwrap()))
            .prop_map(|(id, refund_no)| EventKind::AnomalyReopened { id, refund_no }),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let numbers = select(vec![no("a"), no("b")]);
    let versions = select(vec![0, 1, 2, u64::MAX]);
    (numbers, versions, timestamps(), event_kinds()).prop_map(|(no, version, at, what)| Event {
        no,
        version,
        at,
        what,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn record_built_from_any_events_accepts_commands(
        events in prop::collection::vec(events(), 1..12),
        commands in prop::collection::vec(commands(), 1..8),
        now in timestamps(),
    ) {
        let fold = |record: Option<Record>, event| Some(evolve(record, event));
        let record = events.iter().fold(None, fold).unwrap();
        prop_assert_eq!(Some(record.clone()), events.iter().fold(None, fold));
        prop_assert_eq!(record.version(), events.last().unwrap().version);
        VerifyReport::default().check_record(&record, &events);
        let _ = (index_entries(&record), unique_keys(&record).count());
        for command in commands {
            check_decision(&record, command, now);
        }
    }
}

fn after(record: &Record, what: EventKind) -> Record {
    let event = Event {
        no: record.no(),
        version: record.version() + 1,
        at: start(),
        what,
    };
    evolve(Some(record.clone()), &event)
}

#[test]
fn import_keeps_numbers_of_existing_anomalies() {
    let mut waiting = Oracle::open();
    let _ = waiting.confirm("a", paid("X"));
    let _ = waiting.resolve("a", 1, refund("R"));
    let mut other = Oracle::with_order();
    let _ = other.confirm("a", paid_fen("Y", 1));
    let _ = other.confirm("a", paid_fen("Z", 1));
    let mut order = other.order("a").clone();
    let waited = waiting.record("a").unwrap();
    for known in [false, true] {
        if known {
            order.refunds = waited.refunds().to_vec();
        }
        let taken = after(waited, EventKind::Imported(Box::new(order.clone())));
        let ids: Vec<u32> = taken.anomalies().iter().map(|a| a.id.0).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(taken.anomalies()[..1], *waited.anomalies());
        assert_eq!(taken.refunds(), waited.refunds());
        assert_eq!(taken.version(), waited.version() + 1);
    }
}

#[test]
fn refund_event_changes_only_refund_of_same_channel() {
    let number = || RefundNo::parse("R").unwrap();
    let mut elsewhere = paid("X");
    elsewhere.channel = alipay();
    let facts = || (number(), fen(100));
    let of = |payment: &Payment| Refund::of_payment(payment, facts(), start(), start());
    let (here, mut there) = (of(&paid("X")), of(&elsewhere));
    let mut record = Oracle::with_order().record("a").unwrap().clone();
    for refund in [&here, &there] {
        record = after(&record, EventKind::RefundOpened(Box::new(refund.clone())));
    }
    there.status = RefundStatus::Success;
    record = after(&record, EventKind::RefundMoved(Box::new(there.clone())));
    assert_eq!(record.refunds(), [here, there]);
}
