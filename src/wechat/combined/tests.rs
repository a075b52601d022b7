//! Tests of combined payments.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::order::{Payment, Source};
use crate::types::{Fen, Label, MchId, TransactionId};
use crate::wechat::RefundMessage;

const REAL: &str = include_str!("../../../tests/data/wechat/v3_combined.json");

fn read(json: &Value) -> Result<CombinedTransaction, MessageError> {
    CombinedTransaction::from_json(json.to_string().as_bytes())
}

fn real() -> Value {
    serde_json::from_str(REAL).unwrap()
}

fn paid(order: &Result<V3Transaction, MessageError>) -> (OrderNo, Payment) {
    let order = order.clone().unwrap();
    order.into_payment(None).unwrap()
}

#[test]
fn combined_payment_becomes_one_payment_per_order() {
    let combined = CombinedTransaction::from_json(REAL.as_bytes()).unwrap();
    assert_eq!(combined.order_no().as_str(), "P20150806125346");
    let id = Label::lossy("EV-2018022511223320873");
    let orders = combined.clone().into_sub_orders();
    let [first, second] = &orders[..] else {
        panic!("{orders:?}");
    };
    let (no, payment) = first.clone().unwrap().into_payment(id.clone()).unwrap();
    assert_eq!(no.as_str(), "20150806125346");
    let transaction = TransactionId::parse("1009660380201506130728806387");
    assert_eq!(Ok(payment.transaction_id), transaction);
    assert_eq!(payment.paid_fee.as_u64(), 10);
    assert_eq!(payment.payer_total, Fen::new(8).ok());
    assert_eq!(payment.time_end.to_string(), "2015-05-20T05:29:35.120Z");
    assert_eq!(payment.source, Source::Callback { notify_id: id });
    assert_eq!(payment.appid, AppId::parse("wxd678efh567hg6787").ok());
    assert_eq!(payment.mch_id, MchId::parse("1900000109").ok());
    assert_eq!(
        payment.openid,
        OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").ok()
    );
    let (no, payment) = paid(second);
    assert_eq!(
        (no.as_str(), payment.paid_fee.as_u64()),
        ("20150806125347", 20)
    );
    assert_eq!(payment.appid, AppId::parse("wxd678efh567hg6999").ok());
    assert_eq!(payment.mch_id, MchId::parse("1230000109").ok());
    assert_eq!(
        payment.openid,
        OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeUUU").ok()
    );
    assert_eq!(combined.sub_orders(), &orders[..]);
}

#[test]
fn combined_payment_of_fifty_orders_with_coupons_is_read() {
    let mut json = real();
    let mut order = json["sub_orders"][0].clone();
    let coupon = json!({ "coupon_id": "109519", "name": "满100元减10元", "goods_detail": [
        { "goods_id": "10086", "quantity": 1, "unit_price": 100, "goods_remark": "商品备注" }
    ] });
    order["promotion_detail"] = Value::Array(vec![coupon; 10]);
    json["sub_orders"] = (0..50)
        .map(|at| {
            order["out_trade_no"] = json!(format!("T{at}"));
            order["transaction_id"] = json!(format!("X{at}"));
            order.clone()
        })
        .collect();
    let orders = read(&json).unwrap().into_sub_orders();
    assert_eq!(orders.len(), 50);
    for (at, order) in orders.iter().enumerate() {
        let (no, payment) = paid(order);
        assert_eq!(no.as_str(), format!("T{at}"));
        assert_eq!(payment.transaction_id.as_str(), format!("X{at}"));
    }
}

#[test]
fn invalid_order_does_not_hide_other_orders() {
    for (change, error) in [
        (
            json!({ "transaction_id": null }),
            FieldError::Missing.of("transaction_id"),
        ),
        (
            json!({ "trade_state": "PAID" }),
            FieldError::NotState.of("trade_state"),
        ),
        (
            json!({ "sub_openid": 7 }),
            FieldError::NotText.of("sub_openid"),
        ),
        (
            json!({ "amount": 10 }),
            FieldError::NotInObject.of("amount.total_amount"),
        ),
    ] {
        let mut json = real();
        for (name, value) in change.as_object().unwrap() {
            json["sub_orders"][0][name] = value.clone();
        }
        let orders = read(&json).unwrap().into_sub_orders();
        assert_eq!(orders[0], Err(error));
        assert_eq!(paid(&orders[1]).0.as_str(), "20150806125347");
    }
    let mut json = real();
    json["sub_orders"][0] = json!([]);
    let orders = read(&json).unwrap().into_sub_orders();
    let wanted = SUB_ORDER_FORM.wanted;
    assert_eq!(orders[0], Err(MessageError::WrongKind { wanted }));
    assert!(orders[1].is_ok());
}

#[test]
fn combined_payment_without_order_list_is_refused() {
    let with = |orders: Value| {
        let mut json = real();
        json["sub_orders"] = orders;
        read(&json)
    };
    for absent in [Value::Null, json!([])] {
        assert_eq!(with(absent), Err(FieldError::Missing.of("sub_orders")));
    }
    for other in [json!({}), json!("[]"), json!(1)] {
        assert_eq!(with(other), Err(FieldError::NotList.of("sub_orders")));
    }
    let twice = REAL.replacen('{', r#"{"sub_orders":[],"#, 1);
    assert_eq!(
        CombinedTransaction::from_json(twice.as_bytes()),
        Err(FieldError::NotList.of("sub_orders"))
    );
}

#[test]
fn malformed_shared_payer_is_refused() {
    for (field, name) in [
        ("combine_appid", "combine_appid"),
        ("combine_out_trade_no", "combine_out_trade_no"),
        ("combine_payer_info", "combine_payer_info.openid"),
    ] {
        let mut json = real();
        json[field] = json!(7);
        let error = read(&json).unwrap_err();
        assert!(matches!(error, MessageError::Field { field, .. } if field == name));
    }
}

#[test]
fn single_combined_and_refund_messages_are_distinct() {
    let wrong = |error| matches!(error, MessageError::WrongKind { .. });
    let single = include_bytes!("../../../tests/data/wechat/v3_transaction.json");
    assert!(wrong(CombinedTransaction::from_json(single).unwrap_err()));
    let refund = include_bytes!("../../../tests/data/wechat/v3_refund.json");
    assert!(wrong(CombinedTransaction::from_json(refund).unwrap_err()));
    assert!(wrong(
        V3Transaction::from_json(REAL.as_bytes()).unwrap_err()
    ));
    assert!(wrong(
        RefundMessage::from_v3_notification(REAL.as_bytes()).unwrap_err()
    ));
}

proptest! {
    #[test]
    fn corrupt_payment_never_panics(at in 0..REAL.len(), byte in any::<u8>(), cut in 0..9_usize) {
        let mut bytes = REAL.as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        let _ = CombinedTransaction::from_json(&bytes);
    }

    #[test]
    fn invalid_optional_field_never_refuses_payment(
        outer in any::<bool>(),
        value in "null|true|-?[1-9][0-9]{0,30}(e[0-9]{1,4})?|\"[ -!#-\\[\\]-~]{0,80}\"|\\[1e999\\]|\\{\"a\":1e999\\}",
    ) {
        let mut json = real();
        let field = if outer { "scene_info" } else { "attach" };
        let owner = if outer { &mut json } else { &mut json["sub_orders"][0] };
        owner[field] = json!("HERE");
        let json = json.to_string().replace("\"HERE\"", &value);
        let orders = CombinedTransaction::from_json(json.as_bytes()).unwrap().into_sub_orders();
        prop_assert_eq!(paid(&orders[0]).1.paid_fee.as_u64(), 10);
    }
}
