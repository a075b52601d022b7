//! List entries and unique keys of records.

use super::*;
use crate::order::{ActionKind, Record, Status};
use crate::rules::{Index, UniqueKey, index_entries, unique_keys};
use crate::types::RefundNo;

fn places(shop: &Oracle, text: &str, index: &Index) -> Vec<(Timestamp, u32)> {
    let entries = shop.record(text).map(index_entries).unwrap_or_default();
    let in_list = entries.into_iter().filter(|entry| entry.index == *index);
    in_list.map(|entry| (entry.time, entry.sub)).collect()
}

fn transaction(text: &str) -> Index {
    Index::Transaction(Channel::WECHAT, TransactionId::parse(text).unwrap())
}

fn keys(shop: &Oracle, text: &str) -> Vec<UniqueKey> {
    shop.record(text)
        .into_iter()
        .flat_map(unique_keys)
        .collect()
}

#[test]
fn status_list_uses_time_of_each_status() {
    let mut shop = Oracle::with_order();
    let created = shop.now;
    let listed = |shop: &Oracle, status, at| {
        for other in Status::ALL {
            let expected = if other == status {
                vec![(at, 0)]
            } else {
                vec![]
            };
            assert_eq!(places(shop, "a", &Index::Status(other)), expected);
        }
    };
    shop.wait(SECOND);
    listed(&shop, Status::Pending, created);
    let _ = shop.begin_close("a");
    listed(&shop, Status::Closing, created);
    let _ = shop.query("a", ChannelState::Closed);
    listed(&shop, Status::Closed, shop.now);
    let mut payment = paid("X");
    payment.time_end = created.saturating_add(HOUR);
    let _ = shop.confirm("a", payment);
    listed(&shop, Status::LatePaid, created.saturating_add(HOUR));
    let _ = shop.resolve("a", 1, Resolution::Accept);
    listed(&shop, Status::Success, created.saturating_add(HOUR));
}

#[test]
fn order_is_listed_under_creator_and_payer() {
    let mut shop = Oracle::with_order();
    let created = vec![(shop.now, 0)];
    let _ = shop.confirm("a", paid_by("X", "aunt"));
    assert_eq!(places(&shop, "a", &Index::OpenId(openid("aunt"))), []);
    let _ = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(places(&shop, "a", &Index::OpenId(openid("user"))), created);
    assert_eq!(places(&shop, "a", &Index::OpenId(openid("aunt"))), created);
}

#[test]
fn transaction_key_belongs_to_paid_order() {
    let mut shop = Oracle::with_order();
    let _ = shop.create("b", new());
    let raised = shop.now;
    let _ = shop.confirm("a", paid("X"));
    let _ = shop.confirm("b", paid("X"));
    assert_eq!(places(&shop, "a", &transaction("X")), [(Timestamp::MAX, 0)]);
    assert_eq!(places(&shop, "b", &transaction("X")), [(raised, 0)]);
    assert_eq!(keys(&shop, "b"), []);
    let _ = shop.confirm("c", paid("W"));
    assert_eq!(keys(&shop, "c"), []);
    assert_eq!(places(&shop, "c", &transaction("W")), [(raised, 0)]);
}

#[test]
fn repeated_transaction_is_listed_once() {
    let mut shop = Oracle::with_order();
    let raised = shop.now;
    let _ = shop.confirm("a", paid_fen("X", 1));
    shop.wait(SECOND);
    let _ = shop.confirm("a", paid_by("X", "thief"));
    assert_eq!(shop.kinds("a").len(), 2);
    assert_eq!(places(&shop, "a", &transaction("X")), [(raised, 0)]);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(places(&shop, "a", &transaction("X")), [(Timestamp::MAX, 0)]);
}

#[test]
fn reference_key_belongs_to_live_order() {
    let mut shop = Oracle::open();
    let offer = new().reference(reference("r"));
    let index = Index::Reference(reference("r"));
    let created = shop.now;
    let _ = shop.create("a", offer.clone());
    assert_eq!(places(&shop, "a", &index), [(Timestamp::MAX, 0)]);
    let _ = shop.query("a", ChannelState::Closed);
    assert_eq!(places(&shop, "a", &index), [(created, 0)]);
    let _ = shop.confirm("a", paid("X"));
    assert_eq!(places(&shop, "a", &index), [(created, 0)]);
    let _ = shop.resolve("a", 1, Resolution::Accept);
    assert_eq!(places(&shop, "a", &index), [(created, 0)]);
    let _ = shop.create("b", offer);
    assert_eq!(places(&shop, "b", &index), [(Timestamp::MAX, 0)]);
}

#[test]
fn open_refund_is_listed_and_due() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid_fen("X", 1));
    let raised = shop.now;
    assert_eq!(places(&shop, "a", &Index::Anomalies), [(raised, 1)]);
    let _ = shop.resolve("a", 1, refund("R"));
    assert_eq!(places(&shop, "a", &Index::Anomalies), []);
    let number = RefundNo::parse("R").unwrap();
    let key = UniqueKey::RefundNo(Channel::WECHAT, number);
    let transaction = TransactionId::parse("X").unwrap();
    let money = UniqueKey::Transaction(Channel::WECHAT, transaction);
    assert_eq!(keys(&shop, "a"), [money.clone(), key.clone()]);
    assert_eq!(places(&shop, "a", &money.index()), [(Timestamp::MAX, 0)]);
    assert_eq!(places(&shop, "a", &key.index()), [(Timestamp::MAX, 0)]);
    let (check, back) = (
        shop.now.saturating_add(SECOND * 5),
        shop.now.saturating_add(MINUTE),
    );
    assert_eq!(places(&shop, "a", &Index::Due), [(check, 0), (back, 1)]);
    assert_eq!(places(&shop, "a", &Index::Refunded), []);
}

#[test]
fn order_with_open_anomaly_is_not_due() {
    let mut shop = Oracle::with_order();
    let due = vec![(shop.now.saturating_add(SECOND * 5), 0)];
    assert_eq!(places(&shop, "a", &Index::Due), due);
    let _ = shop.confirm("a", paid_fen("X", 1));
    assert_eq!(places(&shop, "a", &Index::Due), []);
    assert_eq!(shop.next("a").unwrap().action, ActionKind::Query);
    let _ = shop.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(places(&shop, "a", &Index::Due), due);
}

#[test]
fn waiting_record_is_in_no_order_list() {
    let mut shop = Oracle::open();
    let _ = shop.confirm("a", paid("X"));
    let entries = shop.record("a").map(index_entries).unwrap();
    let lists: Vec<_> = entries.into_iter().map(|entry| entry.index).collect();
    assert_eq!(lists, [transaction("X"), Index::Anomalies]);
    assert_eq!(places(&shop, "a", &Index::Anomalies), [(shop.now, 1)]);
    assert!(shop.record("a").and_then(Record::as_order).is_none());
}

#[test]
fn only_successful_refund_is_listed_as_refunded() {
    let mut shop = Oracle::with_order();
    let _ = shop.confirm("a", paid("X"));
    for (number, state) in [
        ("P", RefundState::Processing),
        ("S", RefundState::Success),
        ("C", RefundState::Closed),
    ] {
        let _ = shop.record_refund("a", told(number, "X", 10, state));
    }
    let number = RefundNo::parse("S").unwrap();
    let went_back = shop.record("a").unwrap().refund(&number).unwrap();
    let at = went_back.success_at.unwrap();
    assert_eq!(places(&shop, "a", &Index::Refunded), [(at, 2)]);
}
