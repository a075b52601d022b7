//! Tests of refund facts and refund statuses.

use super::*;

fn fact(amount: u64, state: RefundState) -> Result<RefundFact, ValueError> {
    RefundFact::new(
        RefundNo::parse("R").unwrap(),
        TransactionId::parse("X").unwrap(),
        Fen::new(amount).unwrap(),
        state,
    )
}

#[test]
fn refund_fact_of_zero_amount_is_rejected() {
    let refused = fact(0, RefundState::Success);
    assert_eq!(refused, Err(nothing_back()));
    let one_fen = fact(1, RefundState::Success).unwrap();
    assert_eq!(one_fen.amount(), Fen::new(1).unwrap());
}

#[test]
fn refund_fact_getters_return_set_values() {
    let other = Channel::parse("other").unwrap();
    let id = RefundId::parse("50200207182018070300011301001").unwrap();
    let fact = fact(60, RefundState::Processing).unwrap();
    assert_eq!(fact.channel(), Channel::WECHAT);
    assert_eq!((fact.refund_id(), fact.success_at()), (None, None));
    let fact = fact
        .with_channel(other)
        .with_refund_id(id.clone())
        .with_success_at(Timestamp::MAX);
    assert_eq!(fact.channel(), other);
    assert_eq!(fact.refund_no().as_str(), "R");
    assert_eq!(fact.transaction_id().as_str(), "X");
    assert_eq!(fact.refund_id(), Some(&id));
    assert_eq!(fact.success_at(), Some(Timestamp::MAX));
    assert_eq!(fact.state(), RefundState::Processing);
}

#[test]
fn only_closed_refund_state_reserves_no_money() {
    use RefundState::{Abnormal, Closed, Processing, Success};
    for state in [Processing, Success, Closed, Abnormal] {
        let status = RefundStatus::from(state);
        assert_eq!(format!("{status:?}"), format!("{state:?}"));
        assert_eq!(status.holds_money(), state != Closed);
    }
}
