//! Fuzz target: parsers of messages and bills of WeChat Pay.

use std::fmt::{Debug, Display};
use std::time::Duration;

use crate::order::{Command, CommandKind, NewOrder, NewRefund, RefundFact};
use crate::rules::Policy;
use crate::testing::{Oracle, fixtures};
use crate::types::{AppId, Fen, OrderNo, RefundNo, TransactionId};
use crate::wechat::bill::{BillDay, BillReader, ServiceFee};
use crate::wechat::{
    ClosingAnswer, CloudEvent, CombinedAnswer, CombinedTransaction, MessageError, OrderAnswer,
    RefundAnswer, RefundMessage, V2Event, V3Transaction,
};

/// Maximum number of bill lines that the fuzz target passes to the oracle.
const LINES: usize = 32;

pub(super) fn read(kind: u8, bytes: &[u8]) {
    let asked = OrderNo::parse("1217752501201407033233368018").unwrap();
    let refund = RefundNo::parse("1217752501201407033233368018").unwrap();
    match kind {
        0 => submit(V3Transaction::from_json(bytes), |message| {
            message.into_command(None)
        }),
        1 => submit(V2Event::from_xml(bytes), V2Event::into_command),
        2 => submit(CloudEvent::from_json(bytes), CloudEvent::into_command),
        3 => submit_refund(RefundMessage::from_v3_notification(bytes)),
        4 => submit_refund(RefundMessage::from_v2(bytes)),
        5 => submit_refund(RefundMessage::from_cloud(bytes)),
        6 => submit_refund(RefundMessage::from_v3_answer(&refund, 200, bytes)),
        7 => {
            let no = V3Transaction::from_json(bytes).map_or(asked, |message| message.order_no());
            submit(
                OrderAnswer::from_v3(no, 200, bytes),
                OrderAnswer::into_command,
            );
            submit(
                OrderAnswer::from_v3(no, 404, bytes),
                OrderAnswer::into_command,
            );
        }
        8 => submit(
            OrderAnswer::from_v2(asked, bytes),
            OrderAnswer::into_command,
        ),
        9 => submit(
            OrderAnswer::from_cloud(asked, bytes),
            OrderAnswer::into_command,
        ),
        10 => submit_closing(Ok::<_, MessageError>(ClosingAnswer::from_v3(400, bytes))),
        11 => submit_closing(ClosingAnswer::from_v2(bytes)),
        12 => submit_closing(ClosingAnswer::from_cloud(bytes)),
        13 => fee_and_day(&String::from_utf8_lossy(bytes)),
        // The last arm takes kind 14 and all kinds above 18, which are bills.
        15 => combined(bytes),
        16..=18 => submit(
            refund_answer(kind, &asked_for(asked, refund), bytes),
            RefundAnswer::into_command,
        ),
        _ => bill(bytes),
    }
}

/// Passes the command of a parsed message to a new oracle. Checks that a parse error has a text.
fn submit<T: Debug, E: Debug + Display>(
    read: Result<T, E>,
    command: impl Fn(T) -> Option<Command>,
) {
    match read {
        Ok(message) => {
            let _ = format!("{message:?}");
            if let Some(command) = command(message) {
                submit_to(
                    &mut Oracle::at(fixtures::now(), Policy::default()),
                    &command,
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn submit_refund<E: Debug + Display>(read: Result<RefundMessage, E>) {
    if let Ok(message) = &read {
        let facts = (message.fact().is_some(), message.failure().is_some());
        assert!(
            facts.0 != facts.1,
            "a message needs a fact or a failure, not both"
        );
        let _ = message.fact().map(RefundFact::amount);
    }
    submit(read, RefundMessage::into_command);
}

/// Parses a combined payment (one payment of several orders), as a notification and as an answer to
/// a query. Submits each of its orders.
fn combined(bytes: &[u8]) {
    let Ok(combined) = CombinedTransaction::from_json(bytes) else {
        return;
    };
    let answer = CombinedAnswer::from_v3(combined.order_no(), 200, bytes).unwrap();
    assert_eq!(answer.combined(), Some(&combined));
    for order in combined.into_sub_orders() {
        if let Ok(order) = &order {
            submit(answer.about(order.order_no()), OrderAnswer::into_command);
        }
        submit(order, |message| message.into_command(None));
    }
}

/// Returns a request to refund 1 fen, together with its order number.
fn asked_for(no: OrderNo, refund_no: RefundNo) -> (OrderNo, NewRefund) {
    let transaction_id = TransactionId::parse("1").unwrap();
    let refund = NewRefund::new(refund_no, transaction_id, fixtures::fen(1));
    (no, refund.unwrap())
}

fn refund_answer(
    kind: u8,
    (no, asked): &(OrderNo, NewRefund),
    bytes: &[u8],
) -> Result<RefundAnswer, MessageError> {
    match kind {
        16 => RefundAnswer::from_v2(*no, asked, bytes),
        17 => RefundAnswer::from_cloud(*no, asked, bytes),
        _ => {
            let _ = RefundAnswer::from_v3(*no, asked, 403, bytes);
            RefundAnswer::from_v3(*no, asked, 200, bytes)
        }
    }
}

fn submit_closing<E: Debug + Display>(read: Result<ClosingAnswer, E>) {
    submit(read, |message| {
        Some(message.into_command(fixtures::order_no(1)))
    });
}

/// Runs a command, creates its order, and runs the command again.
fn submit_to(oracle: &mut Oracle, command: &Command) {
    let no = command.no;
    let mut run = |kind: &CommandKind| {
        let _ = oracle.run_and_check(no, kind.clone());
        oracle.wait(Duration::from_secs(1));
    };
    run(&command.kind);
    run(&CommandKind::Create(Box::new(fitting(&command.kind))));
    run(&command.kind);
}

/// Returns a new order that matches the payment in a command. If the command has no payment, the
/// total is 1 fen.
fn fitting(kind: &CommandKind) -> NewOrder {
    let payment = match kind {
        CommandKind::Confirm(payment) => Some(&**payment),
        CommandKind::RecordQuery(state) => state.payment(),
        _ => None,
    };
    let appid = payment.and_then(|payment| payment.appid.clone());
    let appid = appid.unwrap_or_else(|| AppId::parse("wx").unwrap());
    let fee = payment.map_or(fixtures::fen(1), |payment| payment.paid_fee);
    NewOrder::new(appid, fee).unwrap()
}

fn bill(bytes: &[u8]) {
    let Ok(reader) = BillReader::new(bytes) else {
        return;
    };
    let _ = reader.kind();
    let mut oracle = Oracle::at(fixtures::now(), Policy::default());
    for line in reader.take(LINES) {
        let Ok(line) = line else { continue };
        let _ = format!("{line:?}");
        let no = line.no;
        if let Some(payment) = line.payment() {
            let kind = CommandKind::Confirm(Box::new(payment));
            submit_to(&mut oracle, &Command { no, kind });
        }
        if let Some(fact) = line.refund() {
            let kind = CommandKind::RecordRefund(Box::new(fact));
            submit_to(&mut oracle, &Command { no, kind });
        }
    }
}

fn fee_and_day(text: &str) {
    if let Ok(fee) = ServiceFee::parse(text) {
        assert_eq!(ServiceFee::parse(&fee.to_string()), Ok(fee));
    }
    if let Ok(day) = BillDay::parse(text) {
        assert_eq!(day.to_string(), text);
        assert!(day.range().start < day.range().end);
    }
    let _ = Fen::parse_yuan(text);
}
