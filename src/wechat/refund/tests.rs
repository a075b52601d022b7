//! Tests of the parser for refund messages, in every protocol.

use proptest::prelude::*;

use super::*;
use crate::wechat::{CloudEvent, V2Event, V3Transaction};

const V3_REAL: &str = include_str!("../../../tests/data/wechat/v3_refund.json");
const GLOBAL: &str = include_str!("../../../tests/data/wechat/v3_global_refund.json");
const CLOUD_MADE: &str = r#"{"returnCode":"SUCCESS","appid":"wxd2565e6a04246fd1","mchId":"1800780001",
    "outTradeNo":"2021WERUN1647839289398","transactionId":"4200004561202203217657282768",
    "outRefundNo":"R20220321180244","refundId":"50302030148218522032126281690","totalFee":1,
    "refundFee":1,"refundStatus":"SUCCESS","successTime":"2022-03-21 18:02:50"}"#;
const V2_MADE: &str = "<root><out_refund_no><![CDATA[R20220321180244]]></out_refund_no>\
    <out_trade_no><![CDATA[2021WERUN1647839289398]]></out_trade_no>\
    <refund_fee><![CDATA[1]]></refund_fee><refund_id>50302030148218522032126281690</refund_id>\
    <refund_status><![CDATA[CHANGE]]></refund_status><success_time></success_time>\
    <transaction_id>4200004561202203217657282768</transaction_id></root>";

fn read_fact(message: Result<RefundMessage, MessageError>) -> RefundFact {
    message.unwrap().into_fact().unwrap().1
}

#[test]
fn sample_v3_refund_notification_is_read() {
    let message = RefundMessage::from_v3_notification(V3_REAL.as_bytes()).unwrap();
    let (no, fact) = message.into_fact().unwrap();
    assert_eq!(no.as_str(), "1217752501201407033233368018");
    assert_eq!(fact.refund_no().as_str(), "7752501201407033233368018");
    assert_eq!(
        fact.refund_id(),
        RefundId::parse("50200207182018070300011301001")
            .ok()
            .as_ref()
    );
    assert_eq!(
        (fact.amount().as_u64(), fact.state()),
        (60, RefundState::Success)
    );
    let at = fact.success_at().unwrap().to_string();
    assert_eq!(at, "2018-06-08T02:34:56.000Z");
}

#[test]
fn cloud_and_v2_refund_messages_give_same_refund() {
    let cloud = read_fact(RefundMessage::from_cloud(CLOUD_MADE.as_bytes()));
    let at = cloud.success_at().unwrap().to_string();
    assert_eq!(at, "2022-03-21T10:02:50.000Z");
    let v2 = read_fact(RefundMessage::from_v2(V2_MADE.as_bytes()));
    assert_eq!((v2.state(), v2.success_at()), (RefundState::Abnormal, None));
    assert_eq!(
        (v2.refund_no(), v2.amount()),
        (cloud.refund_no(), cloud.amount())
    );
    assert_eq!(v2.refund_id(), cloud.refund_id());
}

#[test]
fn refund_state_field_differs_in_answer_and_notification() {
    let asked = RefundNo::parse("7752501201407033233368018").unwrap();
    let answer = V3_REAL.replace("refund_status", "status");
    for (word, status) in [
        ("SUCCESS", RefundState::Success),
        ("PROCESSING", RefundState::Processing),
        ("CLOSED", RefundState::Closed),
        ("ABNORMAL", RefundState::Abnormal),
    ] {
        let answer = answer.replace("SUCCESS", word);
        let fact = read_fact(RefundMessage::from_v3_answer(
            &asked,
            200,
            answer.as_bytes(),
        ));
        assert_eq!(fact.state(), status);
        assert_eq!(fact.success_at().is_some(), status == RefundState::Success);
    }
    let missing = |name| Err(FieldError::Missing.of(name));
    let swapped = RefundMessage::from_v3_answer(&asked, 200, V3_REAL.as_bytes());
    assert_eq!(swapped, missing("status"));
    let swapped = RefundMessage::from_v3_notification(answer.as_bytes());
    assert_eq!(swapped, missing("refund_status"));
    let other = RefundNo::parse("another").unwrap();
    let strange = RefundMessage::from_v3_answer(&other, 200, answer.as_bytes());
    assert_eq!(
        strange,
        Err(FieldError::DiffersFromRequest.of("out_refund_no"))
    );
    let unknown = br#"{"code":"RESOURCE_NOT_EXISTS","message":"none"}"#;
    let unknown = RefundMessage::from_v3_answer(&asked, 404, unknown).unwrap();
    let code = unknown.failure().unwrap().err_code.clone();
    assert_eq!(code, Label::lossy("RESOURCE_NOT_EXISTS"));
}

#[test]
fn overseas_refund_id_is_read_from_id() {
    let asked = RefundNo::parse("R20150806125346").unwrap();
    let message = RefundMessage::from_v3_answer(&asked, 200, GLOBAL.as_bytes()).unwrap();
    let (no, fact) = message.into_fact().unwrap();
    assert_eq!(no.as_str(), "20150806125346");
    let id = RefundId::parse("2008450740201411110000174436").ok();
    assert_eq!(fact.refund_id(), id.as_ref());
    assert_eq!(
        (fact.amount().as_u64(), fact.state()),
        (50, RefundState::Success)
    );
    // An overseas answer calls a closed refund `REFUNDCLOSE`, as API v2 does.
    let closed = GLOBAL.replace("SUCCESS", "REFUNDCLOSE");
    let closed = RefundMessage::from_v3_answer(&asked, 200, closed.as_bytes());
    assert_eq!(read_fact(closed).state(), RefundState::Closed);
    let notice = GLOBAL
        .replace("\"status\"", "\"refund_status\"")
        .replace("\"id\"", "\"refund_id\"");
    let notice = read_fact(RefundMessage::from_v3_notification(notice.as_bytes()));
    assert_eq!(notice.refund_id(), id.as_ref());
    let as_payment = V3Transaction::from_json(GLOBAL.as_bytes()).unwrap_err();
    assert!(matches!(as_payment, MessageError::WrongKind { .. }));
    let envelope = br#"{"id":"EV-1","event_type":"REFUND.SUCCESS","resource":{"ciphertext":"x"}}"#;
    let envelope = RefundMessage::from_v3_notification(envelope).unwrap_err();
    assert!(matches!(envelope, MessageError::WrongKind { .. }));
}

#[test]
fn refund_and_payment_messages_are_distinct() {
    let wrong = |error| matches!(error, MessageError::WrongKind { .. });
    assert!(wrong(
        CloudEvent::from_json(CLOUD_MADE.as_bytes()).unwrap_err()
    ));
    assert!(wrong(
        V3Transaction::from_json(V3_REAL.as_bytes()).unwrap_err()
    ));
    assert!(wrong(V2Event::from_xml(V2_MADE.as_bytes()).unwrap_err()));
    let cloud = include_bytes!("../../../examples/data/cloud_event.json");
    assert!(wrong(RefundMessage::from_cloud(cloud).unwrap_err()));
    let v2 = include_bytes!("../../../tests/data/wechat/v2_notify.xml");
    assert!(wrong(RefundMessage::from_v2(v2).unwrap_err()));
    let v3 = include_bytes!("../../../tests/data/wechat/v3_transaction.json");
    assert!(wrong(RefundMessage::from_v3_notification(v3).unwrap_err()));
    let overseas = include_bytes!("../../../tests/data/wechat/v3_global_transaction.json");
    assert!(wrong(
        RefundMessage::from_v3_notification(overseas).unwrap_err()
    ));
    let both = V3_REAL.replacen('{', r#"{"trade_state":"REFUND","#, 1);
    assert!(wrong(
        RefundMessage::from_v3_notification(both.as_bytes()).unwrap_err()
    ));
    let around = b"<xml><return_code>SUCCESS</return_code><req_info>abc</req_info></xml>";
    assert!(wrong(RefundMessage::from_v2(around).unwrap_err()));
}

#[test]
fn failed_refund_message_has_no_refund() {
    let v2 = RefundMessage::from_v2(b"<xml><return_code>FAIL</return_code></xml>").unwrap();
    assert!(v2.fact().is_none() && v2.failure().is_some());
    let cloud = RefundMessage::from_cloud(br#"{"returnCode":"FAIL","returnMsg":"no"}"#).unwrap();
    assert_eq!(cloud.failure().unwrap().return_msg, Note::parse("no").ok());
}

#[test]
fn missing_refund_field_error_names_field() {
    for (field, text) in [
        (
            "out_trade_no",
            r#""out_trade_no": "1217752501201407033233368018""#,
        ),
        (
            "out_refund_no",
            r#""out_refund_no": "7752501201407033233368018""#,
        ),
        (
            "transaction_id",
            r#""transaction_id": "1217752501201407033233368018""#,
        ),
        ("refund_status", r#""refund_status": "SUCCESS""#),
        ("amount.refund", r#""refund": 60"#),
    ] {
        let without = V3_REAL.replace(text, r#""anything": 0"#);
        let error = RefundMessage::from_v3_notification(without.as_bytes()).unwrap_err();
        assert_eq!(error, FieldError::Missing.of(field));
    }
    let with = |value: &str| {
        let json = V3_REAL.replace("\"refund\": 60", &format!("\"refund\": {value}"));
        RefundMessage::from_v3_notification(json.as_bytes())
    };
    assert_eq!(
        with("0"),
        Err(FieldError::from(crate::types::ValueError::zero(
            "refund amount",
            "a refund needs at least 1 fen"
        ))
        .of("amount.refund"))
    );
    for value in ["\"60\"", "60.0", "-1", "null", "1e999", "[]"] {
        assert!(with(value).is_err(), "{value}");
    }
    let odd = V3_REAL.replace("2018-06-08T10:34:56+08:00", "yesterday");
    assert_eq!(
        read_fact(RefundMessage::from_v3_notification(odd.as_bytes())).success_at(),
        None
    );
}

proptest! {
    #[test]
    fn corrupt_refund_never_panics(at in 0..400_usize, byte in any::<u8>(), cut in 0..4_usize) {
        for text in [V3_REAL, CLOUD_MADE, V2_MADE] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, [byte]);
            let _ = RefundMessage::from_v3_notification(&bytes);
            let _ = RefundMessage::from_cloud(&bytes);
            let _ = RefundMessage::from_v2(&bytes);
        }
    }
}

#[test]
fn refund_message_becomes_record_refund_command() {
    let message = RefundMessage::from_v3_notification(V3_REAL.as_bytes()).unwrap();
    let (no, fact) = message.clone().into_fact().unwrap();
    let kind = crate::order::CommandKind::RecordRefund(Box::new(fact));
    let command = crate::order::Command { no, kind };
    assert_eq!(message.into_command(), Some(command));
}
