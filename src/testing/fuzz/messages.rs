//! The channel's messages.

use std::fmt::{Debug, Display};
use std::time::Duration;

use crate::order::{Command, CommandKind, NewOrder, NewRefund, RefundFact};
use crate::rules::Policy;
use crate::testing::{Shop, fixtures};
use crate::types::{AppId, Fen, OrderNo, RefundNo, TransactionId};
use crate::wechat::bill::{BillDay, BillReader, ServiceFee};
use crate::wechat::{
    ClosingAnswer, CloudEvent, CombinedAnswer, CombinedTransaction, MessageError, OrderAnswer,
    RefundAnswer, RefundMessage, V2Event, V3Transaction,
};

/// So many lines of a bill are told to a shop.
const LINES: usize = 32;

pub(super) fn read(kind: u8, bytes: &[u8]) {
    let asked = OrderNo::parse("1217752501201407033233368018").unwrap();
    let refund = RefundNo::parse("1217752501201407033233368018").unwrap();
    match kind {
        0 => tell(V3Transaction::from_json(bytes), |said| {
            said.into_command(None)
        }),
        1 => tell(V2Event::from_xml(bytes), V2Event::into_command),
        2 => tell(CloudEvent::from_json(bytes), CloudEvent::into_command),
        3 => tell_refund(RefundMessage::from_v3_notice(bytes)),
        4 => tell_refund(RefundMessage::from_v2(bytes)),
        5 => tell_refund(RefundMessage::from_cloud(bytes)),
        6 => tell_refund(RefundMessage::from_v3_answer(&refund, 200, bytes)),
        7 => {
            let no = V3Transaction::from_json(bytes).map_or(asked, |said| said.order_no());
            tell(
                OrderAnswer::from_v3(no, 200, bytes),
                OrderAnswer::into_command,
            );
            tell(
                OrderAnswer::from_v3(no, 404, bytes),
                OrderAnswer::into_command,
            );
        }
        8 => tell(
            OrderAnswer::from_v2(asked, bytes),
            OrderAnswer::into_command,
        ),
        9 => tell(
            OrderAnswer::from_cloud(asked, bytes),
            OrderAnswer::into_command,
        ),
        10 => tell_closing(Ok::<_, MessageError>(ClosingAnswer::from_v3(400, bytes))),
        11 => tell_closing(ClosingAnswer::from_v2(bytes)),
        12 => tell_closing(ClosingAnswer::from_cloud(bytes)),
        13 => fee_and_day(&String::from_utf8_lossy(bytes)),
        // 14 is a bill, as is everything else.
        15 => combined(bytes),
        16..=18 => tell(
            refund_answer(kind, &asked_for(asked, refund), bytes),
            RefundAnswer::into_command,
        ),
        _ => bill(bytes),
    }
}

/// A message in any state of its order: the shop beneath looks at everything.
fn tell<T: Debug, E: Debug + Display>(read: Result<T, E>, command: impl Fn(T) -> Option<Command>) {
    match read {
        Ok(said) => {
            let _ = format!("{said:?}");
            if let Some(command) = command(said) {
                tell_shop(&mut Shop::at(fixtures::now(), Policy::default()), &command);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn tell_refund<E: Debug + Display>(read: Result<RefundMessage, E>) {
    if let Ok(message) = &read {
        let facts = (message.fact().is_some(), message.failure().is_some());
        assert!(facts.0 != facts.1, "a fact, or why there is none");
        let _ = message.fact().map(RefundFact::amount);
    }
    tell(read, RefundMessage::into_command);
}

/// Each order of a combined payment, in a notification and in an answer.
fn combined(bytes: &[u8]) {
    let Ok(combined) = CombinedTransaction::from_json(bytes) else {
        return;
    };
    let answer = CombinedAnswer::from_v3(combined.order_no(), 200, bytes).unwrap();
    assert_eq!(answer.combined(), Some(&combined));
    for order in combined.into_sub_orders() {
        if let Ok(order) = &order {
            tell(answer.about(order.order_no()), OrderAnswer::into_command);
        }
        tell(order, |said| said.into_command(None));
    }
}

/// A refund of one transaction under an order's number.
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

fn tell_closing<E: Debug + Display>(read: Result<ClosingAnswer, E>) {
    tell(read, |said| Some(said.into_command(fixtures::order_no(1))));
}

/// Before its order is there, then when it is, and once more.
fn tell_shop(shop: &mut Shop, command: &Command) {
    let no = command.no;
    let mut told = |ask: &CommandKind| {
        let _ = shop.ask_and_look(no, ask.clone());
        shop.wait(Duration::from_secs(1));
    };
    told(&command.kind);
    told(&CommandKind::Create(Box::new(fitting(&command.kind))));
    told(&command.kind);
}

/// An order that a payment fits, where there is one.
fn fitting(ask: &CommandKind) -> NewOrder {
    let payment = match ask {
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
    let mut shop = Shop::at(fixtures::now(), Policy::default());
    for line in reader.take(LINES) {
        let Ok(line) = line else { continue };
        let _ = format!("{line:?}");
        let no = line.no;
        if let Some(payment) = line.payment() {
            let ask = CommandKind::Confirm(Box::new(payment));
            tell_shop(&mut shop, &Command { no, kind: ask });
        }
        if let Some(fact) = line.refund() {
            let ask = CommandKind::RecordRefund(Box::new(fact));
            tell_shop(&mut shop, &Command { no, kind: ask });
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
