//! Commands of the table of all statuses and commands, one per row.

use super::states::store_in_column;
use super::*;
use crate::order::Record;
use crate::types::Metadata;

/// Row of the table: a name, and a function that returns the command for a store whose `order-a`
/// has the status of the column. The function may run other commands on the store first.
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
    fn annotated(store: &Oracle, ago: u64) -> CommandKind {
        let version = store.record("a").map_or(0, Record::version) - ago;
        let metadata = Metadata::new("m").unwrap();
        CommandKind::Annotate { version, metadata }
    }
    fn referring(store: &mut Oracle, other: &str, holder: NewOrder) -> CommandKind {
        let _ = store.create(other, holder.reference(reference("r")));
        create(new().reference(reference("r")))
    }
    vec![
        ("create: the same fields", |_| create(new())),
        ("create: another payer", |_| {
            create(new().openid(openid("aunt")))
        }),
        (
            "create: the reference of a pending order with the same fields",
            |store| referring(store, "r", new()),
        ),
        ("create: the reference of another pending order", |store| {
            referring(store, "r", new().openid(openid("aunt")))
        }),
        ("create: the reference of a paid order", |store| {
            let command = referring(store, "r", new());
            let _ = store.confirm("r", paid("R"));
            command
        }),
        ("annotate: at its version", |store| annotated(store, 0)),
        ("annotate: at an older version", |store| {
            let last = u64::from(store.record("a").is_some());
            annotated(store, last)
        }),
        ("record_prepay", |_| prepay("new")),
    ]
}

fn payments() -> Vec<Row> {
    vec![
        ("confirm: X, which fits", |_| confirm(paid("X"))),
        ("confirm: Y, which fits", |_| confirm(paid("Y"))),
        ("confirm: the transaction of another order", |store| {
            let _ = store.create("b", new());
            let _ = store.confirm("b", paid("B"));
            confirm(paid("B"))
        }),
        ("confirm: another payer", |_| confirm(paid_by("Y", "aunt"))),
        ("confirm: another amount", |_| confirm(paid_fen("Y", 99))),
        ("confirm: another amount, again", |store| {
            let _ = store.confirm("a", paid_fen("Y", 99));
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
        ("record_close: Closed, believed", |store| {
            store.policy.close_needs_query = false;
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
        ("record_unanswered: when a query is due", |store| {
            store.wait(HOUR);
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
        ("hide: again", |store| {
            let _ = store.run_visibility("a", CommandKind::Hide);
            CommandKind::Hide
        }),
        ("unhide", |_| CommandKind::Unhide),
        ("unhide: what was hidden", |store| {
            let _ = store.run_visibility("a", CommandKind::Hide);
            CommandKind::Unhide
        }),
    ]
}

fn refunds() -> Vec<Row> {
    use RefundState::{Abnormal, Closed, Processing, Success};
    fn requested(store: &mut Oracle) {
        let _ = store.request("a", new_refund("R", "X", 60));
    }
    fn fact_of_requested(store: &mut Oracle, state: RefundState) -> CommandKind {
        requested(store);
        record_refund(report("R", "X", 60, state))
    }
    vec![
        ("request_refund: a part of X", |_| {
            request_refund(new_refund("R", "X", 60))
        }),
        ("request_refund: the same again", |store| {
            requested(store);
            request_refund(new_refund("R", "X", 60))
        }),
        ("request_refund: more than is left of X", |store| {
            requested(store);
            request_refund(new_refund("S", "X", 60))
        }),
        (
            "record_refund: PROCESSING of one that was requested",
            |store| fact_of_requested(store, Processing),
        ),
        (
            "record_refund: SUCCESS of one that was requested",
            |store| fact_of_requested(store, Success),
        ),
        ("record_refund: CLOSED of one that was requested", |store| {
            fact_of_requested(store, Closed)
        }),
        (
            "record_refund: ABNORMAL of one that was requested",
            |store| fact_of_requested(store, Abnormal),
        ),
        ("record_refund: SUCCESS again", |store| {
            let command = fact_of_requested(store, Success);
            let _ = store.run(no("a"), command.clone());
            command
        }),
        ("record_refund: SUCCESS of another amount", |store| {
            requested(store);
            record_refund(report("R", "X", 59, Success))
        }),
        ("record_refund: SUCCESS of one made elsewhere", |_| {
            record_refund(report("E", "X", 60, Success))
        }),
        ("record_refund: SUCCESS of more than X paid", |_| {
            record_refund(report("E", "X", 101, Success))
        }),
        ("record_refund_refused: one that was requested", |store| {
            requested(store);
            refuse_refund("R")
        }),
        ("record_refund_unanswered: one that is due", |store| {
            requested(store);
            store.wait(HOUR);
            CommandKind::RecordRefundUnanswered {
                refund_no: RefundNo::parse("R").unwrap(),
            }
        }),
        ("record_refund_refused: one that is processing", |store| {
            let command = fact_of_requested(store, Processing);
            let _ = store.run(no("a"), command);
            refuse_refund("R")
        }),
    ]
}

fn imports() -> Vec<Row> {
    fn of(column: &str, conflict: Conflict) -> CommandKind {
        let order = Box::new(store_in_column(column).order("a").clone());
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

/// Checks that the table is complete. If a command, a state or a reply is added, this test does not
/// compile. Add a row for it then.
#[test]
fn every_command_state_and_reply_is_in_table() {
    let verb = |command: &CommandKind| match command {
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
        let verb = verb(&row.1(&mut store_in_column("Pending")));
        assert!(row.0.starts_with(verb));
        verbs.push(verb);
    }
    verbs.sort_unstable();
    verbs.dedup();
    assert_eq!(verbs.len(), 35);
}
