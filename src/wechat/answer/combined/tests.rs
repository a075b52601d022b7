//! Tests of `CombinedAnswer`, the answer to a query of a combined payment.

use super::*;
use crate::order::{ChannelState, CommandKind, Source};

const REAL: &str = include_str!("../../../../tests/data/wechat/v3_combined.json");

fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

fn answer(status: u16, body: &str) -> Result<CombinedAnswer, MessageError> {
    CombinedAnswer::from_v3(no("P20150806125346"), status, body.as_bytes())
}

#[test]
fn combined_answer_gives_one_query_per_order() {
    let answer = answer(200, REAL).unwrap();
    assert_eq!(answer.combined().unwrap().sub_orders().len(), 2);
    let order = answer.about(no("20150806125347")).unwrap();
    let command = order.into_command().unwrap();
    assert_eq!(command.no, no("20150806125347"));
    let CommandKind::RecordQuery(state) = command.kind else {
        panic!("the command records no query");
    };
    let payment = state.payment().unwrap();
    assert_eq!(
        (payment.paid_fee.as_u64(), &payment.source),
        (20, &Source::Query)
    );
}

#[test]
fn combined_answer_about_other_payment_is_refused() {
    let other = CombinedAnswer::from_v3(no("P1"), 200, REAL.as_bytes());
    assert_eq!(
        other,
        Err(FieldError::DiffersFromRequest.of("combine_out_trade_no"))
    );
    let answer = answer(200, REAL).unwrap();
    let absent = FieldError::DiffersFromRequest.of("sub_orders.out_trade_no");
    assert_eq!(answer.about(no("P20150806125346")), Err(absent));
}

#[test]
fn ambiguous_or_invalid_combined_order_is_refused() {
    let twice = answer(200, &REAL.replace("20150806125347", "20150806125346")).unwrap();
    let repeated = FieldError::Repeated.of("sub_orders.out_trade_no");
    assert_eq!(twice.about(no("20150806125346")), Err(repeated));
    let invalid = answer(200, &REAL.replace("\"20150806125347\"", "7")).unwrap();
    let unread = FieldError::NotText.of("out_trade_no");
    assert_eq!(invalid.about(no("20150806125347")), Err(unread));
    assert!(invalid.about(no("20150806125346")).is_ok());
}

#[test]
fn unknown_combined_payment_means_no_such_order() {
    let unknown = answer(404, r#"{"code":"ORDER_NOT_EXIST","message":"-"}"#).unwrap();
    let order = unknown.about(no("20150806125346")).unwrap();
    assert_eq!(order.into_state(), Some(ChannelState::NoSuchOrder));
    for (status, body) in [
        (500, r#"{"code":"SYSTEM_ERROR"}"#),
        (502, "<html/>"),
        (404, ""),
    ] {
        let silent = answer(status, body).unwrap();
        assert!(silent.failure().is_some() && silent.combined().is_none());
        let order = silent.about(no("20150806125346")).unwrap();
        assert_eq!(order.into_command(), None);
    }
}
