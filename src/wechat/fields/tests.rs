//! Limits and formats that every parser of messages must respect, in every protocol.

use std::fmt::Write as _;

use super::*;
use crate::order::NewRefund;
use crate::types::{OrderNo, RefundNo, TransactionId};
use crate::wechat::{
    ClosingAnswer, CloudEvent, CombinedAnswer, CombinedTransaction, OrderAnswer, RefundAnswer,
    RefundMessage, V2Event, V3Transaction,
};

const CLOUD: &str = include_str!("../../../examples/data/cloud_event.json");
const V2: &str = include_str!("../../../tests/data/wechat/v2_notify.xml");
const V3: &str = include_str!("../../../tests/data/wechat/v3_transaction.json");
const V3_REFUND: &str = include_str!("../../../tests/data/wechat/v3_refund.json");
const COMBINED: &str = include_str!("../../../tests/data/wechat/v3_combined.json");

fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

/// Passes the bytes to every JSON parser. Returns the error of each; `None` if it accepts them.
fn json_readers(json: &[u8]) -> Vec<Option<MessageError>> {
    let asked = asked("1217752501201407033233368018");
    let no = no("1217752501201407033233368018");
    vec![
        CloudEvent::from_json(json).err(),
        V3Transaction::from_json(json).err(),
        CombinedTransaction::from_json(json).err(),
        RefundMessage::from_cloud(json).err(),
        RefundMessage::from_v3_notification(json).err(),
        RefundMessage::from_v3_answer(asked.refund_no(), 200, json).err(),
        OrderAnswer::from_v3(no, 200, json).err(),
        OrderAnswer::from_cloud(no, json).err(),
        CombinedAnswer::from_v3(no, 200, json).err(),
        ClosingAnswer::from_cloud(json).err(),
        RefundAnswer::from_v3(no, &asked, 200, json).err(),
        RefundAnswer::from_cloud(no, &asked, json).err(),
    ]
}

/// Passes the bytes to every XML parser, like [`json_readers`].
fn xml_readers(xml: &[u8]) -> Vec<Option<MessageError>> {
    let no = no("1217752501201407033233368018");
    vec![
        V2Event::from_xml(xml).err(),
        RefundMessage::from_v2(xml).err(),
        OrderAnswer::from_v2(no, xml).err(),
        ClosingAnswer::from_v2(xml).err(),
        RefundAnswer::from_v2(no, &asked("R"), xml).err(),
    ]
}

fn asked(refund_no: &str) -> NewRefund {
    NewRefund::new(
        RefundNo::parse(refund_no).unwrap(),
        TransactionId::parse("X").unwrap(),
        Fen::new(1).unwrap(),
    )
    .unwrap()
}

/// Returns a JSON object and an XML element, each with `count` unknown fields.
fn with_unknown_fields(count: usize) -> (String, String) {
    let (mut json, mut xml) = (String::new(), String::new());
    for at in 0..count {
        write!(json, "\"key{at}\":1,").unwrap();
        write!(xml, "<key{at}/>").unwrap();
    }
    (
        V3.replacen('{', &format!("{{{json}"), 1),
        V2.replacen("<xml>", &format!("<xml>{xml}"), 1),
    )
}

#[test]
fn message_of_two_megabytes_is_refused() {
    let (json, xml) = with_unknown_fields(200_000);
    assert!(json.len() > 2_000_000 && xml.len() > 2_000_000);
    for error in json_readers(json.as_bytes()) {
        let len = json.len();
        assert_eq!(
            error,
            Some(MessageError::TooLarge {
                len,
                max: 256 << 10
            })
        );
    }
    for error in xml_readers(xml.as_bytes()) {
        let len = xml.len();
        assert_eq!(
            error,
            Some(MessageError::TooLarge {
                len,
                max: 256 << 10
            })
        );
    }
}

#[test]
fn message_with_too_many_fields_is_refused() {
    let refused = Some(MessageError::TooManyFields { max: 10_000 });
    let (json, xml) = with_unknown_fields(10_001);
    for error in json_readers(json.as_bytes()) {
        assert_eq!(error, refused);
    }
    for error in xml_readers(xml.as_bytes()) {
        assert_eq!(error, refused);
    }
    let error = serde_json::from_str::<V3Transaction>(&json).unwrap_err();
    assert!(error.to_string().contains("more than 10000 fields"));
    let nested = V3.replacen(
        "\"payer_total\": 90",
        &(0..10_001)
            .map(|at| format!("\"k{at}\":1"))
            .collect::<Vec<_>>()
            .join(","),
        1,
    );
    assert_eq!(V3Transaction::from_json(nested.as_bytes()).err(), refused);
    let (json, xml) = with_unknown_fields(9_900);
    assert!(V3Transaction::from_json(json.as_bytes()).is_ok());
    assert!(V2Event::from_xml(xml.as_bytes()).is_ok());
}

#[test]
fn byte_order_mark_before_message_is_skipped() {
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    assert_eq!(
        V3Transaction::from_json(&marked(V3)),
        V3Transaction::from_json(V3.as_bytes())
    );
    assert_eq!(
        CloudEvent::from_json(&marked(CLOUD)),
        CloudEvent::from_json(CLOUD.as_bytes())
    );
    assert_eq!(
        RefundMessage::from_v3_notification(&marked(V3_REFUND)),
        RefundMessage::from_v3_notification(V3_REFUND.as_bytes())
    );
    assert_eq!(
        CombinedTransaction::from_json(&marked(COMBINED)),
        CombinedTransaction::from_json(COMBINED.as_bytes())
    );
    assert_eq!(
        V2Event::from_xml(&marked(V2)),
        V2Event::from_xml(V2.as_bytes())
    );
    for whole in [V3, CLOUD, V3_REFUND, COMBINED] {
        let readable = json_readers(&marked(whole)).contains(&None);
        assert!(readable, "{whole}");
    }
    let twice = marked(&format!("\u{feff}{V3}"));
    assert!(V3Transaction::from_json(&twice).is_err());
    let error = ClosingAnswer::from_v3(400, &marked(r#"{"code":"ORDERPAID"}"#));
    assert_eq!(error.reply(), crate::order::CloseReply::OrderPaid);
}

#[test]
fn order_number_of_1_to_32_bytes_is_read() {
    let lengths = [
        "7",
        "R42",
        "A-|*@",
        "5851201802081137376855",
        &"9".repeat(32),
    ];
    for number in lengths {
        let no = no(number);
        let v2 = V2.replace("5851201802081137376855", number);
        let event = V2Event::from_xml(v2.as_bytes()).unwrap();
        assert_eq!(event.order_no(), Some(no));
        let state = v2.replace("</xml>", "<trade_state>NOTPAY</trade_state></xml>");
        assert!(OrderAnswer::from_v2(no, state.as_bytes()).is_ok());
        let cloud = CLOUD.replace("2021WERUN1647839289398", number);
        let event = CloudEvent::from_json(cloud.as_bytes()).unwrap();
        assert_eq!(event.order_no(), Some(no));
        let v3 = V3.replace("\"1217752501201407033233368018\"", &format!("\"{number}\""));
        assert_eq!(
            V3Transaction::from_json(v3.as_bytes()).unwrap().order_no(),
            no
        );
        assert!(OrderAnswer::from_v3(no, 200, v3.as_bytes()).is_ok());
        let refund =
            V3_REFUND.replace("\"1217752501201407033233368018\"", &format!("\"{number}\""));
        let refund = RefundMessage::from_v3_notification(refund.as_bytes()).unwrap();
        assert_eq!(refund.order_no(), Some(no));
        let combined = COMBINED.replace("\"20150806125346\"", &format!("\"{number}\""));
        let combined = CombinedTransaction::from_json(combined.as_bytes()).unwrap();
        assert_eq!(combined.sub_orders()[0].as_ref().unwrap().order_no(), no);
    }
    let v2_refund = "<root><out_refund_no>R1</out_refund_no><out_trade_no>R42</out_trade_no>\
        <refund_fee>1</refund_fee><refund_id>5</refund_id><refund_status>SUCCESS</refund_status>\
        <transaction_id>42</transaction_id></root>";
    let message = RefundMessage::from_v2(v2_refund.as_bytes()).unwrap();
    assert_eq!(message.order_no(), Some(no("R42")));
    for number in ["", &"9".repeat(33)] {
        let v2 = V2.replace("5851201802081137376855", number);
        assert!(V2Event::from_xml(v2.as_bytes()).is_err());
    }
}
