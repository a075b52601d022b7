//! Tests of hostile cloud events: many or large unknown fields, repeated fields, and openids in
//! wrong fields.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Returns the sample event with more JSON fields after its opening brace.
fn spliced(text: &str) -> Vec<u8> {
    REAL.replacen('{', &format!("{{{text},"), 1).into_bytes()
}

#[test]
fn invalid_json_is_refused_with_position() {
    let not = |json: &[u8]| match CloudEvent::from_json(json).unwrap_err() {
        MessageError::NotJson { line, column } => (line, column),
        other => panic!("{other}"),
    };
    assert_eq!(not(b""), (1, 0));
    assert_eq!(not(b"<xml/>"), (1, 1));
    assert_eq!(not(b"{\n\"returnCode\" \"FAIL\"}"), (2, 14));
    for json in [
        b"{".as_slice(),
        b"{} {}",
        b"{\"a\":1,}",
        b"\xff",
        b"{\"returnCode\":\"\xff\"}",
    ] {
        not(json);
    }
    not(REAL.trim_end().trim_end_matches('}').as_bytes());
    not(format!("{REAL}x").as_bytes());
    not(format!("{{\"junk\":{}", "[".repeat(100_000)).as_bytes());
}

#[test]
fn unknown_fields_below_limits_are_ignored() {
    let expected = CloudEvent::from_json(REAL.as_bytes()).unwrap();
    let size = 250 << 10;
    let junk = [
        format!("\"junk\":\"{}\"", "a".repeat(size)),
        format!("\"junk\":{}{}", "[".repeat(size / 2), "]".repeat(size / 2)),
        format!("\"junk\":{}", "9".repeat(size)),
        vec!["\"junk\":0"; 9_900].join(","),
    ];
    for junk in junk {
        assert_eq!(CloudEvent::from_json(&spliced(&junk)).unwrap(), expected);
    }
    let long = with("bankType", "A".repeat(size));
    assert_eq!(paid(long).bank_type, None);
    assert!(CloudEvent::from_json(&vec![b'{'; size]).is_err());
    assert!(CloudEvent::from_json(&vec![0; size]).is_err());
}

#[test]
fn repeated_required_field_is_refused() {
    let twice = |text: &str| CloudEvent::from_json(&spliced(text));
    let fields = [
        ("totalFee", "1"),
        ("returnCode", "\"FAIL\""),
        ("outTradeNo", "null"),
        ("subOpenid", "\"\""),
        ("feeType", "\"CNY\""),
    ];
    for (field, value) in fields {
        let event = twice(&format!("\"{field}\":{value}"));
        assert_eq!(event, refused(field, FieldError::Repeated));
    }
    let refund = twice(r#""refundId":"","refundId":"""#);
    assert_eq!(refund, Err(WRONG_KIND));
}

#[test]
fn repeated_optional_field_is_dropped() {
    let payment = paid(CloudEvent::from_json(&spliced(
        r#""bankType":"CMB","bankType":[]"#,
    )));
    assert_eq!(payment.bank_type, None);
    assert_eq!(payment.trade_type, Label::lossy("JSAPI"));
}

#[test]
fn unparsable_optional_field_is_skipped() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for value in ["1e999", "-1e999", r#""\ud800""#, &deep] {
        let event = REAL.replace("\"cashFee\": 1", &format!("\"cashFee\": {value}"));
        let payment = paid(CloudEvent::from_json(event.as_bytes()));
        assert_eq!((payment.payer_total, payment.paid_fee.as_u64()), (None, 1));
        let needed = REAL.replace("\"totalFee\": 1", &format!("\"totalFee\": {value}"));
        assert!(CloudEvent::from_json(needed.as_bytes()).is_err());
    }
}

#[test]
fn event_debug_and_errors_hide_openid() {
    let shows = |text: &str| text.contains(&PAYER[..8]) || text.contains(&PROVIDERS_PAYER[..8]);
    let event = CloudEvent::from_json(REAL.as_bytes()).unwrap();
    assert!(!shows(&format!("{event:?}{event:#?}")));
    let failed = with("resultCode", "FAIL").unwrap();
    assert!(!shows(&format!("{failed:?}{failed:#?}")));
    let words = br#"{"returnCode":"FAIL","errCodeDes":"oZWaC4xeOVCUkip5njeEeXi1TEsk is unknown"}"#;
    assert!(!shows(&format!(
        "{:?}",
        CloudEvent::from_json(words).unwrap()
    )));
    let every = REAL
        .lines()
        .filter_map(|line| line.trim().split('"').nth(1));
    for field in every.chain(["feeType", "refundId"]) {
        for invalid in [
            json!(format!("{PAYER} ")),
            json!(PAYER.repeat(9)),
            json!([PAYER]),
            json!({PAYER: 1}),
        ] {
            let event = edited(|event| {
                event.insert(field.to_owned(), invalid);
            });
            assert_hidden(&event, shows);
        }
    }
    let text = serde_json::to_vec(PAYER).unwrap();
    assert_hidden(&text, shows);
    assert_hidden(&text[..20], shows);
}

/// Asserts that parsing these bytes gives no error that contains an openid.
fn assert_hidden(json: &[u8], shows: impl Fn(&str) -> bool) {
    if let Err(error) = CloudEvent::from_json(json) {
        let source = error.source().map(ToString::to_string);
        assert!(!shows(&format!("{error:?} {error} {source:?}")));
    }
    if let Err(error) = serde_json::from_slice::<CloudEvent>(json) {
        assert!(!shows(&format!("{error:?} {error}")));
    }
    let tree = serde_json::from_slice::<Value>(json).ok();
    if let Some(Err(error)) = tree.map(serde_json::from_value::<CloudEvent>) {
        assert!(!shows(&format!("{error:?} {error}")));
    }
}

#[test]
fn cloud_event_and_error_are_send_and_sync() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<CloudEvent>();
    crosses::<MessageError>();
}

/// Generates the text of any JSON value, including values that `serde_json` refuses.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| json!(text).to_string()),
        "\"[ -!#-\\[\\]-~]{0,80}\"",
        "\"\\\\u[0-9a-f]{4}\"",
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| format!("[{}]", values.join(","))),
            inner.prop_map(|value| format!("{{\"a\":{value}}}")),
        ]
    })
}

const OPTIONAL: [&str; 9] = [
    "tradeType",
    "bankType",
    "cashFee",
    "settlementTotalFee",
    "isSubscribe",
    "subIsSubscribe",
    "errCodeDes",
    "nonceStr",
    "anything",
];

proptest! {
    #[test]
    fn cloud_event_parser_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = CloudEvent::from_json(&bytes);
    }

    #[test]
    fn corrupt_event_never_panics(at in 0..REAL.len(), byte in any::<u8>(), cut in 0..4_usize) {
        let mut bytes = REAL.as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        let _ = CloudEvent::from_json(&bytes);
    }

    #[test]
    fn invalid_optional_field_never_refuses_payment(
        fields in proptest::collection::vec((0..OPTIONAL.len(), any_value()), 1..6),
    ) {
        let text = fields.iter().map(|(at, value)| format!("\"{}\":{value}", OPTIONAL[*at]));
        let event = spliced(&text.collect::<Vec<_>>().join(","));
        let payment = paid(CloudEvent::from_json(&event));
        let expected = paid(CloudEvent::from_json(REAL.as_bytes()));
        prop_assert!(payment.is_same(&expected));
        prop_assert_eq!(payment.paid_fee, expected.paid_fee);
        prop_assert_eq!(payment.openid, expected.openid);
    }
}
