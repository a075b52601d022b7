//! Random commands on a few order numbers that share transactions, references and refund
//! numbers. [`Oracle`] checks the invariants after each command.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::types::Metadata;

#[derive(Debug, Clone)]
enum Step {
    Run(&'static str, CommandKind),
    Wait(Duration),
    TurnBack(Duration),
}

pub(super) fn payments() -> impl Strategy<Value = Payment> {
    let payers = select(vec![None, Some("user"), Some("user"), Some("aunt")]);
    let amounts = select(vec![100, 100, 100, 99]);
    let transaction = select(vec!["X", "Y", "Z", "W"]);
    let facts = (transaction, amounts, payers, prop::bool::weighted(0.1));
    facts.prop_map(|(transaction, amount, payer, elsewhere)| {
        let mut payment = paid_fen(transaction, amount);
        payment.openid = payer.map(openid);
        if elsewhere {
            payment.channel = alipay();
        }
        payment
    })
}

fn new_orders() -> impl Strategy<Value = NewOrder> {
    let references = select(vec![None, Some("r"), Some("s")]);
    let lives = select(vec![None, Some(HOUR)]);
    let facts = (references, lives, prop::bool::weighted(0.2));
    facts.prop_map(|(order, life, other)| {
        let mut offer = if other {
            new().openid(openid("aunt"))
        } else {
            new()
        };
        offer.reference = order.map(reference);
        offer.expires_at = life.map(|life| start().saturating_add(life));
        offer
    })
}

fn prepays() -> impl Strategy<Value = Prepay> {
    let kinds = select(vec![PrepayKind::Jsapi, PrepayKind::H5]);
    let ends = select(vec![None, Some(start().saturating_add(HOUR))]);
    (kinds, select(vec!["p", "q"]), ends).prop_map(|(kind, value, end)| {
        let prepay = new_prepay(kind, value);
        end.map_or(prepay.clone(), |end| prepay.valid_until(end))
    })
}

fn states() -> impl Strategy<Value = ChannelState> {
    use ChannelState::{Accept, Closed, NoSuchOrder, NotPay, PayError, Revoked, UserPaying};
    let unpaid = vec![
        NotPay,
        UserPaying,
        Accept,
        Closed,
        PayError,
        Revoked,
        NoSuchOrder,
    ];
    prop_oneof![
        2 => payments().prop_map(ChannelState::Success),
        2 => payments().prop_map(ChannelState::Refund),
        5 => select(unpaid),
    ]
}

fn decisions() -> impl Strategy<Value = Resolution> {
    let how = vec![
        Resolution::Accept,
        Resolution::Dismiss,
        refund("R"),
        refund("S"),
    ];
    select(how)
}

fn requests() -> impl Strategy<Value = NewRefund> {
    let facts = (
        select(vec!["R", "S", "T"]),
        select(vec!["X", "Y"]),
        select(vec![40, 60, 100]),
    );
    (facts, select(vec![1, 1, 2, 3])).prop_map(|((number, transaction, amount), attempt)| {
        new_refund(number, transaction, amount).attempt(attempt)
    })
}

fn facts() -> impl Strategy<Value = RefundFact> {
    use RefundState::{Abnormal, Closed, Processing, Success};
    let states = select(vec![Processing, Success, Success, Closed, Abnormal]);
    let numbers = select(vec!["R", "S", "T", "E"]);
    let sent = select(vec![
        None,
        Some(start()),
        Some(start().saturating_add(HOUR)),
    ]);
    let sent = prop_oneof![2 => sent, 1 => Just(Some(Timestamp::MAX))];
    let facts = (requests(), numbers, states, prop::bool::weighted(0.1), sent);
    facts.prop_map(|(new, number, state, elsewhere, sent)| {
        let fact = report(
            number,
            new.transaction_id.as_str(),
            new.amount.as_u64(),
            state,
        );
        let fact = match sent {
            Some(moment) => fact.with_query_sent_at(moment),
            None => fact,
        };
        if elsewhere {
            fact.with_channel(alipay())
        } else {
            fact
        }
    })
}

/// Strategy for imports of orders that another store created by the same rules.
fn imports() -> impl Strategy<Value = CommandKind> {
    let paths = (
        select(vec!["a", "b", "c"]),
        new_orders(),
        payments(),
        facts(),
    );
    let conflicts = select(vec![Conflict::Skip, Conflict::Advance]);
    let lives = (any::<bool>(), any::<bool>(), any::<bool>());
    (paths, conflicts, lives).prop_map(|((text, new, payment, fact), conflict, lives)| {
        let mut source = Oracle::open();
        let _ = source.create(text, new);
        let (closed, paid, refunded) = lives;
        if closed {
            let _ = source.query(text, ChannelState::Closed);
        }
        if paid {
            let _ = source.confirm(text, payment);
        }
        if refunded {
            let _ = source.record_refund(text, fact);
        }
        let order = Box::new(source.order(text).clone());
        CommandKind::Import { order, conflict }
    })
}

pub(super) fn commands() -> impl Strategy<Value = CommandKind> {
    use CloseReply::{Closed, NoSuchOrder, OrderPaid, Retry};
    let metadata = Metadata::new("m").unwrap();
    prop_oneof![
        4 => new_orders().prop_map(create),
        1 => (0_u64..6).prop_map(move |version| CommandKind::Annotate {
            version,
            metadata: metadata.clone()
        }),
        2 => prepays().prop_map(|prepay| CommandKind::RecordPrepay(Box::new(prepay))),
        6 => payments().prop_map(confirm),
        6 => states().prop_map(query),
        2 => Just(CommandKind::BeginClose),
        2 => select(vec![Closed, OrderPaid, NoSuchOrder, Retry]).prop_map(CommandKind::RecordClose),
        1 => Just(CommandKind::AbortClose),
        5 => (0_u32..6, decisions()).prop_map(|(id, how)| resolve(id, how)),
        2 => (0_u32..6, decisions()).prop_map(|(id, how)| resolve_reopened(id, how)),
        1 => Just(CommandKind::RecordUnanswered),
        1 => Just(CommandKind::EndOrder { note: Note::default() }),
        1 => select(vec!["R", "S", "E"]).prop_map(|number| CommandKind::RecordRefundUnanswered {
            refund_no: RefundNo::parse(number).unwrap(),
        }),
        4 => requests().prop_map(request_refund),
        6 => facts().prop_map(record_refund),
        1 => select(vec!["R", "S", "E"]).prop_map(refuse_refund),
        2 => imports(),
        1 => Just(CommandKind::Hide),
        1 => Just(CommandKind::Unhide),
    ]
}

/// Returns the command to resolve an anomaly that was reopened once.
fn resolve_reopened(id: u32, how: Resolution) -> CommandKind {
    let anomaly = AnomalyRef {
        id: AnomalyId(id),
        reopenings: 1,
    };
    let note = Note::default();
    CommandKind::Resolve { anomaly, how, note }
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (select(vec!["a", "b", "c"]), commands()).prop_map(|(no, kind)| Step::Run(no, kind)),
        2 => select(vec![SECOND, MINUTE * 5, HOUR, WEEK]).prop_map(Step::Wait),
        1 => select(vec![SECOND, HOUR]).prop_map(Step::TurnBack),
    ]
}

fn stores() -> impl Strategy<Value = Oracle> {
    let close_after = select(vec![Duration::ZERO, MINUTE * 5]);
    (any::<bool>(), any::<bool>(), close_after).prop_map(|(strict, needs_query, close_after)| {
        let mut store = Oracle::open();
        store.policy.strict = strict;
        store.policy.close_needs_query = needs_query;
        store.policy.close_after = close_after;
        store
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_commands_violate_no_invariant(
        mut store in stores(),
        steps in prop::collection::vec(steps(), 1..60),
    ) {
        for step in steps {
            match step {
                Step::Run(text, command) => {
                    let number = match &command {
                        CommandKind::Import { order, .. } => order.no,
                        _ => no(text),
                    };
                    let _ = store.run_and_check(number, command);
                }
                Step::Wait(time) => store.wait(time),
                Step::TurnBack(time) => store.set_clock_back(time),
            }
        }
    }
}
