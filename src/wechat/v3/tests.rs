//! Tests of API v3 transactions: direct, of a service provider, and overseas.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::types::{AppId, Currency, Fen, MchId, OpenId, TransactionId};
use crate::wechat::{FieldError, OrderAnswer};

const REAL: &str = include_str!("../../../tests/data/wechat/v3_transaction.json");
const PARTNER: &str = include_str!("../../../tests/data/wechat/v3_partner_transaction.json");
const GLOBAL: &str = include_str!("../../../tests/data/wechat/v3_global_transaction.json");

/// Parses the sample transaction with another value at a path, such as `amount.total`.
fn with(path: &str, value: Value) -> Result<V3Transaction, MessageError> {
    let mut json: Value = serde_json::from_str(REAL).unwrap();
    let (outer, inner) = path.split_once('.').unwrap_or((path, ""));
    if inner.is_empty() {
        json[outer] = value;
    } else {
        json[outer][inner] = value;
    }
    V3Transaction::from_json(json.to_string().as_bytes())
}

fn paid(transaction: Result<V3Transaction, MessageError>) -> Payment {
    transaction.unwrap().into_payment(None).unwrap().1
}

fn refused(field: &'static str, why: impl Into<FieldError>) -> Result<V3Transaction, MessageError> {
    Err(why.into().of(field))
}

#[test]
fn v3_coupon_does_not_change_paid_amount() {
    let transaction = V3Transaction::from_json(REAL.as_bytes()).unwrap();
    let id = Label::lossy("EV-2018022511223320873");
    let (no, payment) = transaction.into_payment(id.clone()).unwrap();
    assert_eq!(no.as_str(), "1217752501201407033233368018");
    assert_eq!(payment.paid_fee.as_u64(), 100);
    assert_eq!(payment.payer_total, Fen::new(90).ok());
    assert_eq!(payment.time_end.to_string(), "2018-06-08T02:34:56.000Z");
    assert_eq!(payment.source, Source::Callback { notify_id: id });
    assert_eq!(payment.appid, AppId::parse("wxd678efh567hg6787").ok());
    assert_eq!(payment.mch_id, MchId::parse("1230000109").ok());
    assert_eq!(
        serde_json::from_str::<V3Transaction>(REAL)
            .unwrap()
            .order_no(),
        no
    );
}

#[test]
fn v3_sub_merchant_has_priority_over_provider() {
    let payment = paid(V3Transaction::from_json(PARTNER.as_bytes()));
    assert_eq!(payment.appid, AppId::parse("wxd678efh567hg6999").ok());
    assert_eq!(payment.mch_id, MchId::parse("1900000109").ok());
    assert_eq!(
        payment.openid,
        OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeUUU").ok()
    );
    let alone = PARTNER
        .replace("sub_appid", "x")
        .replace("sub_openid", "y")
        .replace("sub_mchid", "z");
    let payment = paid(V3Transaction::from_json(alone.as_bytes()));
    assert_eq!(payment.appid, AppId::parse("wx8888888888888888").ok());
    assert_eq!(payment.mch_id, MchId::parse("1230000109").ok());
    assert_eq!(
        payment.openid,
        OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").ok()
    );
}

#[test]
fn overseas_transaction_id_is_read_from_id() {
    let transaction = V3Transaction::from_json(GLOBAL.as_bytes()).unwrap();
    let (no, payment) = transaction.into_payment(None).unwrap();
    assert_eq!(no.as_str(), "20150806125346");
    let id = TransactionId::parse("4200000000002104083200000488");
    assert_eq!(Ok(payment.transaction_id), id);
    assert_eq!(payment.paid_fee.as_u64(), 528_800);
    assert_eq!(payment.currency, Currency::parse("HKD").unwrap());
    assert_eq!(
        payment.openid,
        OpenId::parse("oUpF8uN95-Ptaags6E_roPHg7AG0").ok()
    );
    let answer = OrderAnswer::from_v3(no, 200, GLOBAL.as_bytes()).unwrap();
    assert!(answer.state().unwrap().payment().is_some());
    let partner = GLOBAL
        .replace(
            "\"mchid\": \"10000100\"",
            "\"sp_mchid\": \"10000100\", \"sub_mchid\": \"20000100\"",
        )
        .replace("\"appid\"", "\"sp_appid\"")
        .replace("\"openid\"", "\"sp_openid\"");
    let payment = paid(V3Transaction::from_json(partner.as_bytes()));
    assert_eq!(payment.mch_id, MchId::parse("20000100").ok());
    assert_eq!(payment.appid, AppId::parse("wx2421b1c4370ec43b").ok());
    let without = GLOBAL.replace("\"id\"", "\"x\"");
    assert_eq!(
        V3Transaction::from_json(without.as_bytes()),
        refused("transaction_id", FieldError::Missing)
    );
    let bad = GLOBAL.replace("\"4200000000002104083200000488\"", "7");
    assert_eq!(
        V3Transaction::from_json(bad.as_bytes()),
        refused("id", FieldError::NotText)
    );
    let both = paid(with("id", json!("EV-1")));
    assert_eq!(both.transaction_id.as_str(), "1217752501201407033233368018");
}

#[test]
fn unpaid_state_gives_no_command() {
    for (word, state) in [
        ("NOTPAY", ChannelState::NotPay),
        ("USERPAYING", ChannelState::UserPaying),
        ("ACCEPT", ChannelState::Accept),
        ("CLOSED", ChannelState::Closed),
        ("PAYERROR", ChannelState::PayError),
        ("REVOKED", ChannelState::Revoked),
    ] {
        let json = format!(r#"{{"out_trade_no":"1234567","trade_state":"{word}"}}"#);
        let transaction = V3Transaction::from_json(json.as_bytes()).unwrap();
        assert_eq!(transaction.state(), &state);
        assert_eq!(transaction.into_command(None), None);
    }
    let refunded = with("trade_state", json!("REFUND")).unwrap();
    assert!(matches!(refunded.state(), ChannelState::Refund(_)));
    assert!(matches!(
        refunded.into_command(None).unwrap().kind,
        CommandKind::Confirm(_)
    ));
    assert_eq!(
        with("trade_state", json!("success")),
        refused("trade_state", FieldError::NotState)
    );
}

#[test]
fn missing_v3_field_error_names_field() {
    for field in [
        "out_trade_no",
        "trade_state",
        "transaction_id",
        "success_time",
    ] {
        assert_eq!(
            with(field, Value::Null),
            refused(field, FieldError::Missing)
        );
        assert_eq!(with(field, json!(7)), refused(field, FieldError::NotText));
    }
    for total in [json!("100"), json!(1.0), json!(-1), json!([1]), json!(true)] {
        assert_eq!(
            with("amount.total", total),
            refused("amount.total", FieldError::NotUnsigned)
        );
    }
    assert_eq!(
        with("amount", Value::Null),
        refused("amount.total", FieldError::Missing)
    );
    for amount in [
        json!(100),
        json!("100"),
        json!([100]),
        json!(true),
        json!(-1),
        json!(0.5),
    ] {
        assert_eq!(
            with("amount", amount),
            refused("amount.total", FieldError::NotInObject)
        );
    }
    for payer in [json!("o"), json!([])] {
        assert_eq!(
            with("payer", payer),
            refused("payer.sub_openid", FieldError::NotInObject)
        );
    }
    assert_eq!(paid(with("payer", Value::Null)).openid, None);
    assert_eq!(
        paid(with("amount.payer_total", json!("90"))).payer_total,
        None
    );
}

#[test]
fn repeated_json_object_or_field_is_refused() {
    let twice = |text: &str| {
        let json = REAL.replacen('{', &format!("{{{text},"), 1);
        V3Transaction::from_json(json.as_bytes())
    };
    assert_eq!(
        twice(r#""amount":{"total":1}"#),
        refused("amount.total", FieldError::Repeated)
    );
    assert_eq!(
        twice(r#""amount":{}"#),
        refused("amount.total", FieldError::Repeated)
    );
    assert_eq!(
        twice(r#""amount":null"#),
        refused("amount.total", FieldError::Repeated)
    );
    assert_eq!(
        twice(r#""trade_state":"CLOSED""#),
        refused("trade_state", FieldError::Repeated)
    );
    assert_eq!(
        twice(r#""payer":{}"#),
        refused("payer.sub_openid", FieldError::Repeated)
    );
    let inner = REAL.replace("\"total\": 100", "\"total\": 100, \"total\": 100");
    assert_eq!(
        V3Transaction::from_json(inner.as_bytes()),
        refused("amount.total", FieldError::Repeated)
    );
}

#[test]
fn encrypted_v3_notification_is_wrong_kind() {
    let envelope =
        br#"{"id":"EV-1","event_type":"TRANSACTION.SUCCESS","resource":{"ciphertext":"x"}}"#;
    for json in [envelope.as_slice(), b"{}", b"[]", b"null", b"7", b"\"x\""] {
        let error = V3Transaction::from_json(json).unwrap_err();
        assert_eq!(
            error,
            MessageError::WrongKind {
                wanted: FORM.wanted
            }
        );
    }
    let deep = format!("{{\"amount\":{}", "[".repeat(100_000));
    assert!(matches!(
        V3Transaction::from_json(deep.as_bytes()),
        Err(MessageError::NotJson { .. })
    ));
    let large = V3Transaction::from_json(&vec![b' '; (4 << 20) + 1]);
    assert!(matches!(large, Err(MessageError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn corrupt_json_never_panics(at in 0..REAL.len(), byte in any::<u8>(), cut in 0..9_usize) {
        let mut bytes = REAL.as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        let _ = V3Transaction::from_json(&bytes);
    }

    #[test]
    fn invalid_optional_field_never_refuses_payment(
        field in 0..5_usize,
        value in "null|true|-?[1-9][0-9]{0,30}([.][0-9]{1,4})?(e[0-9]{1,4})?|\"[ -!#-\\[\\]-~]{0,80}\"|\\[\\[\\]\\]|\\{\"a\":1e999\\}",
    ) {
        let field = ["trade_type", "bank_type", "attach", "promotion_detail", "scene_info"][field];
        let mut json: serde_json::Map<String, Value> = serde_json::from_str(REAL).unwrap();
        json.remove(field);
        let json = Value::Object(json).to_string().replacen('{', &format!("{{\"{field}\":{value},"), 1);
        let payment = paid(V3Transaction::from_json(json.as_bytes()));
        prop_assert!(payment.is_same(&paid(V3Transaction::from_json(REAL.as_bytes()))));
    }
}
