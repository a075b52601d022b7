//! Fields of a cloud event: valid, missing and invalid values.

use std::error::Error as _;

use serde_json::{Value, json};

use super::*;
use crate::types::{AppId, Currency, Fen, Label, MchId, Note, OpenId, ValueError, ValueProblem};
use crate::wechat::FieldError;

mod hostile;

const REAL: &str = include_str!("../../../examples/data/cloud_event.json");
const WRONG_KIND: MessageError = MessageError::WrongKind {
    wanted: "a payment event",
};
const PAYER: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";
const PROVIDERS_PAYER: &str = "oPoo341Im-roYxAd3WD3D_6J-4bA";

/// Returns the sample event after an edit of its fields.
fn edited(edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut event: Value = serde_json::from_str(REAL).unwrap();
    edit(event.as_object_mut().unwrap());
    event.to_string().into_bytes()
}

/// Parses the sample event with another value in one field.
fn with(field: &str, value: impl Into<Value>) -> Result<CloudEvent, MessageError> {
    let value = value.into();
    CloudEvent::from_json(&edited(|event| {
        event.insert(field.to_owned(), value);
    }))
}

/// Parses the sample event without some fields.
fn without(fields: &[&str]) -> Result<CloudEvent, MessageError> {
    CloudEvent::from_json(&edited(|event| {
        event.retain(|key, _| !fields.contains(&&**key))
    }))
}

fn paid(event: Result<CloudEvent, MessageError>) -> Payment {
    event.unwrap().into_payment().unwrap().1
}

fn refused(field: &'static str, reason: impl Into<FieldError>) -> Result<CloudEvent, MessageError> {
    Err(reason.into().of(field))
}

#[test]
fn sample_cloud_event_is_read() {
    let event = CloudEvent::from_json(REAL.as_bytes()).unwrap();
    let no = OrderNo::parse("2021WERUN1647839289398").unwrap();
    assert_eq!(event.order_no(), Some(no));
    assert_eq!(event.failure(), None);
    let payment = event.payment().unwrap();
    assert_eq!(
        payment.transaction_id.as_str(),
        "4200004561202203217657282768"
    );
    assert_eq!(payment.paid_fee, Fen::new(1).unwrap());
    assert_eq!(payment.time_end.to_string(), "2022-03-21T05:20:07.000Z");
    assert_eq!(payment.source, Source::Callback { notify_id: None });
    assert_eq!(payment.currency, Currency::CNY);
    assert_eq!(payment.trade_type, Label::lossy("JSAPI"));
    assert_eq!(payment.bank_type, Label::lossy("OTHERS"));
    assert_eq!(payment.payer_total, Fen::new(1).ok());
    assert_eq!(payment.settlement_total, None);
    assert_eq!(event.clone().into_payment(), Some((no, payment.clone())));
}

#[test]
fn serde_and_from_json_read_same_event() {
    let event = CloudEvent::from_json(REAL.as_bytes()).unwrap();
    assert_eq!(serde_json::from_str::<CloudEvent>(REAL).unwrap(), event);
    let tree: Value = serde_json::from_str(REAL).unwrap();
    assert_eq!(serde_json::from_value::<CloudEvent>(tree).unwrap(), event);
    let error = serde_json::from_slice::<CloudEvent>(&edited(|event| {
        event.insert("totalFee".to_owned(), json!(0));
    }));
    let message = error.unwrap_err().to_string();
    assert_eq!(
        message,
        "field totalFee of the message cannot be used: payment amount is 0 fen: a payment needs at \
         least 1 fen"
    );
    assert!(serde_json::from_str::<CloudEvent>("[1]").is_err());
}

#[test]
fn sub_merchant_has_priority_over_provider() {
    let differing = edited(|event| {
        event.insert("appid".to_owned(), json!("wx-of-the-provider"));
    });
    let payment = paid(CloudEvent::from_json(&differing));
    assert_eq!(payment.appid, AppId::parse("wxd2565e6a04246fd1").ok());
    assert_eq!(payment.mch_id, MchId::parse("1712734762").ok());
    assert_eq!(payment.openid, OpenId::parse(PAYER).ok());
}

#[test]
fn provider_identity_is_used_without_sub_identity() {
    let subs = ["subAppid", "subMchId", "subOpenid"];
    let nothing = [None, Some(json!("")), Some(json!(null))];
    for nothing in nothing {
        let payment = paid(CloudEvent::from_json(&edited(|event| {
            event.insert("appid".to_owned(), json!("wx-plain"));
            for sub in subs {
                event.remove(sub);
                event.extend(nothing.clone().map(|value| (sub.to_owned(), value)));
            }
        })));
        assert_eq!(payment.appid, AppId::parse("wx-plain").ok());
        assert_eq!(payment.mch_id, MchId::parse("1800780001").ok());
        assert_eq!(payment.openid, OpenId::parse(PROVIDERS_PAYER).ok());
    }
}

#[test]
fn appid_merchant_and_openid_fall_back_separately() {
    let payment = paid(without(&["subAppid", "subOpenid"]));
    assert_eq!(payment.mch_id, MchId::parse("1712734762").ok());
    assert_eq!(payment.openid, OpenId::parse(PROVIDERS_PAYER).ok());
}

#[test]
fn missing_identity_is_accepted_malformed_is_refused() {
    let all = [
        "subAppid",
        "subMchId",
        "subOpenid",
        "appid",
        "mchId",
        "openid",
    ];
    let payment = paid(without(&all));
    assert_eq!(
        (payment.appid, payment.mch_id, payment.openid),
        (None, None, None)
    );
    for sub in ["subAppid", "subMchId", "subOpenid"] {
        assert_eq!(with(sub, 7), refused(sub, FieldError::NotText));
        assert_names(with(sub, "with space"), sub, "at character 5");
    }
    // The parser does not check `openid` if `subOpenid` has priority over it.
    assert_eq!(paid(with("openid", 7)).openid, OpenId::parse(PAYER).ok());
    let plain = edited(|event| {
        event.remove("subMchId");
        event.insert("mchId".to_owned(), json!(["1"]));
    });
    assert_eq!(
        CloudEvent::from_json(&plain),
        refused("mchId", FieldError::NotText)
    );
}

/// Asserts that the error names the field, and that its source contains the reason.
fn assert_names(event: Result<CloudEvent, MessageError>, field: &str, reason: &str) {
    let error = event.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("field {field} of the message cannot be used")
    );
    let source = error.source().unwrap().to_string();
    assert!(source.contains(reason), "{field}: {source}");
}

#[test]
fn missing_required_field_error_names_field() {
    for field in [
        "returnCode",
        "resultCode",
        "outTradeNo",
        "transactionId",
        "totalFee",
        "timeEnd",
    ] {
        assert_eq!(without(&[field]), refused(field, FieldError::Missing));
        assert_eq!(
            with(field, Value::Null),
            refused(field, FieldError::Missing)
        );
        assert!(without(&[field]).unwrap_err().to_string().contains(field));
    }
}

#[test]
fn non_string_required_field_is_refused() {
    for field in [
        "returnCode",
        "resultCode",
        "outTradeNo",
        "transactionId",
        "timeEnd",
    ] {
        for value in [
            json!(1),
            json!(20_220_321_132_007_u64),
            json!(true),
            json!([]),
            json!({}),
        ] {
            assert_eq!(with(field, value), refused(field, FieldError::NotText));
        }
    }
}

#[test]
fn invalid_field_value_is_refused_with_reason() {
    let reason = |field, value| match with(field, value).unwrap_err() {
        MessageError::Field {
            field: named,
            source: FieldError::Value(error),
        } if named == field => error.problem,
        error => panic!("{error:?}"),
    };
    assert_eq!(reason("outTradeNo", ""), ValueProblem::Empty);
    let bad = ValueProblem::BadByte { at: 6 };
    assert_eq!(reason("outTradeNo", "123456 "), bad);
    let length = |len| ValueProblem::WrongLength { len };
    assert_eq!(reason("timeEnd", ""), length(0));
    assert_eq!(
        reason("timeEnd", "20220230132007"),
        ValueProblem::NoSuchDate
    );
    assert_eq!(reason("feeType", "yuan"), length(4));
    assert_names(with("transactionId", ""), "transactionId", "is empty");
    let long = reason("transactionId", &"4".repeat(65));
    assert!(matches!(
        long,
        ValueProblem::TooLong {
            len: 65,
            max: 64,
            ..
        }
    ));
}

#[test]
fn event_amount_must_be_positive_integer() {
    let not = |value: Value| {
        assert_eq!(
            with("totalFee", value),
            refused("totalFee", FieldError::NotUnsigned)
        )
    };
    for value in [
        json!(1.0),
        json!("100"),
        json!(-1),
        json!(0.5),
        json!([1]),
        json!(true),
    ] {
        not(value);
    }
    assert_eq!(
        with("totalFee", 0),
        refused(
            "totalFee",
            ValueError::zero("payment amount", "a payment needs at least 1 fen")
        )
    );
    assert_eq!(
        with("totalFee", 1_u64 << 63),
        refused("totalFee", Fen::TOO_LARGE)
    );
    assert_eq!(
        with("totalFee", u64::MAX),
        refused("totalFee", Fen::TOO_LARGE)
    );
    assert_eq!(paid(with("totalFee", i64::MAX)).paid_fee, Fen::MAX);
    for text in ["18446744073709551616", "1e2", "-0", "1.0", "1E+2"] {
        let event = REAL.replace("\"totalFee\": 1", &format!("\"totalFee\": {text}"));
        let event = CloudEvent::from_json(event.as_bytes());
        assert_eq!(
            event,
            refused("totalFee", FieldError::NotUnsigned),
            "{text}"
        );
    }
}

#[test]
fn coupon_does_not_change_paid_amount() {
    let event = edited(|event| {
        event.insert("totalFee".to_owned(), json!(100));
        event.insert("cashFee".to_owned(), json!(90));
        event.insert("settlementTotalFee".to_owned(), json!(95));
    });
    let payment = paid(CloudEvent::from_json(&event));
    assert_eq!(payment.paid_fee.as_u64(), 100);
    assert_eq!(payment.payer_total.map(Fen::as_u64), Some(90));
    assert_eq!(payment.settlement_total.map(Fen::as_u64), Some(95));
}

#[test]
fn event_without_fee_type_is_in_cny() {
    assert_eq!(
        paid(with("feeType", "HKD")).currency,
        Currency::parse("HKD").unwrap()
    );
    assert_eq!(paid(with("feeType", "")).currency, Currency::CNY);
    assert_eq!(paid(without(&["feeType"])).currency, Currency::CNY);
}

#[test]
fn event_with_fail_code_has_no_payment() {
    for code in ["returnCode", "resultCode"] {
        let event = with(code, "FAIL").unwrap();
        assert_eq!(event.payment(), None);
        assert!(event.failure().is_some());
        let no = OrderNo::parse("2021WERUN1647839289398").unwrap();
        assert_eq!(event.order_no(), Some(no));
        assert_eq!(event.into_payment(), None);
    }
}

#[test]
fn failed_event_drops_malformed_fields() {
    let failure = |json: &str| {
        let event = CloudEvent::from_json(json.as_bytes()).unwrap();
        event.failure().unwrap().clone()
    };
    let bare = failure(r#"{"returnCode":"FAIL"}"#);
    assert_eq!(
        (bare.order_no, bare.return_msg, bare.err_code),
        (None, None, None)
    );
    let full = failure(
        r#"{"returnCode":"SUCCESS","resultCode":"FAIL","returnMsg":"OK",
            "errCode":"SYSTEMERROR","errCodeDes":"系统错误","outTradeNo":7}"#,
    );
    assert_eq!(full.order_no, None);
    assert_eq!(full.return_msg, Note::parse("OK").ok());
    assert_eq!(full.err_code, Label::lossy("SYSTEMERROR"));
    assert_eq!(full.err_code_des, Note::parse("系统错误").ok());
    let odd = failure(r#"{"returnCode":"FAIL","returnMsg":[],"errCode":-1e999,"totalFee":{}}"#);
    assert_eq!((odd.return_msg, odd.err_code), (None, None));
}

#[test]
fn unknown_return_code_is_refused() {
    for code in ["returnCode", "resultCode"] {
        for word in ["success", "fail", "", "SUCCESS ", "OK", "PAYERROR"] {
            assert_eq!(with(code, word), refused(code, FieldError::NotCode));
        }
    }
}

#[test]
fn event_of_another_kind_is_refused() {
    let wrong = [
        r#"{"action":"CheckContainerPath"}"#,
        r#"{"ToUserName":"gh_1","MsgType":"event"}"#,
        r#"{"transaction_id":"42","out_trade_no":"1234567","total_fee":1}"#,
        r#"{"returnCode":null,"outTradeNo":""}"#,
        "{}",
        "[]",
        "[{\"returnCode\":\"SUCCESS\"}]",
        "null",
        "true",
        "1",
        "-1.5",
        "\"SUCCESS\"",
    ];
    for json in wrong {
        let event = CloudEvent::from_json(json.as_bytes());
        assert_eq!(event, Err(WRONG_KIND), "{json}");
    }
    for field in ["outRefundNo", "refundId"] {
        assert_eq!(with(field, "7752501201407033"), Err(WRONG_KIND));
        assert_eq!(with(field, 7), Err(WRONG_KIND));
        assert!(with(field, "").is_ok() && with(field, Value::Null).is_ok());
    }
    let failed = br#"{"returnCode":"FAIL","refundId":"50200207182018070300011301001"}"#;
    assert_eq!(CloudEvent::from_json(failed), Err(WRONG_KIND));
}
