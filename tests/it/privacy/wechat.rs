//! Privacy of WeChat messages and bills.

use std::error::Error as _;

use orderstore::wechat::bill::{BillDay, BillReader};
use orderstore::wechat::{
    BillDifference, ClosingAnswer, CloudEvent, CloudReply, CombinedAnswer, CombinedTransaction,
    MessageError, OrderAnswer, Reconciliation, RefundAnswer, RefundMessage, V2Event, V2Reply,
    V3Reply, V3Transaction,
};

use super::*;

const CLOUD: &str = include_str!("../../../examples/data/cloud_event.json");
const V2: &str = include_str!("../../data/wechat/v2_notify.xml");
const V3: &str = include_str!("../../data/wechat/v3_transaction.json");
const V3_PARTNER: &str = include_str!("../../data/wechat/v3_partner_transaction.json");
const V3_REFUND: &str = include_str!("../../data/wechat/v3_refund.json");
const V3_GLOBAL_REFUND: &str = include_str!("../../data/wechat/v3_global_refund.json");
const V3_COMBINED: &str = include_str!("../../data/wechat/v3_combined.json");

/// Other personal data in the messages: a second user, and digits of a bank card in a refund.
const OTHERS: [&str; 2] = ["oPoo341Im-roYxAd3WD3D_6J-4bA", "0403"];

fn assert_all_private<T: Debug>(value: &T) {
    assert_private(value);
    let printed = format!("{value:?}");
    for secret in OTHERS {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn debug_output_of_messages_hides_user_and_free_text() {
    let cloud = CloudEvent::from_json(CLOUD.as_bytes()).unwrap();
    assert_all_private(&cloud);
    let attached = V3.replace("自定义数据", WORDS);
    assert_ne!(attached, V3);
    for json in [V3, V3_PARTNER, &attached] {
        let transaction = V3Transaction::from_json(json.as_bytes()).unwrap();
        assert_all_private(&transaction);
    }
    assert_all_private(&V2Event::from_xml(V2.as_bytes()).unwrap());
    let refund = RefundMessage::from_v3_notification(V3_REFUND.as_bytes()).unwrap();
    assert_all_private(&refund);
    let asked = OrderNo::parse("1217752501201407033233368018").unwrap();
    assert_all_private(&OrderAnswer::from_v3(asked, 200, V3.as_bytes()).unwrap());
    let combined = CombinedTransaction::from_json(V3_COMBINED.as_bytes()).unwrap();
    assert_all_private(&combined);
    let answer = CombinedAnswer::from_v3(combined.order_no(), 200, V3_COMBINED.as_bytes());
    assert_all_private(&answer.unwrap());
    let (no, asked) = global_refund();
    let answer = RefundAnswer::from_v3(no, &asked, 200, V3_GLOBAL_REFUND.as_bytes());
    assert_all_private(&answer.unwrap());
    let refusal = format!(r#"{{"code":"NOT_ENOUGH","message":"{USER} {WORDS}"}}"#);
    assert_all_private(&RefundAnswer::from_v3(no, &asked, 403, refusal.as_bytes()).unwrap());
    let closing = format!(r#"{{"code":"SYSTEM_ERROR","message":"{USER} {WORDS}"}}"#);
    assert_all_private(&ClosingAnswer::from_v3(400, closing.as_bytes()));
    assert_all_private(&(
        CloudReply::of(false),
        V2Reply::of(false),
        V3Reply::of(false),
    ));
}

/// Order and refund of the overseas sample message.
fn global_refund() -> (OrderNo, NewRefund) {
    let refund = NewRefund::new(
        RefundNo::parse("R20150806125346").unwrap(),
        TransactionId::parse("1008450740201411110005820873").unwrap(),
        Fen::new(50).unwrap(),
    );
    (OrderNo::parse("20150806125346").unwrap(), refund.unwrap())
}

#[test]
fn message_errors_do_not_repeat_the_message() {
    let spoil = |text: &str| {
        [
            text.replace("transaction_id", "not_one")
                .replace("transactionId", "notOne"),
            text.replace("\"SUCCESS\"", &format!("\"{USER}\"")),
            text.replace("20220321132007", WORDS)
                .replace("2018-06-08T10:34:56+08:00", WORDS),
            text.replace("100", &format!("\"{USER}\"")),
            format!("{{\"{USER}\": \"{WORDS}"),
            format!("\"{USER}\""),
            format!("<xml><{USER}>{WORDS}</xml>"),
            format!("<xml><out_trade_no>{USER}{WORDS}</out_trade_no></xml>"),
        ]
    };
    let asked = OrderNo::parse("1217752501201407033233368018").unwrap();
    let mut errors: Vec<MessageError> = Vec::new();
    let (no, refund) = global_refund();
    let samples = [
        CLOUD,
        V2,
        V3,
        V3_PARTNER,
        V3_REFUND,
        V3_GLOBAL_REFUND,
        V3_COMBINED,
    ];
    for text in samples.into_iter().flat_map(spoil) {
        let bytes = text.as_bytes();
        errors.extend(CloudEvent::from_json(bytes).err());
        errors.extend(V2Event::from_xml(bytes).err());
        errors.extend(V3Transaction::from_json(bytes).err());
        errors.extend(RefundMessage::from_v3_notification(bytes).err());
        errors.extend(RefundMessage::from_cloud(bytes).err());
        errors.extend(RefundMessage::from_v2(bytes).err());
        errors.extend(OrderAnswer::from_v3(asked, 200, bytes).err());
        errors.extend(OrderAnswer::from_v2(asked, bytes).err());
        errors.extend(OrderAnswer::from_cloud(asked, bytes).err());
        errors.extend(ClosingAnswer::from_v2(bytes).err());
        errors.extend(ClosingAnswer::from_cloud(bytes).err());
        errors.extend(RefundAnswer::from_v2(no, &refund, bytes).err());
        errors.extend(RefundAnswer::from_v3(no, &refund, 200, bytes).err());
        errors.extend(RefundAnswer::from_cloud(no, &refund, bytes).err());
        match CombinedTransaction::from_json(bytes) {
            Ok(combined) => {
                let orders = combined.into_sub_orders();
                errors.extend(orders.into_iter().filter_map(Result::err));
            }
            Err(error) => errors.push(error),
        }
    }
    assert!(errors.len() > 100, "{}", errors.len());
    for error in errors {
        assert_silent("an error", &format!("{error} {error:?}"));
        if let Some(source) = error.source() {
            assert_silent("its source", &format!("{source} {source:?}"));
        }
    }
}

/// Returns a bill of one line with one cell replaced.
fn bill(cell: &str, by: &str) -> String {
    let header = "交易时间,公众账号ID,商户号,特约商户号,微信订单号,商户订单号,用户标识,交易状态,商品名称,订单金额";
    let line = format!(
        "`2021-01-28 15:35:18,`wxa,`1601959334,`0,`T1,`order-1,`{USER},`SUCCESS,`{WORDS},`0.01"
    );
    format!("{header}\n{}\n总交易单数\n`1\n", line.replace(cell, by))
}

#[test]
fn debug_output_of_bills_hides_user_and_free_text() {
    let text = bill("", "");
    let reader = BillReader::new(text.as_bytes()).unwrap();
    assert_private(&reader);
    let lines: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    assert_private(&lines);
    let store = filled_store();
    let reader = BillReader::new(text.as_bytes()).unwrap();
    let mut found: Vec<BillDifference> = Vec::new();
    let day = BillDay::parse("2021-01-28").unwrap();
    let comparison = Reconciliation::of(day, MchId::parse("1601959334").unwrap());
    assert_private(&comparison);
    let counts = comparison.run(&store, reader, |difference| found.push(difference));
    assert_private(&counts);
    assert!(!found.is_empty());
    assert_private(&found);
}

#[test]
fn bill_errors_do_not_repeat_the_bill() {
    for cell in [
        "2021-01-28 15:35:18",
        "`wxa",
        "1601959334",
        "`T1",
        "order-1",
        "SUCCESS",
        "0.01",
    ] {
        let text = bill(cell, &format!("`{USER} {WORDS}"));
        let read = BillReader::new(text.as_bytes())
            .unwrap()
            .collect::<Result<Vec<_>, _>>();
        let error = read.unwrap_err();
        let source = error.source().map(|source| format!("{source} {source:?}"));
        assert_silent("a bill's error", &format!("{error} {error:?} {source:?}"));
    }
    let error = BillReader::new(format!("{USER},{WORDS}\n").as_bytes()).unwrap_err();
    assert_silent("a bill's error", &format!("{error} {error:?}"));
}
