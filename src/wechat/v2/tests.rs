//! Tests of API v2 notifications: valid and hostile XML.

use proptest::prelude::*;

use super::*;
use crate::types::{AppId, Currency, Fen, Label, MchId, OpenId, TransactionId};
use crate::wechat::FieldError;

const REAL: &str = include_str!("../../../tests/data/wechat/v2_notify.xml");
const PAYER: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

/// Returns the sample notification with more XML elements.
fn spliced(xml: &str) -> String {
    REAL.replacen("<xml>", &format!("<xml>{xml}"), 1)
}

fn read(xml: &str) -> Result<V2Event, MessageError> {
    V2Event::from_xml(xml.as_bytes())
}

fn paid(xml: &str) -> Payment {
    read(xml).unwrap().into_payment().unwrap().1
}

fn is_not_xml(xml: &str) -> bool {
    matches!(read(xml), Err(MessageError::NotXml { .. }))
}

#[test]
fn sample_v2_notification_is_read() {
    let event = read(REAL).unwrap();
    let (no, payment) = event.clone().into_payment().unwrap();
    assert_eq!(no.as_str(), "5851201802081137376855");
    let transaction = TransactionId::parse("4200000054201802088621539348");
    assert_eq!(Ok(payment.transaction_id), transaction);
    assert_eq!(payment.paid_fee, Fen::new(105).unwrap());
    assert_eq!(payment.time_end.to_string(), "2018-02-08T03:37:48.000Z");
    assert_eq!(payment.appid, AppId::parse("wx8888888888888888").ok());
    assert_eq!(payment.mch_id, MchId::parse("1900000109").ok());
    assert_eq!(payment.openid, OpenId::parse(PAYER).ok());
    assert_eq!(
        (payment.currency, payment.source),
        (Currency::CNY, Source::CALLBACK)
    );
    assert_eq!(payment.bank_type, Label::lossy("CFT"));
    assert_eq!(event.into_command().unwrap().no, no);
}

#[test]
fn v2_sub_identity_has_priority_and_must_be_valid() {
    let xml = spliced("<sub_appid>wxsub</sub_appid><sub_mch_id>77</sub_mch_id><sub_openid/>");
    let payment = paid(&xml);
    assert_eq!(payment.appid, AppId::parse("wxsub").ok());
    assert_eq!(payment.mch_id, MchId::parse("77").ok());
    assert_eq!(payment.openid, OpenId::parse(PAYER).ok());
    let bad = read(&spliced("<sub_openid>a b</sub_openid>")).unwrap_err();
    assert!(matches!(
        bad,
        MessageError::Field {
            field: "sub_openid",
            ..
        }
    ));
}

#[test]
fn v2_notification_with_fail_code_has_no_payment() {
    for code in ["return_code", "result_code"] {
        let field = |word| format!("<{code}><![CDATA[{word}]]></{code}>");
        let event = read(&REAL.replace(&field("SUCCESS"), &field("FAIL"))).unwrap();
        assert!(event.failure().is_some() && event.into_command().is_none());
        let odd = read(&REAL.replace(&field("SUCCESS"), &field("OK")));
        assert_eq!(odd, Err(FieldError::NotCode.of(code)));
    }
    let bare = read("<xml><return_code>FAIL</return_code></xml>").unwrap();
    assert_eq!(bare.order_no(), None);
}

#[test]
fn missing_v2_field_error_names_field() {
    for field in [
        "return_code",
        "result_code",
        "out_trade_no",
        "transaction_id",
        "total_fee",
        "time_end",
    ] {
        let without = REAL
            .replace(&format!("<{field}>"), "<x>")
            .replace(&format!("</{field}>"), "</x>");
        assert_eq!(read(&without), Err(FieldError::Missing.of(field)));
        let twice = spliced(&format!("<{field}>1</{field}>"));
        assert_eq!(read(&twice), Err(FieldError::Repeated.of(field)));
        let nested = REAL.replace(&format!("<{field}>"), &format!("<{field}><a>1</a>"));
        assert!(read(&nested).is_err());
    }
    for value in [
        "",
        "1.0",
        "-1",
        "+1",
        "1e2",
        " 105",
        "18446744073709551616",
        "一",
    ] {
        let xml = REAL.replace("<total_fee>105<", &format!("<total_fee>{value}<"));
        assert_eq!(
            read(&xml),
            Err(FieldError::NotUnsigned.of("total_fee")),
            "{value}"
        );
    }
}

#[test]
fn query_answer_is_no_v2_notification() {
    let wrong = Err(MessageError::WrongKind {
        wanted: FORM.wanted,
    });
    for xml in [
        "<html/>",
        "<xml/>",
        "<XML><return_code>SUCCESS</return_code></XML>",
    ] {
        assert_eq!(read(xml), wrong, "{xml}");
    }
    assert_eq!(read(&spliced("<trade_state>NOTPAY</trade_state>")), wrong);
    assert!(read(&spliced("<trade_state>SUCCESS</trade_state>")).is_ok());
}

#[test]
fn xml_document_type_entity_and_depth_are_refused() {
    let bomb = "<!DOCTYPE xml [<!ENTITY a \"1\"><!ENTITY b \"&a;&a;\">]>";
    assert!(is_not_xml(&format!("{bomb}{REAL}")));
    let file = "<!DOCTYPE xml [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    assert!(is_not_xml(&format!("{file}{REAL}")));
    assert!(is_not_xml(&spliced("<attach>&own;</attach>")));
    assert!(is_not_xml(&spliced("<attach>&#xFFFFFFFF;</attach>")));
    assert!(is_not_xml(&spliced(&"<a>".repeat(9_000))));
    assert!(is_not_xml(&spliced(&format!(
        "{}{}",
        "<a>".repeat(16),
        "</a>".repeat(16)
    ))));
    assert!(
        paid(&spliced("<attach>a&lt;&amp;&#65;</attach><a><b/></a>"))
            .paid_fee
            .as_u64()
            == 105
    );
    let spelled = REAL.replace("<total_fee>105<", "<total_fee>1&#48;<![CDATA[5]]><");
    assert_eq!(paid(&spelled).paid_fee.as_u64(), 105);
}

#[test]
fn xml_without_single_root_element_is_refused() {
    for xml in [
        "",
        "  ",
        "<xml>",
        "<xml></xml",
        "</xml>",
        "<xml/><xml/>",
        "x<xml/>",
        "<xml/>x",
        "{}",
        "<a></b>",
    ] {
        assert!(is_not_xml(xml), "{xml}");
    }
    assert!(matches!(
        V2Event::from_xml(b"<xml>\xff</xml>"),
        Err(MessageError::NotXml { at: 5 })
    ));
    let large = V2Event::from_xml(&vec![b' '; (4 << 20) + 1]);
    assert!(matches!(large, Err(MessageError::TooLarge { .. })));
    assert!(read(&format!("\u{feff}<?xml version=\"1.0\"?><!-- a -->{REAL}")).is_ok());
}

#[test]
fn v2_debug_and_errors_hide_openid() {
    let shown = format!("{:?}", read(REAL).unwrap());
    assert!(!shown.contains(PAYER));
    for field in [
        "total_fee",
        "time_end",
        "openid",
        "out_trade_no",
        "return_code",
    ] {
        let xml = spliced(&format!("<{field}>{PAYER} {PAYER}</{field}>"));
        let error = read(&xml).unwrap_err();
        assert!(!format!("{error:?}{error}").contains(PAYER));
    }
}

proptest! {
    #[test]
    fn v2_parser_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = V2Event::from_xml(&bytes);
    }

    #[test]
    fn malformed_xml_never_panics(parts in proptest::collection::vec("[<>/&;!?x\\[\\]\"'# -]{0,6}|<xml>|</xml>|<total_fee>|<!\\[CDATA\\[|\\]\\]>", 0..20)) {
        let _ = read(&parts.concat());
    }

    #[test]
    fn corrupt_xml_never_panics(at in 0..REAL.len(), byte in any::<u8>(), cut in 0..4_usize) {
        let mut bytes = REAL.as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        let _ = V2Event::from_xml(&bytes);
    }

    #[test]
    fn invalid_optional_field_never_refuses_payment(field in 0..5_usize, text in "[^<&>]{0,100}") {
        let field = ["trade_type", "bank_type", "cash_fee", "attach", "err_code_des"][field];
        let bare = REAL.replace("<bank_type><![CDATA[CFT]]></bank_type>", "");
        let xml = bare.replacen("<xml>", &format!("<xml><{field}>{text}</{field}>"), 1);
        prop_assert!(paid(&xml).is_same(&paid(REAL)));
    }
}
