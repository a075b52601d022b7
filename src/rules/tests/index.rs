//! List entries and unique keys of records.

use std::collections::HashSet;

use proptest::prelude::*;

use super::random::commands;
use super::*;
use crate::order::{ActionKind, Record, Status};
use crate::rules::{Index, KeyChanges, UniqueKey, index_entries, unique_keys};
use crate::types::RefundNo;

fn times(store: &Oracle, text: &str, index: &Index) -> Vec<(Timestamp, u32)> {
    let entries = store.record(text).map(index_entries).unwrap_or_default();
    let in_list = entries.into_iter().filter(|entry| entry.index == *index);
    in_list.map(|entry| (entry.time, entry.sub)).collect()
}

fn transaction(text: &str) -> Index {
    Index::Transaction(Channel::WECHAT, TransactionId::parse(text).unwrap())
}

fn keys(store: &Oracle, text: &str) -> Vec<UniqueKey> {
    store
        .record(text)
        .into_iter()
        .flat_map(unique_keys)
        .collect()
}

#[test]
fn status_list_sort_time_depends_on_status() {
    let mut store = Oracle::with_order();
    let created = store.now;
    let listed = |store: &Oracle, status, at| {
        for other in Status::ALL {
            let expected = if other == status {
                vec![(at, 0)]
            } else {
                vec![]
            };
            assert_eq!(times(store, "a", &Index::Status(other)), expected);
        }
    };
    store.wait(SECOND);
    listed(&store, Status::Pending, created);
    let _ = store.begin_close("a");
    listed(&store, Status::Closing, created);
    let _ = store.query("a", ChannelState::Closed);
    listed(&store, Status::Closed, store.now);
    let mut payment = paid("X");
    payment.time_end = created.saturating_add(HOUR);
    let _ = store.confirm("a", payment);
    listed(&store, Status::LatePaid, created.saturating_add(HOUR));
    let _ = store.resolve("a", 1, Resolution::Accept);
    listed(&store, Status::Success, created.saturating_add(HOUR));
}

#[test]
fn order_is_listed_under_creator_and_payer() {
    let mut store = Oracle::with_order();
    let created = vec![(store.now, 0)];
    let _ = store.confirm("a", paid_by("X", "aunt"));
    assert_eq!(times(&store, "a", &Index::OpenId(openid("aunt"))), []);
    let _ = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(times(&store, "a", &Index::OpenId(openid("user"))), created);
    assert_eq!(times(&store, "a", &Index::OpenId(openid("aunt"))), created);
}

#[test]
fn transaction_key_belongs_to_paid_order() {
    let mut store = Oracle::with_order();
    let _ = store.create("b", new());
    let raised = store.now;
    let _ = store.confirm("a", paid("X"));
    let _ = store.confirm("b", paid("X"));
    assert_eq!(times(&store, "a", &transaction("X")), [(Timestamp::MAX, 0)]);
    assert_eq!(times(&store, "b", &transaction("X")), [(raised, 0)]);
    assert_eq!(keys(&store, "b"), []);
    let _ = store.confirm("c", paid("W"));
    assert_eq!(keys(&store, "c"), []);
    assert_eq!(times(&store, "c", &transaction("W")), [(raised, 0)]);
}

#[test]
fn repeated_transaction_is_listed_once() {
    let mut store = Oracle::with_order();
    let raised = store.now;
    let _ = store.confirm("a", paid_fen("X", 1));
    store.wait(SECOND);
    let _ = store.confirm("a", paid_by("X", "thief"));
    assert_eq!(store.kinds("a").len(), 2);
    assert_eq!(times(&store, "a", &transaction("X")), [(raised, 0)]);
    let _ = store.confirm("a", paid("X"));
    assert_eq!(times(&store, "a", &transaction("X")), [(Timestamp::MAX, 0)]);
}

#[test]
fn reference_key_belongs_to_payable_or_paid_order() {
    let mut store = Oracle::open();
    let offer = new().reference(reference("r"));
    let index = Index::Reference(reference("r"));
    let created = store.now;
    let _ = store.create("a", offer.clone());
    assert_eq!(times(&store, "a", &index), [(Timestamp::MAX, 0)]);
    let _ = store.query("a", ChannelState::Closed);
    assert_eq!(times(&store, "a", &index), [(created, 0)]);
    let _ = store.confirm("a", paid("X"));
    assert_eq!(times(&store, "a", &index), [(created, 0)]);
    let _ = store.resolve("a", 1, Resolution::Accept);
    assert_eq!(times(&store, "a", &index), [(created, 0)]);
    let _ = store.create("b", offer);
    assert_eq!(times(&store, "b", &index), [(Timestamp::MAX, 0)]);
}

#[test]
fn open_refund_is_listed_and_due() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid_fen("X", 1));
    let raised = store.now;
    assert_eq!(times(&store, "a", &Index::Anomalies), [(raised, 1)]);
    let _ = store.resolve("a", 1, refund("R"));
    assert_eq!(times(&store, "a", &Index::Anomalies), []);
    let number = RefundNo::parse("R").unwrap();
    let key = UniqueKey::RefundNo(Channel::WECHAT, number);
    let transaction = TransactionId::parse("X").unwrap();
    let money = UniqueKey::Transaction(Channel::WECHAT, transaction);
    assert_eq!(keys(&store, "a"), [money.clone(), key.clone()]);
    assert_eq!(times(&store, "a", &money.index()), [(Timestamp::MAX, 0)]);
    assert_eq!(times(&store, "a", &key.index()), [(Timestamp::MAX, 0)]);
    let (check, back) = (
        store.now.saturating_add(SECOND * 5),
        store.now.saturating_add(MINUTE),
    );
    assert_eq!(times(&store, "a", &Index::Due), [(check, 0), (back, 1)]);
    assert_eq!(times(&store, "a", &Index::Refunded), []);
}

#[test]
fn order_with_open_anomaly_is_not_due() {
    let mut store = Oracle::with_order();
    let due = vec![(store.now.saturating_add(SECOND * 5), 0)];
    assert_eq!(times(&store, "a", &Index::Due), due);
    let _ = store.confirm("a", paid_fen("X", 1));
    assert_eq!(times(&store, "a", &Index::Due), []);
    assert_eq!(store.next("a").unwrap().action, ActionKind::Query);
    let _ = store.resolve("a", 1, Resolution::Dismiss);
    assert_eq!(times(&store, "a", &Index::Due), due);
}

#[test]
fn record_without_order_is_in_no_order_list() {
    let mut store = Oracle::open();
    let _ = store.confirm("a", paid("X"));
    let entries = store.record("a").map(index_entries).unwrap();
    let lists: Vec<_> = entries.into_iter().map(|entry| entry.index).collect();
    assert_eq!(lists, [transaction("X"), Index::Anomalies]);
    assert_eq!(times(&store, "a", &Index::Anomalies), [(store.now, 1)]);
    assert!(store.record("a").and_then(Record::as_order).is_none());
}

#[test]
fn only_successful_refund_is_listed_as_refunded() {
    let mut store = Oracle::with_order();
    let _ = store.confirm("a", paid("X"));
    for (number, state) in [
        ("P", RefundState::Processing),
        ("S", RefundState::Success),
        ("C", RefundState::Closed),
    ] {
        let _ = store.record_refund("a", report(number, "X", 10, state));
    }
    let number = RefundNo::parse("S").unwrap();
    let went_back = store.record("a").unwrap().refund(&number).unwrap();
    let at = went_back.success_at.unwrap();
    assert_eq!(times(&store, "a", &Index::Refunded), [(at, 2)]);
}

/// Returns the keys as a set. Fails if a key occurs twice.
fn set(keys: impl IntoIterator<Item = UniqueKey>) -> HashSet<UniqueKey> {
    let mut found = HashSet::new();
    for key in keys {
        assert!(found.insert(key.clone()), "{key:?} occurs twice");
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn key_changes_equal_set_differences(
        commands in prop::collection::vec(commands(), 1..30),
    ) {
        let mut store = Oracle::open();
        let mut states: Vec<Option<Record>> = vec![None];
        for command in commands {
            let _ = store.run(no("a"), command);
            let state = store.record("a").cloned();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        for before in &states {
            let old = set(before.iter().flat_map(unique_keys));
            for after in states.iter().flatten() {
                let new = set(unique_keys(after));
                let changes = KeyChanges::between(before.as_ref(), after);
                prop_assert_eq!(set(changes.claimed), &new - &old);
                prop_assert_eq!(set(changes.freed), &old - &new);
            }
        }
    }
}
