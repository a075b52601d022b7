//! Tests of the answer to a refund request, by protocol.
//!
//! The samples have the format that the channel documents for each interface.

use proptest::prelude::*;

use super::*;
use crate::order::RefundState;
use crate::types::RefundNo;
use crate::types::{Fen, RefundId, TransactionId};

const NO: &str = "2021WERUN1647840687637";

const V2_ANSWER: &str = "<xml>
<return_code><![CDATA[SUCCESS]]></return_code>
<return_msg><![CDATA[OK]]></return_msg>
<appid><![CDATA[wx2421b1c4370ec43b]]></appid>
<mch_id><![CDATA[10000100]]></mch_id>
<nonce_str><![CDATA[NfsMFbUFpdbEhPXP]]></nonce_str>
<sign><![CDATA[B7274EB9F8925EB93100DD2085FA56C0]]></sign>
<result_code><![CDATA[SUCCESS]]></result_code>
<transaction_id><![CDATA[4220001361307220321004860688]]></transaction_id>
<out_trade_no><![CDATA[2021WERUN1647840687637]]></out_trade_no>
<out_refund_no><![CDATA[R2021WERUN1647840687637]]></out_refund_no>
<refund_id><![CDATA[50302030148218522032126281690]]></refund_id>
<refund_channel><![CDATA[]]></refund_channel>
<refund_fee>40</refund_fee>
<total_fee>100</total_fee>
<cash_fee>100</cash_fee>
<cash_refund_fee>40</cash_refund_fee>
</xml>";

const CONTAINER: &str = r#"{"errcode":0,"errmsg":"ok","respdata":{"return_code":"SUCCESS",
    "return_msg":"OK","result_code":"SUCCESS","appid":"wxd2565e6a04246fd1","mch_id":"1800780001",
    "sub_mch_id":"1712734762","nonce_str":"CK9lmcq4mCXTXkRM","sign":"356D60CC779C02FB2FAA9187FB13E122",
    "transaction_id":"4220001361307220321004860688","out_trade_no":"2021WERUN1647840687637",
    "out_refund_no":"R2021WERUN1647840687637","refund_id":"50302030148218522032126281690",
    "refund_fee":40,"total_fee":100,"cash_fee":100,"cash_refund_fee":40,"coupon_refund_fee":0,
    "coupon_refund_count":0,"coupon_type_list":[],"coupon_refund_id_list":[],
    "coupon_refund_fee_list":[]}}"#;

const FUNCTION: &str = r#"{"returnCode":"SUCCESS","returnMsg":"OK","resultCode":"SUCCESS",
    "appid":"wxd2565e6a04246fd1","mchId":"1800780001","subMchId":"1712734762",
    "nonceStr":"CK9lmcq4mCXTXkRM","sign":"356D60CC779C02FB2FAA9187FB13E122",
    "transactionId":"4220001361307220321004860688","outTradeNo":"2021WERUN1647840687637",
    "outRefundNo":"R2021WERUN1647840687637","refundId":"50302030148218522032126281690",
    "refundFee":40,"totalFee":100,"cashFee":100,"cashRefundFee":40,"couponTypeList":[],
    "couponRefundIdList":[],"couponRefundFeeList":[],"errCode":0,"errMsg":"cloudPay.refund:ok"}"#;

const DOMESTIC: &str = r#"{"refund_id":"50302030148218522032126281690",
    "out_refund_no":"R2021WERUN1647840687637","transaction_id":"4220001361307220321004860688",
    "out_trade_no":"2021WERUN1647840687637","channel":"ORIGINAL","user_received_account":"-",
    "create_time":"2020-12-01T16:18:12+08:00","status":"PROCESSING","funds_account":"UNSETTLED",
    "amount":{"total":100,"refund":40,"payer_total":90,"payer_refund":36,"settlement_refund":40,
    "settlement_total":100,"discount_refund":4,"currency":"CNY"},"promotion_detail":[]}"#;

const ECOMMERCE: &str = r#"{"refund_id":"50302030148218522032126281690",
    "out_refund_no":"R2021WERUN1647840687637","create_time":"2018-06-08T10:34:56+08:00",
    "amount":{"refund":40,"payer_refund":40,"discount_refund":0,"currency":"CNY","advance":40},
    "promotion_detail":[{"promotion_id":"109519","scope":"SINGLE","type":"DISCOUNT","amount":5,
    "refund_amount":1}],"refund_account":"REFUND_SOURCE_SUB_MERCHANT"}"#;

const GLOBAL: &str = r#"{"id":"50302030148218522032126281690",
    "out_refund_no":"R2021WERUN1647840687637","create_time":"2018-06-08T10:34:56+08:00",
    "amount":{"refund":40,"currency":"HKD","payer_refund":36,"payer_currency":"CNY",
    "exchange_rate":{"type":"SETTLEMENT_RATE","rate":8000000}},"promotion_detail":[]}"#;

fn no() -> OrderNo {
    OrderNo::parse(NO).unwrap()
}

fn asked() -> NewRefund {
    NewRefund::new(
        RefundNo::parse("R2021WERUN1647840687637").unwrap(),
        TransactionId::parse("4220001361307220321004860688").unwrap(),
        Fen::new(40).unwrap(),
    )
    .unwrap()
}

type Read = Result<RefundAnswer, MessageError>;

fn v2(xml: &str) -> Read {
    RefundAnswer::from_v2(no(), &asked(), xml.as_bytes())
}

fn cloud(json: &str) -> Read {
    RefundAnswer::from_cloud(no(), &asked(), json.as_bytes())
}

fn v3(status: u16, json: &str) -> Read {
    RefundAnswer::from_v3(no(), &asked(), status, json.as_bytes())
}

/// Returns a parsed accepting answer of each interface. `edit` changes the text of each before it
/// is parsed.
fn accepted(edit: impl Fn(&str) -> String) -> [Read; 6] {
    [
        v2(&edit(V2_ANSWER)),
        cloud(&edit(CONTAINER)),
        cloud(&edit(FUNCTION)),
        v3(200, &edit(DOMESTIC)),
        v3(200, &edit(ECOMMERCE)),
        v3(200, &edit(GLOBAL)),
    ]
}

/// Returns a parsed answer of each interface with the error code `code`.
fn failed(code: &str, status: u16) -> [Read; 4] {
    [
        v2(&format!(
            "<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code>\
             <err_code>{code}</err_code><err_code_des>-</err_code_des></xml>"
        )),
        cloud(&format!(
            r#"{{"errcode":0,"errmsg":"ok","respdata":{{"return_code":"SUCCESS",
            "result_code":"FAIL","err_code":"{code}","err_code_des":"-"}}}}"#
        )),
        cloud(&format!(
            r#"{{"returnCode":"SUCCESS","resultCode":"FAIL","errCode":"{code}","errCodeDes":"-"}}"#
        )),
        v3(status, &format!(r#"{{"code":"{code}","message":"-"}}"#)),
    ]
}

/// Returns the refund of an answer that accepts the request.
fn fact(answer: Read) -> RefundFact {
    let answer = answer.unwrap();
    assert_eq!(answer.failure(), None);
    match answer.reply() {
        RefundReply::Accepted(fact) => (**fact).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn accepted_refund_answer_is_read_from_every_interface() {
    for answer in accepted(str::to_owned) {
        let fact = fact(answer);
        assert_eq!(
            fact.refund_id(),
            RefundId::parse("50302030148218522032126281690")
                .ok()
                .as_ref()
        );
        assert_eq!(fact.refund_no(), asked().refund_no());
        assert_eq!(fact.transaction_id(), asked().transaction_id());
        assert_eq!(
            (fact.amount(), fact.state()),
            (asked().amount(), RefundState::Processing)
        );
    }
    let command = v2(V2_ANSWER).unwrap().into_command().unwrap();
    let fact = fact(v2(V2_ANSWER));
    let kind = CommandKind::RecordRefund(Box::new(fact));
    assert_eq!(command, Command { no: no(), kind });
}

#[test]
fn refused_refund_answer_has_error_code() {
    for code in [
        "NOTENOUGH",
        "NOT_ENOUGH",
        "USER_ACCOUNT_ABNORMAL",
        "TRADE_OVERDUE",
        "PARAM_ERROR",
        "ORDERNOTEXIST",
        "RESOURCE_NOT_EXISTS",
        "INVALID_TRANSACTIONID",
        "REQUEST_BLOCKED",
    ] {
        for answer in failed(code, 403) {
            let answer = answer.unwrap();
            let code = Label::parse(code).unwrap();
            assert_eq!(answer.failure().unwrap().err_code.as_ref(), Some(&code));
            assert_eq!(*answer.reply(), RefundReply::Refused { code: code.clone() });
            let refund_no = asked().refund_no().clone();
            let refund = refund_no.into();
            let kind = CommandKind::RecordRefundRefused { refund, code };
            assert_eq!(answer.into_command(), Some(Command { no: no(), kind }));
        }
    }
}

#[test]
fn uncertain_refund_answer_means_retry() {
    let uncertain = |answer: Read| {
        let answer = answer.unwrap();
        assert_eq!(*answer.reply(), RefundReply::Retry);
        assert!(answer.failure().is_some());
        assert_eq!(answer.into_command(), None);
    };
    for code in [
        "SYSTEMERROR",
        "SYSTEM_ERROR",
        "BIZERR_NEED_RETRY",
        "INVALID_REQ_TOO_MUCH",
        "FREQUENCY_LIMITED",
        "ORDER_NOT_READY",
        "SIGNERROR",
        "NO_AUTH",
        "CERT_ERROR",
        "MCH_NOT_EXISTS",
        // The outcome is also uncertain with these codes, because the channel returns them if the
        // server repeats an accepted request.
        "REFUND_FEE_MISMATCH",
        "INVALID_REQUEST",
        "ERROR",
        "A_CODE_OF_TOMORROW",
    ] {
        failed(code, 400).into_iter().for_each(uncertain);
    }
    // An error code refuses the refund only with a status that the channel itself sends. With the
    // statuses below, the answer may come from a gateway between server and channel.
    for status in [201, 202, 302, 429, 500, 502, 503] {
        uncertain(v3(status, r#"{"code":"NOT_ENOUGH","message":"-"}"#));
        uncertain(v3(status, DOMESTIC));
    }
    uncertain(v3(403, "<html>forbidden</html>"));
    uncertain(v3(404, ""));
    uncertain(v2(
        "<xml><return_code>FAIL</return_code><return_msg>签名失败</return_msg></xml>",
    ));
    uncertain(cloud(
        r#"{"returnCode":"FAIL","returnMsg":"-","couponTypeList":[],"errCode":0,"errMsg":"cloudPay.refund:ok"}"#,
    ));
    uncertain(cloud(r#"{"errcode":-1,"errmsg":"system error"}"#));
}

#[test]
fn refund_answer_about_other_refund_is_refused() {
    let not_asked = |answer: Read| {
        let error = answer.unwrap_err();
        let MessageError::Field { source, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(source, FieldError::DiffersFromRequest);
    };
    for answer in accepted(|text| text.replace("R2021WERUN1647840687637", "R1")) {
        not_asked(answer);
    }
    // Test only the first four answers, because ecommerce and global answers contain no order
    // number.
    let of_another = accepted(|text| {
        text.replace("\"2021WERUN", "\"2022WERUN")
            .replace("[2021WERUN", "[2022WERUN")
    });
    for answer in of_another.into_iter().take(4) {
        not_asked(answer);
    }
}

#[test]
fn refund_amount_in_answer_replaces_requested_amount() {
    let edit = |text: &str| {
        text.replace("\"refund\":40", "\"refund\":30")
            .replace("fee\":40,\"total", "fee\":30,\"total")
            .replace("refundFee\":40", "refundFee\":30")
            .replace("<refund_fee>40", "<refund_fee>30")
    };
    for answer in accepted(edit) {
        assert_eq!(fact(answer).amount().as_u64(), 30);
    }
    let other = DOMESTIC.replace("4220001361307220321004860688", "X");
    assert_eq!(fact(v3(200, &other)).transaction_id().as_str(), "X");
    let done = DOMESTIC.replace(
        "\"status\":\"PROCESSING\"",
        "\"status\":\"SUCCESS\",\"success_time\":\"2020-12-01T16:18:13+08:00\"",
    );
    let done = fact(v3(200, &done));
    assert_eq!(done.state(), RefundState::Success);
    assert_eq!(
        done.success_at().unwrap().to_string(),
        "2020-12-01T08:18:13.000Z"
    );
}

#[test]
fn incomplete_or_wrong_refund_answer_is_refused() {
    for answer in accepted(|text| {
        text.replace("refund_id\"", "x\"")
            .replace("refund_id>", "x>")
            .replace("refundId", "x")
            .replace("\"id\"", "\"x\"")
    }) {
        let error = answer.unwrap_err();
        assert!(matches!(
            error,
            MessageError::Field {
                source: FieldError::Missing,
                ..
            }
        ));
    }
    for answer in accepted(|text| {
        text.replace("\"refund\":40", "\"refund\":\"40\"")
            .replace("ee\":40", "ee\":\"40\"")
            .replace(">40<", ">4.0<")
    }) {
        let error = answer.unwrap_err();
        assert!(matches!(
            error,
            MessageError::Field {
                source: FieldError::NotUnsigned,
                ..
            }
        ));
    }
    let wrong = |answer: Read| matches!(answer, Err(MessageError::WrongKind { .. }));
    assert!(wrong(v2("<xml><out_refund_no>R</out_refund_no></xml>")));
    assert!(wrong(cloud(r#"{"outRefundNo":"R"}"#)));
    let trade = include_str!("../../../../tests/data/wechat/v3_transaction.json");
    assert!(wrong(v3(200, trade)));
    let overseas = include_str!("../../../../tests/data/wechat/v3_global_transaction.json");
    assert!(wrong(v3(200, overseas)));
    assert!(wrong(v3(
        200,
        r#"{"id":"EV-1","resource":{"ciphertext":"x"}}"#
    )));
}

proptest! {
    #[test]
    fn corrupt_answer_never_panics(at in 0..400_usize, byte in any::<u8>(), cut in 0..4_usize) {
        for text in [V2_ANSWER, CONTAINER, FUNCTION, GLOBAL] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, [byte]);
            let _ = RefundAnswer::from_v2(no(), &asked(), &bytes);
            let _ = RefundAnswer::from_cloud(no(), &asked(), &bytes);
            let _ = RefundAnswer::from_v3(no(), &asked(), 200, &bytes);
        }
    }
}
