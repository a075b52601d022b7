//! Commands in the rows of the table of all statuses and commands.

use super::states::stands;
use super::*;
use crate::order::Record;
use crate::types::Metadata;

/// Row of the table: its name, and a function that returns the command. The function may first
/// prepare the store, whose `order-a` has the status of the column.
pub(super) type Row = (&'static str, fn(&mut Oracle) -> CommandKind);

pub(super) fn rows() -> Vec<Row> {
    [
        orders(),
        payments(),
        queries(),
        closes(),
        decisions(),
        refunds(),
        imports(),
    ]
    .concat()
}

fn orders() -> Vec<Row> {
    fn annotated(shop: &Oracle, ago: u64) -> CommandKind {
        let version = shop.record("a").map_or(0, Record::version) - ago;
        let metadata = Metadata::new("m").unwrap();
        CommandKind::Annotate { version, metadata }
    }
    fn referring(shop: &mut Oracle, other: &str, holder: NewOrder) -> CommandKind {
        let _ = shop.create(other, holder.reference(reference("r")));
        create(new().reference(reference("r")))
    }
    vec![
        ("create: the same fields", |_| create(new())),
        ("create: another payer", |_| {
            create(new().openid(openid("aunt")))
        }),
        (
            "create: the reference of a pending order with the same fields",
            |shop| referring(shop, "r", new()),
        ),
        ("create: the reference of another pending order", |shop| {
            referring(shop, "r", new().openid(openid("aunt")))
        }),
        ("create: the reference of a paid order", |shop| {
            let ask = referring(shop, "r", new());
            let _ = shop.confirm("r", paid("R"));
            ask
        }),
        ("annotate: at its version", |shop| annotated(shop, 0)),
        ("annotate: at an older version", |shop| {
            let last = u64::from(shop.record("a").is_some());
            annotated(shop, last)
        }),
        ("record_prepay", |_| prepay("new")),
    ]
}

fn payments() -> Vec<Row> {
    vec![
        ("confirm: X, which fits", |_| confirm(paid("X"))),
        ("confirm: Y, which fits", |_| confirm(paid("Y"))),
        ("confirm: the transaction of another order", |shop| {
            let _ = shop.create("b", new());
            let _ = shop.confirm("b", paid("B"));
            confirm(paid("B"))
        }),
        ("confirm: another payer", |_| confirm(paid_by("Y", "aunt"))),
        ("confirm: another amount", |_| confirm(paid_fen("Y", 99))),
        ("confirm: another amount, again", |shop| {
            let _ = shop.confirm("a", paid_fen("Y", 99));
            confirm(paid_fen("Y", 99))
        }),
    ]
}

fn queries() -> Vec<Row> {
    vec![
        ("record_query: SUCCESS of X", |_| {
            query(ChannelState::Success(paid("X")))
        }),
        ("record_query: REFUND of X", |_| {
            query(ChannelState::Refund(paid("X")))
        }),
        ("record_query: NOTPAY", |_| query(ChannelState::NotPay)),
        ("record_query: USERPAYING", |_| {
            query(ChannelState::UserPaying)
        }),
        ("record_query: ACCEPT", |_| query(ChannelState::Accept)),
        ("record_query: CLOSED", |_| query(ChannelState::Closed)),
        ("record_query: PAYERROR", |_| query(ChannelState::PayError)),
        ("record_query: REVOKED", |_| query(ChannelState::Revoked)),
        ("record_query: no such order", |_| {
            query(ChannelState::NoSuchOrder)
        }),
    ]
}

fn closes() -> Vec<Row> {
    vec![
        ("begin_close", |_| CommandKind::BeginClose),
        ("record_close: Closed", |_| {
            CommandKind::RecordClose(CloseReply::Closed)
        }),
        ("record_close: Closed, believed", |shop| {
            shop.policy.close_needs_query = false;
            CommandKind::RecordClose(CloseReply::Closed)
        }),
        ("record_close: OrderPaid", |_| {
            CommandKind::RecordClose(CloseReply::OrderPaid)
        }),
        ("record_close: NoSuchOrder", |_| {
            CommandKind::RecordClose(CloseReply::NoSuchOrder)
        }),
        ("record_close: Retry", |_| {
            CommandKind::RecordClose(CloseReply::Retry)
        }),
        ("abort_close", |_| CommandKind::AbortClose),
        ("end_order", |_| CommandKind::EndOrder {
            note: Note::default(),
        }),
        ("record_unanswered: when a query is due", |shop| {
            shop.wait(HOUR);
            CommandKind::RecordUnanswered
        }),
    ]
}

fn decisions() -> Vec<Row> {
    vec![
        ("resolve: Accept the first anomaly", |_| {
            resolve(1, Resolution::Accept)
        }),
        ("resolve: Refund the first anomaly", |_| {
            resolve(1, refund("R"))
        }),
        ("resolve: Dismiss the first anomaly", |_| {
            resolve(1, Resolution::Dismiss)
        }),
        ("hide", |_| CommandKind::Hide),
        ("hide: again", |shop| {
            let _ = shop.shows("a", CommandKind::Hide);
            CommandKind::Hide
        }),
        ("unhide", |_| CommandKind::Unhide),
        ("unhide: what was hidden", |shop| {
            let _ = shop.shows("a", CommandKind::Hide);
            CommandKind::Unhide
        }),
    ]
}

fn refunds() -> Vec<Row> {
    use RefundState::{Abnormal, Closed, Processing, Success};
    fn requested(shop: &mut Oracle) {
        let _ = shop.request("a", asked_back("R", "X", 60));
    }
    fn told_of_requested(shop: &mut Oracle, state: RefundState) -> CommandKind {
        requested(shop);
        record_refund(told("R", "X", 60, state))
    }
    vec![
        ("request_refund: a part of X", |_| {
            request_refund(asked_back("R", "X", 60))
        }),
        ("request_refund: the same again", |shop| {
            requested(shop);
            request_refund(asked_back("R", "X", 60))
        }),
        ("request_refund: more than is left of X", |shop| {
            requested(shop);
            request_refund(asked_back("S", "X", 60))
        }),
        (
            "record_refund: PROCESSING of one that was requested",
            |shop| told_of_requested(shop, Processing),
        ),
        ("record_refund: SUCCESS of one that was requested", |shop| {
            told_of_requested(shop, Success)
        }),
        ("record_refund: CLOSED of one that was requested", |shop| {
            told_of_requested(shop, Closed)
        }),
        (
            "record_refund: ABNORMAL of one that was requested",
            |shop| told_of_requested(shop, Abnormal),
        ),
        ("record_refund: SUCCESS again", |shop| {
            let ask = told_of_requested(shop, Success);
            let _ = shop.run(no("a"), ask.clone());
            ask
        }),
        ("record_refund: SUCCESS of another amount", |shop| {
            requested(shop);
            record_refund(told("R", "X", 59, Success))
        }),
        ("record_refund: SUCCESS of one made elsewhere", |_| {
            record_refund(told("E", "X", 60, Success))
        }),
        ("record_refund: SUCCESS of more than X paid", |_| {
            record_refund(told("E", "X", 101, Success))
        }),
        ("record_refund_refused: one that was requested", |shop| {
            requested(shop);
            refuse_refund("R")
        }),
        ("record_refund_unanswered: one that is due", |shop| {
            requested(shop);
            shop.wait(HOUR);
            CommandKind::RecordRefundUnanswered {
                refund_no: RefundNo::parse("R").unwrap(),
            }
        }),
        ("record_refund_refused: one that is processing", |shop| {
            let ask = told_of_requested(shop, Processing);
            let _ = shop.run(no("a"), ask);
            refuse_refund("R")
        }),
    ]
}

fn imports() -> Vec<Row> {
    fn of(column: &str, conflict: Conflict) -> CommandKind {
        let order = Box::new(stands(column).order("a").clone());
        CommandKind::Import { order, conflict }
    }
    vec![
        ("import: paid by X, skip", |_| of("Success", Conflict::Skip)),
        ("import: paid by X, advance", |_| {
            of("Success", Conflict::Advance)
        }),
        ("import: closed, advance", |_| {
            of("Closed", Conflict::Advance)
        }),
    ]
}

/// Checks that the table is complete. This test does not compile after a command, a state or a
/// reply is added. Add its rows then.
#[test]
fn every_command_state_and_reply_has_row() {
    let verb = |ask: &CommandKind| match ask {
        CommandKind::Create(_) => "create",
        CommandKind::Annotate { .. } => "annotate",
        CommandKind::RecordPrepay(_) => "record_prepay",
        CommandKind::Confirm(_) => "confirm",
        CommandKind::RecordQuery(state) => match &**state {
            ChannelState::Success(_) => "record_query: SUCCESS",
            ChannelState::Refund(_) => "record_query: REFUND",
            ChannelState::NotPay => "record_query: NOTPAY",
            ChannelState::UserPaying => "record_query: USERPAYING",
            ChannelState::Accept => "record_query: ACCEPT",
            ChannelState::Closed => "record_query: CLOSED",
            ChannelState::PayError => "record_query: PAYERROR",
            ChannelState::Revoked => "record_query: REVOKED",
            ChannelState::NoSuchOrder => "record_query: no such order",
        },
        CommandKind::RecordUnanswered => "record_unanswered",
        CommandKind::BeginClose => "begin_close",
        CommandKind::RecordClose(reply) => match reply {
            CloseReply::Closed => "record_close: Closed",
            CloseReply::OrderPaid => "record_close: OrderPaid",
            CloseReply::NoSuchOrder => "record_close: NoSuchOrder",
            CloseReply::Retry => "record_close: Retry",
        },
        CommandKind::AbortClose => "abort_close",
        CommandKind::Resolve { how, .. } => match how {
            Resolution::Accept => "resolve: Accept",
            Resolution::Refund { .. } => "resolve: Refund",
            Resolution::Dismiss => "resolve: Dismiss",
        },
        CommandKind::EndOrder { .. } => "end_order",
        CommandKind::Hide => "hide",
        CommandKind::Unhide => "unhide",
        CommandKind::RequestRefund(_) => "request_refund",
        CommandKind::RecordRefund(fact) => match fact.state() {
            RefundState::Processing => "record_refund: PROCESSING",
            RefundState::Success => "record_refund: SUCCESS",
            RefundState::Closed => "record_refund: CLOSED",
            RefundState::Abnormal => "record_refund: ABNORMAL",
        },
        CommandKind::RecordRefundRefused { .. } => "record_refund_refused",
        CommandKind::RecordRefundUnanswered { .. } => "record_refund_unanswered",
        CommandKind::Import { conflict, .. } => match conflict {
            Conflict::Skip => "import: paid by X, skip",
            Conflict::Advance => "import",
        },
    };
    let mut verbs = Vec::new();
    for row in rows() {
        let verb = verb(&row.1(&mut stands("Pending")));
        assert!(row.0.starts_with(verb));
        verbs.push(verb);
    }
    verbs.sort_unstable();
    verbs.dedup();
    assert_eq!(verbs.len(), 35);
}
