//! Bytes of records, events and the values of `meta`.

use super::super::rows::{Ancestor, EventLink, State, StoreMark, StoredEvent, encode_event};
use super::*;
use crate::contract::StoredRecord;
use crate::order::{
    ActionKind, Anomaly, AnomalyEnd, AnomalyEndKind, AnomalyId, AnomalyKind, AnomalyRaised, Event,
    EventKind, IdentityField, NextAction, Order, OrderCreated, Payment, Prepay, PrepayKind, Record,
    Refund, RefundStatus, Reopening, Source, Status, TradeState, Waiting,
};
use crate::types::{Attach, Channel, Currency, Metadata, Note, OrderNo, RefundNo};

/// A payment with every optional field.
fn payment() -> Payment {
    Payment {
        transaction_id: text("4200001234"),
        paid_fee: fen(1),
        time_end: time(2),
        source: Source::Callback {
            notify_id: Some(text("n")),
        },
        channel: Channel::WECHAT,
        currency: Currency::CNY,
        appid: Some(text("a")),
        mch_id: Some(text("1230000109")),
        openid: Some(text("o")),
        trade_type: Some(text("t")),
        bank_type: Some(text("b")),
        payer_total: Some(fen(3)),
        settlement_total: Some(fen(4)),
        recorded_at: time(5),
    }
}

const PAYMENT: &str = "06ff4200001234 01 000000000002 0001016e 00 00 010161 0106ff1230000109 01016f
    010174 010162 0103 0104 000000000005";

fn refund() -> Refund {
    Refund {
        channel: text("other"),
        refund_no: text("r"),
        refund_id: Some(text("i")),
        transaction_id: text("t"),
        amount: fen(1),
        asked: Some(fen(2)),
        status: RefundStatus::Abnormal,
        external: true,
        code: Some(text("c")),
        requested_at: time(3),
        attempt: 4,
        believed_after: Some(time(5)),
        success_at: Some(time(6)),
        ended_at: Some(time(7)),
        next_check: Some(time(8)),
        checks: 9,
    }
}

const REFUND: &str = "056f74686572 0172 010169 0174 01 0102 04 01 010163 000000000003 04
    01000000000005 01000000000006 01000000000007 01000000000008 09";

fn anomaly() -> Anomaly {
    Anomaly {
        id: AnomalyId(1),
        kind: AnomalyKind::Unclaimed,
        payment: Some(payment()),
        refund: Some(refund()),
        raised_at: time(2),
        reopening: Some(Reopening {
            count: 3,
            at: time(4),
            refund_no: text("r"),
        }),
        folded: true,
        end: Some(AnomalyEnd {
            at: time(5),
            how: AnomalyEndKind::Dismissed,
            note: text("n"),
        }),
    }
}

/// Stored form of [`anomaly`].
fn anomaly_bytes() -> String {
    let reopening = "01 03 000000000004 0172";
    let end = "01 000000000005 02 016e";
    format!("01 00 01{PAYMENT} 01{REFUND} 000000000002 {reopening} 01 {end}")
}

fn next() -> NextAction {
    let (at, action) = (time(7), ActionKind::AskClose);
    NextAction { at, action }
}

const NEXT: &str = "000000000007 01";

/// An order with every optional field.
fn order() -> Order {
    Order {
        no: text("O-1"),
        channel: Channel::WECHAT,
        appid: text("a"),
        mch_id: Some(text("m")),
        openid: Some(text("o")),
        total_fee: fen(300),
        currency: text("USD"),
        description: text("茶"),
        attach: text("x"),
        reference: Some(text("r")),
        metadata: Metadata::new([0xff, 0]).unwrap(),
        status: Status::LatePaid,
        late: true,
        create_time: time(1),
        update_time: time(2),
        expires_at: time(3),
        ended_at: Some(time(4)),
        prepay: Some(Prepay {
            kind: PrepayKind::H5,
            value: text("p"),
            valid_until: Some(time(5)),
            recorded_at: time(6),
        }),
        next: Some(next()),
        checks: 8,
        payment: Some(payment()),
        refunds: vec![refund(), refund()],
        anomalies: vec![anomaly()],
        hidden_at: Some(time(9)),
        version: 70_000,
    }
}

/// Stored form of [`order`].
fn order_bytes() -> String {
    let texts = "03e88cb6 0178 010172 02ff00";
    let times = "000000000001 000000000002 000000000003 01000000000004";
    let prepay = "01 03 0170 01000000000005 000000000006";
    let lists = format!("02{REFUND}{REFUND} 01{}", anomaly_bytes());
    format!(
        "034f2d31 00 0161 01016d 01016f fb2c01 03555344 {texts} 05 01 {times} {prepay} 01{NEXT} 08
         01{PAYMENT} {lists} 01000000000009 fc70110100"
    )
}

/// Checks that the variants have the tags 0, 1, 2 and so on, and that decoding rejects the next
/// tag.
#[track_caller]
fn tags<T: Stored + PartialEq + Debug>(values: &[T]) {
    for (value, tag) in values.iter().zip(0..) {
        let bytes = bytes_of(value);
        assert_eq!(bytes[0], tag);
        let (read, is_whole) = read_front::<T>(&bytes).unwrap();
        assert_eq!((&read, is_whole), (value, true));
    }
    refused::<T>(&[
        u8::try_from(values.len()).unwrap(),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
}

#[test]
fn stored_variants_have_consecutive_tags() {
    use AnomalyEndKind as End;
    use RefundStatus as Refund;
    use TradeState as Trade;
    tags(&Status::ALL);
    tags(&[
        Refund::Requested,
        Refund::Processing,
        Refund::Success,
        Refund::Closed,
        Refund::Abnormal,
        Refund::Returned,
    ]);
    tags(&[
        ActionKind::Query,
        ActionKind::AskClose,
        ActionKind::QueryRefund,
    ]);
    tags(&[
        Trade::Success,
        Trade::Refund,
        Trade::NotPay,
        Trade::UserPaying,
        Trade::Accept,
        Trade::Closed,
        Trade::PayError,
        Trade::Revoked,
        Trade::NoSuchOrder,
    ]);
    tags(&[
        IdentityField::Channel,
        IdentityField::Appid,
        IdentityField::MchId,
        IdentityField::Openid,
    ]);
    tags(&[
        PrepayKind::Jsapi,
        PrepayKind::App,
        PrepayKind::Native,
        PrepayKind::H5,
    ]);
    tags(&[
        Source::CALLBACK,
        Source::Query,
        Source::Bill,
        Source::Import,
        Source::Operator,
    ]);
    let refund_no = text("r");
    tags(&[
        End::Accepted,
        End::Refunded { refund_no },
        End::Dismissed,
        End::Settled,
    ]);
}

#[test]
fn anomaly_kinds_encode_to_expected_bytes() {
    use AnomalyKind as Kind;
    let (refund_no, by) = (text::<RefundNo>("r"), text::<OrderNo>("O-1"));
    let no = || refund_no.clone();
    let (first, state) = (text("t"), TradeState::Revoked);
    let (expected, found, available) = (fen(1), fen(2), fen(3));
    stored_as(&Kind::Unclaimed, "00");
    stored_as(&Kind::TransactionTaken { by }, "01 034f2d31");
    let field = IdentityField::Openid;
    stored_as(&Kind::IdentityMismatch { field }, "02 03");
    stored_as(&Kind::AmountMismatch { expected, found }, "03 01 02");
    stored_as(&Kind::DoublePayment { first }, "04 0174");
    stored_as(&Kind::LatePayment, "05");
    stored_as(&Kind::RefundUnknown, "06");
    stored_as(&Kind::Reversed, "07");
    stored_as(&Kind::ChannelDisagrees { state }, "08 07");
    stored_as(&Kind::RefundDiffers { refund_no: no() }, "09 0172");
    let refund_no = no();
    stored_as(
        &Kind::RefundExceeds {
            refund_no,
            available,
        },
        "0a 0172 03",
    );
    let refund_no = no();
    stored_as(&Kind::RefundNoTaken { refund_no, by }, "0b 0172 034f2d31");
    stored_as(&Kind::GivenBack { by: None }, "0c 00");
    stored_as(&Kind::RefundDisagrees { refund_no: no() }, "0d 0172");
    let refund_no = no();
    stored_as(
        &Kind::RefundedElsewhere { refund_no, by },
        "0e 0172 034f2d31",
    );
    refused::<Kind>(&[15, 0, 0, 0]);
}

#[test]
fn record_encodes_to_expected_bytes() {
    let held = |record| StoredRecord {
        record,
        row: 7,
        last_seq: 9,
    };
    let bytes = format!("07 09 00 {}", order_bytes());
    stored_as(&held(Record::Order(order().into())), &bytes);
    let waiting = Waiting {
        no: text("O-1"),
        anomalies: vec![anomaly()],
        refunds: Vec::new(),
        update_time: time(1),
        version: 2,
    };
    let bytes = format!("07 09 01 034f2d31 01{} 00 000000000001 02", anomaly_bytes());
    stored_as(&held(Record::Waiting(waiting.into())), &bytes);
}

#[test]
fn event_kinds_encode_to_expected_bytes() {
    use EventKind as Kind;
    let (next, id, note) = (next(), AnomalyId(1), text::<Note>("n"));
    let (refund_no, next_check) = (text::<RefundNo>("r"), Some(time(1)));
    let created = OrderCreated {
        channel: Channel::WECHAT,
        appid: text("a"),
        mch_id: None,
        openid: Some(text("o")),
        total_fee: fen(1),
        currency: Currency::CNY,
        description: text("d"),
        attach: Attach::default(),
        reference: None,
        metadata: Metadata::default(),
        expires_at: time(2),
        next,
    };
    let created_bytes = "00 0161 00 01016f 01 00 0164 00 00 00 000000000002";
    let prepay = Prepay::new(PrepayKind::App, text("p")).valid_until(time(1));
    let raised = AnomalyRaised {
        kind: AnomalyKind::Reversed,
        payment: Some(payment()),
        refund: None,
    };
    let (how, kind) = (AnomalyEndKind::Settled, AnomalyKind::Reversed);
    let (refund, paid) = (|| Box::new(refund()), || Box::new(payment()));
    let is = |kind: Kind, bytes: &str| stored_as(&kind, bytes);
    is(
        Kind::Created(Box::new(created)),
        &format!("00 {created_bytes} {NEXT}"),
    );
    is(Kind::Annotated(Metadata::new([1]).unwrap()), "01 0101");
    is(
        Kind::PrepayRecorded(prepay),
        "02 01 0170 01000000000001 000000000000",
    );
    let counted = true;
    is(
        Kind::Checked {
            next: Some(next),
            counted,
        },
        &format!("03 01{NEXT} 01"),
    );
    is(Kind::CloseBegan { next }, &format!("04 {NEXT}"));
    is(Kind::CloseAborted { next }, &format!("05 {NEXT}"));
    is(Kind::Closed, "06");
    is(Kind::Failed, "07");
    is(Kind::Paid(paid()), &format!("08 {PAYMENT}"));
    is(Kind::PaidLate(paid()), &format!("09 {PAYMENT}"));
    is(
        Kind::AnomalyRaised(Box::new(raised)),
        &format!("0a 07 01{PAYMENT} 00"),
    );
    is(Kind::AnomalyReclassified { id, kind }, "0b 01 07");
    let ended = note.clone();
    is(
        Kind::AnomalyEnded {
            id,
            how,
            note: ended,
        },
        "0c 01 03 016e",
    );
    let again = refund_no.clone();
    is(
        Kind::AnomalyReopened {
            id,
            refund_no: again,
        },
        "0d 01 0172",
    );
    is(Kind::AnomaliesFolded, "0e");
    is(Kind::EndedByPerson { note }, "0f 016e");
    is(Kind::Hidden, "10");
    is(Kind::Unhidden, "11");
    is(Kind::RefundOpened(refund()), &format!("12 {REFUND}"));
    is(Kind::RefundMoved(refund()), &format!("13 {REFUND}"));
    is(
        Kind::Imported(Box::new(order())),
        &format!("14 {}", order_bytes()),
    );
    let channel = Channel::WECHAT;
    let checked = Kind::RefundChecked {
        channel,
        refund_no,
        next_check,
        counted,
    };
    is(checked, "15 00 0172 01000000000001 01");
    refused::<Kind>(&[22, 0, 0, 0]);
}

#[test]
fn event_and_meta_values_encode_to_expected_bytes() {
    let (row, previous) = (5, 8);
    let event = Event {
        no: text("O-1"),
        version: 2,
        at: time(3),
        what: EventKind::Closed,
    };
    for (origin, bytes) in [
        (EventLink::First(event.no), "00 034f2d31 02 000000000003 06"),
        (
            EventLink::Later { row, previous },
            "01 05 08 02 000000000003 06",
        ),
    ] {
        let mut written = Vec::new();
        append(&mut written, |to| encode_event(&origin, &event, to)).unwrap();
        let (read, _) = read_front::<StoredEvent>(&written).unwrap();
        assert_eq!(read.origin, origin);
        stored_as(&read, bytes);
        assert_eq!(bytes_of(&read), written);
        assert_eq!(read.of(event.no), event);
    }
    let mut state = State::NEW;
    (state.last_seq, state.counter) = (1, 300);
    state.counts.by_status = [2, 3, 4, 5, 6, 7];
    (state.counts.unclaimed, state.counts.open_anomalies) = (8, 9);
    stored_as(&state, "01 fb2c01 020304050607 08 09");
    let (store_id, incarnation) = ([3; 16], 1);
    let mark = StoreMark {
        store_id,
        incarnation,
    };
    stored_as(&mark, &format!("{} 01", "03".repeat(16)));
    let last_seq = 300;
    let ancestors = vec![Ancestor {
        incarnation,
        last_seq,
    }];
    stored_as(&ancestors, "01 01 fb2c01");
}
