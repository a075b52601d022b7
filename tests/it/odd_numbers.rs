//! Order numbers as they occur in practice: of 1 byte, of 32 bytes, and with every allowed byte.

use orderstore::transfer::{Amounts, Import, Input, Mapping};
use orderstore::wechat::{CloudEvent, OrderAnswer, RefundMessage, V2Event, V3Transaction};
use orderstore::{OrderNo, OrderQuery, PageRequest, Store, TransactionId};

const V2: &str = include_str!("../data/wechat/v2_notify.xml");
const V3: &str = include_str!("../data/wechat/v3_transaction.json");
const V3_REFUND: &str = include_str!("../data/wechat/v3_refund.json");
const V2_REFUND: &str = "<root><out_refund_no>R1</out_refund_no><out_trade_no>NO</out_trade_no>\
    <refund_fee>1</refund_fee><refund_id>503</refund_id><refund_status>SUCCESS</refund_status>\
    <transaction_id>T1</transaction_id></root>";
const CLOUD: &str = r#"{"returnCode":"SUCCESS","resultCode":"SUCCESS","appid":"wxa",
    "mchId":"190","outTradeNo":"NO","totalFee":1,"cashFee":1,"feeType":"CNY","tradeType":"JSAPI",
    "openid":"oA","transactionId":"T1","timeEnd":"20220321132007","bankType":"OTHERS"}"#;

fn numbers() -> [String; 5] {
    ["7", "0012", "_-|*@", "till1", &"9".repeat(32)].map(str::to_owned)
}

#[test]
fn messages_accept_order_numbers_of_1_to_32_bytes() {
    for text in numbers() {
        let no = OrderNo::parse(&text).unwrap();
        let v2 = V2.replace("5851201802081137376855", &text);
        let event = V2Event::from_xml(v2.as_bytes()).unwrap();
        assert_eq!(event.into_payment().unwrap().0, no);
        let answer = OrderAnswer::from_v2(
            no,
            v2.replace("</xml>", "<trade_state>SUCCESS</trade_state></xml>")
                .as_bytes(),
        );
        assert_eq!(answer.unwrap().into_command().unwrap().no, no);
        let refund = V2_REFUND.replace("NO", &text);
        let refund = RefundMessage::from_v2(refund.as_bytes()).unwrap();
        assert_eq!(refund.order_no(), Some(no));
        let field = |no: &str| format!("\"out_trade_no\": \"{no}\"");
        let real = field("1217752501201407033233368018");
        let v3 = V3.replace(&real, &field(&text));
        let v3 = V3Transaction::from_json(v3.as_bytes()).unwrap();
        assert_eq!(v3.into_payment(None).unwrap().0, no);
        let refund = V3_REFUND.replace(&real, &field(&text));
        let refund = RefundMessage::from_v3_notification(refund.as_bytes()).unwrap();
        assert_eq!(refund.order_no(), Some(no));
        let cloud = CLOUD.replace("NO", &text);
        let cloud = CloudEvent::from_json(cloud.as_bytes()).unwrap();
        assert_eq!(cloud.into_payment().unwrap().0, no);
    }
}

/// Some tools write a byte order mark at the start of every text.
#[test]
fn byte_order_mark_before_json_or_xml_is_skipped() {
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    assert!(V3Transaction::from_json(&marked(V3)).is_ok());
    assert!(RefundMessage::from_v3_notification(&marked(V3_REFUND)).is_ok());
    assert!(CloudEvent::from_json(&marked(CLOUD)).is_ok());
    assert!(V2Event::from_xml(&marked(V2)).is_ok());
    assert!(RefundMessage::from_v2(&marked(V2_REFUND)).is_ok());
}

#[test]
fn import_and_list_accept_order_numbers_of_1_to_32_bytes() {
    let store = Store::memory().unwrap();
    let record = |(nth, no): (usize, &String)| {
        format!(
            "{{\"outTradeNo\":\"{no}\",\"appid\":\"wxa\",\"totalFee\":1,\"payStatus\":\"success\",\
             \"createTime\":1647840000000,\"transactionId\":\"T{nth}\",\
             \"timeEnd\":\"20220321132007\"}}\n"
        )
    };
    let books: String = numbers().iter().enumerate().map(record).collect();
    let import = Import::mapped(Mapping::of(Amounts::Fen));
    let report = import
        .run(&store, Input::json(books.as_bytes()), |_| {})
        .unwrap();
    assert_eq!((report.imported, report.refused), (5, 0));
    let page = store
        .list(OrderQuery::all().page(PageRequest::of(10)))
        .wait();
    assert_eq!(page.unwrap().rows.len(), 5);
    for (nth, text) in numbers().iter().enumerate() {
        let no = OrderNo::parse(text).unwrap();
        assert!(store.get(no).wait().unwrap().is_some());
        let id = TransactionId::parse(&format!("T{nth}")).unwrap();
        let found = store.list(OrderQuery::by_transaction(&id)).wait().unwrap();
        assert_eq!(found.rows[0].no, no);
    }
    assert!(store.verify().wait().unwrap().is_ok());
}
