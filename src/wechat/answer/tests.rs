//! Tests of the channel's answers to queries and close requests, by protocol.

use proptest::prelude::*;

use super::*;
use crate::order::{ChannelState, CloseReply, CommandKind, Source};
use crate::types::OrderNo;
use crate::wechat::{FieldError, MessageError};

const V3: &str = include_str!("../../../tests/data/wechat/v3_transaction.json");
const V2_NOTICE: &str = include_str!("../../../tests/data/wechat/v2_notify.xml");
const EVENT: &str = include_str!("../../../examples/data/cloud_event.json");

fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

fn v2_answer(state: &str) -> String {
    let state = format!("</result_code>\n<trade_state>{state}</trade_state>");
    V2_NOTICE.replace("</result_code>", &state)
}

fn v2_error(code: &str) -> String {
    format!(
        "<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code><err_code>{code}</err_code></xml>"
    )
}

#[test]
fn paid_order_answer_is_read_from_every_protocol() {
    let v3 = OrderAnswer::from_v3(no("1217752501201407033233368018"), 200, V3.as_bytes()).unwrap();
    assert_eq!(v3.state().unwrap().payment().unwrap().source, Source::Query);
    let v2 = v2_answer("SUCCESS");
    let v2 = OrderAnswer::from_v2(no("5851201802081137376855"), v2.as_bytes()).unwrap();
    assert_eq!(
        v2.state().unwrap().payment().unwrap().paid_fee.as_u64(),
        105
    );
    let asked = no("2021WERUN1647839289398");
    let camel = EVENT.replacen('{', "{\"tradeState\":\"REFUND\",", 1);
    let camel = OrderAnswer::from_cloud(asked, camel.as_bytes()).unwrap();
    assert!(matches!(camel.state(), Some(ChannelState::Refund(_))));
    let snake = br#"{"errcode":0,"errmsg":"ok","respdata":{"return_code":"SUCCESS",
        "result_code":"SUCCESS","trade_state":"SUCCESS","out_trade_no":"2021WERUN1647839289398",
        "transaction_id":"42","total_fee":1,"time_end":"20220321132007","sub_mch_id":"77"}}"#;
    let command = OrderAnswer::from_cloud(asked, snake)
        .unwrap()
        .into_command()
        .unwrap();
    let CommandKind::RecordQuery(state) = command.kind else {
        panic!("{command:?}");
    };
    let payment = state.payment().unwrap();
    assert_eq!(
        (command.no, payment.mch_id.as_ref().unwrap().as_str()),
        (asked, "77")
    );
}

#[test]
fn order_not_exist_code_means_no_such_order() {
    let asked = no("1234567");
    for code in ["ORDERNOTEXIST", "ORDER_NOT_EXIST"] {
        let json = format!(r#"{{"code":"{code}","message":"-"}}"#);
        let cloud = format!(
            r#"{{"errcode":0,"respdata":{{"return_code":"SUCCESS","result_code":"FAIL","err_code":"{code}"}}}}"#
        );
        for answer in [
            OrderAnswer::from_v3(asked, 404, json.as_bytes()),
            OrderAnswer::from_v2(asked, v2_error(code).as_bytes()),
            OrderAnswer::from_cloud(asked, cloud.as_bytes()),
        ] {
            assert_eq!(
                answer.unwrap().into_state(),
                Some(ChannelState::NoSuchOrder)
            );
        }
    }
}

#[test]
fn answer_without_state_gives_no_command() {
    let asked = no("1234567");
    let silent = |answer: OrderAnswer| {
        assert!(answer.failure().is_some());
        assert_eq!(answer.state(), None);
        assert_eq!(answer.into_command(), None);
    };
    silent(OrderAnswer::from_v3(asked, 502, b"<html>bad gateway</html>").unwrap());
    silent(OrderAnswer::from_v3(asked, 500, br#"{"code":"SYSTEM_ERROR"}"#).unwrap());
    silent(OrderAnswer::from_v3(asked, 404, b"").unwrap());
    silent(OrderAnswer::from_v2(asked, v2_error("SYSTEMERROR").as_bytes()).unwrap());
    silent(OrderAnswer::from_cloud(asked, br#"{"errcode":-1,"errmsg":"busy"}"#).unwrap());
}

#[test]
fn answer_about_another_order_is_refused() {
    let asked = no("1234567");
    let not = |field| Err(FieldError::DiffersFromRequest.of(field));
    assert_eq!(
        OrderAnswer::from_v3(asked, 200, V3.as_bytes()),
        not("out_trade_no")
    );
    assert_eq!(
        OrderAnswer::from_v2(asked, v2_answer("NOTPAY").as_bytes()),
        not("out_trade_no")
    );
    let camel = EVENT.replacen('{', "{\"tradeState\":\"SUCCESS\",", 1);
    assert_eq!(
        OrderAnswer::from_cloud(asked, camel.as_bytes()),
        not("outTradeNo")
    );
}

#[test]
fn answer_without_trade_state_is_refused() {
    let missing = |field| Err(FieldError::Missing.of(field));
    let notice = OrderAnswer::from_v2(no("5851201802081137376855"), V2_NOTICE.as_bytes());
    assert_eq!(notice, missing("trade_state"));
    let event = OrderAnswer::from_cloud(no("2021WERUN1647839289398"), EVENT.as_bytes());
    assert_eq!(event, missing("tradeState"));
    let wrong = OrderAnswer::from_cloud(no("1234567"), b"{}").unwrap_err();
    assert!(matches!(wrong, MessageError::WrongKind { .. }));
}

#[test]
fn close_answer_is_read_from_status_or_code() {
    let v3 = |status, code: &str| {
        let body = format!(r#"{{"code":"{code}","message":"-"}}"#);
        ClosingAnswer::from_v3(status, body.as_bytes()).reply()
    };
    assert_eq!(ClosingAnswer::from_v3(204, b"").reply(), CloseReply::Closed);
    for (code, reply) in [
        ("ORDERPAID", CloseReply::OrderPaid),
        ("ORDER_PAID", CloseReply::OrderPaid),
        ("ORDER_CLOSED", CloseReply::Closed),
        ("ORDERCLOSED", CloseReply::Closed),
        ("ORDERNOTEXIST", CloseReply::NoSuchOrder),
        ("ORDER_NOT_EXIST", CloseReply::NoSuchOrder),
        ("USERPAYING", CloseReply::Retry),
        ("SYSTEM_ERROR", CloseReply::Retry),
        ("FREQUENCY_LIMITED", CloseReply::Retry),
        ("SIGN_ERROR", CloseReply::Retry),
    ] {
        assert_eq!(v3(400, code), reply, "{code}");
        let v2 = ClosingAnswer::from_v2(v2_error(code).as_bytes()).unwrap();
        assert_eq!(v2.reply(), reply, "{code}");
        assert_eq!(v2.failure().unwrap().err_code, Label::lossy(code));
    }
    for body in [b"".as_slice(), b"<html/>", b"{\"code\":7}", b"\xff"] {
        assert_eq!(ClosingAnswer::from_v3(500, body).reply(), CloseReply::Retry);
        assert_eq!(ClosingAnswer::from_v3(200, body).reply(), CloseReply::Retry);
    }
    let done = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>";
    let done = ClosingAnswer::from_v2(done).unwrap();
    assert_eq!(
        done.into_command(no("1234567")).kind,
        CommandKind::RecordClose(CloseReply::Closed)
    );
    let cloud = br#"{"errcode":0,"respdata":{"return_code":"SUCCESS","result_code":"SUCCESS"}}"#;
    assert_eq!(
        ClosingAnswer::from_cloud(cloud).unwrap().reply(),
        CloseReply::Closed
    );
    let busy = ClosingAnswer::from_cloud(br#"{"errcode":-1}"#).unwrap();
    assert_eq!(busy.reply(), CloseReply::Retry);
    assert!(ClosingAnswer::from_v2(b"<xml/>").is_err());
}

proptest! {
    #[test]
    fn answer_parsers_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        status in any::<u16>(),
    ) {
        let asked = no("1234567");
        let _ = OrderAnswer::from_v3(asked, status, &bytes);
        let _ = OrderAnswer::from_v2(asked, &bytes);
        let _ = OrderAnswer::from_cloud(asked, &bytes);
        let _ = ClosingAnswer::from_v3(status, &bytes);
        let _ = ClosingAnswer::from_v2(&bytes);
        let _ = ClosingAnswer::from_cloud(&bytes);
    }
}
