//! Tests of exporting a store's orders as JSON Lines and importing them again.

use super::*;
use crate::order::{AnomalyId, ChannelState, CommandKind, EventKind, RefundState, Resolution};
use crate::query::PageRequest;
use crate::testing::fixtures;

/// Exports a store as JSON Lines.
fn json_lines(store: &Store) -> (Exported, String) {
    let mut text = Vec::new();
    let exported = Export::all().json_lines(store, &mut text).unwrap();
    (exported, String::from_utf8(text).unwrap())
}

/// Executes commands, each for the order with the given fixture number.
fn submit(store: &Store, commands: impl IntoIterator<Item = (u64, CommandKind)>) {
    for (n, kind) in commands {
        let command = fixtures::command(n, kind);
        let tickets = store.submit_all(vec![command]).unwrap();
        for ticket in tickets {
            let _ = ticket.wait().unwrap();
        }
    }
}

fn confirm(transaction: u64, fee: u64) -> CommandKind {
    CommandKind::Confirm(Box::new(fixtures::payment(transaction, fee)))
}

fn record_refund(transaction: u64, n: u64, amount: u64, state: RefundState) -> CommandKind {
    let fact = fixtures::refund_fact(transaction, n, amount, state);
    CommandKind::RecordRefund(Box::new(fact))
}

fn request_refund(transaction: u64, n: u64, amount: u64) -> CommandKind {
    CommandKind::RequestRefund(Box::new(fixtures::refund_of(transaction, n, amount)))
}

/// Store with eight orders that cover every status, with refunds and anomalies.
fn full_store() -> Store {
    let store = Store::memory().unwrap();
    let create = |n| {
        let new = fixtures::new(100).reference(fixtures::reference(n));
        (n, CommandKind::Create(Box::new(new)))
    };
    let query = |state| CommandKind::RecordQuery(Box::new(state));
    submit(&store, (1..=8).map(create));
    submit(
        &store,
        [
            (2, CommandKind::RecordPrepay(Box::new(fixtures::prepay(2)))),
            (2, CommandKind::BeginClose),
            (3, confirm(3, 100)),
            (3, request_refund(3, 1, 30)),
            (3, record_refund(3, 1, 30, RefundState::Success)),
            (3, request_refund(3, 2, 20)),
            (3, confirm(33, 100)),
            (4, query(ChannelState::Closed)),
            (4, CommandKind::Hide),
            (5, query(ChannelState::Revoked)),
            (6, query(ChannelState::Closed)),
            (6, confirm(6, 100)),
            (7, query(ChannelState::Closed)),
            (7, confirm(7, 100)),
            (
                7,
                CommandKind::Resolve {
                    anomaly: AnomalyId(1).into(),
                    how: Resolution::Accept,
                    note: fixtures::note(),
                },
            ),
            (8, confirm(8, 99)),
        ],
    );
    store
}

/// Returns the orders of a store, oldest first.
fn all(store: &Store) -> Vec<Order> {
    let page = PageRequest::of(100).reversed();
    let listing = crate::query::OrderQuery::all().page(page);
    let rows = store.list(listing).wait().unwrap().rows;
    rows.iter().map(|order| order.as_ref().clone()).collect()
}

#[test]
fn import_restores_exported_refunds_and_anomalies() {
    let store = full_store();
    let (exported, text) = json_lines(&store);
    assert_eq!((exported.orders, exported.unclaimed), (8, 0));
    assert_eq!(text.lines().count(), 8);
    let other = Store::memory().unwrap();
    let (report, refused) = import(&other, &Import::exported(), &text);
    assert_eq!((report.imported, refused), (8, Vec::new()));
    let expected = all(&store).into_iter().map(|order| Order {
        version: 1,
        ..order
    });
    assert_eq!(all(&other), expected.collect::<Vec<_>>());
    assert_eq!(
        other.counts().wait().unwrap(),
        store.counts().wait().unwrap()
    );
    let history = other.history(fixtures::order_no(3)).wait().unwrap();
    assert!(matches!(history.as_slice(), [event] if matches!(event.what, EventKind::Imported(_))));
    assert!(other.verify().wait().unwrap().is_ok());
    let (again, second) = json_lines(&other);
    assert_eq!(again.orders, 8);
    assert_eq!(second.lines().count(), 8);
    let (report, _) = import(&other, &Import::exported(), &second);
    assert_eq!(report.unchanged, 8);
}

#[test]
fn refused_unclaimed_refund_does_not_affect_next_record() {
    let store = Store::memory().unwrap();
    let waiting = [
        (1, confirm(1, 100)),
        (1, record_refund(1, 7, 10, RefundState::Processing)),
        (1, record_refund(1, 8, 10, RefundState::Processing)),
        (2, CommandKind::Create(Box::new(fixtures::new(100)))),
        (3, CommandKind::Create(Box::new(fixtures::new(100)))),
    ];
    submit(&store, waiting);
    let (exported, text) = json_lines(&store);
    assert_eq!((exported.orders, exported.unclaimed), (2, 1));
    for other_owner in [false, true] {
        let other = Store::memory().unwrap();
        if other_owner {
            let paid = [
                (5, CommandKind::Create(Box::new(fixtures::new(100)))),
                (5, confirm(5, 100)),
                (5, record_refund(5, 7, 10, RefundState::Success)),
            ];
            submit(&other, paid);
            let owner = other.get(fixtures::order_no(5)).wait().unwrap().unwrap();
            assert_eq!(owner.refunds.len(), 1, "{owner:?}");
        }
        let (report, refused) = import(&other, &Import::exported(), &text);
        assert_eq!(report.imported, 2, "{report:?} {refused:?}");
        assert_eq!(refused.len(), usize::from(other_owner), "{refused:?}");
        let of_first = refused
            .iter()
            .all(|refusal| refusal.no == Some(fixtures::order_no(1)));
        assert!(of_first, "{refused:?}");
    }
}

#[test]
fn unclaimed_payments_survive_export_and_import() {
    let store = Store::memory().unwrap();
    submit(
        &store,
        [
            (1, confirm(1, 100)),
            (2, record_refund(2, 2, 10, RefundState::Success)),
            (3, record_refund(3, 3, 10, RefundState::Processing)),
            (4, confirm(4, 100)),
            (4, request_refund(4, 4, 40)),
            (5, confirm(5, 100)),
            (
                5,
                CommandKind::Resolve {
                    anomaly: AnomalyId(1).into(),
                    how: Resolution::Dismiss,
                    note: fixtures::note(),
                },
            ),
        ],
    );
    let (exported, text) = json_lines(&store);
    assert_eq!(
        (exported.orders, exported.unclaimed),
        (0, 4),
        "a dismissed payment is not exported"
    );
    let other = Store::memory().unwrap();
    let (report, refused) = import(&other, &Import::exported(), &text);
    assert_eq!((report.unclaimed, refused), (4, Vec::new()));
    assert_eq!(other.counts().wait().unwrap().unclaimed, 2);
    let (again, second) = json_lines(&other);
    assert_eq!(again.unclaimed, 4);
    let waiting = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"waiting\""))
            .count()
    };
    assert_eq!((waiting(&text), waiting(&second)), (4, 4));
    let (report, _) = import(&other, &Import::exported(), &text);
    assert_eq!((report.unchanged, report.unclaimed), (4, 0));
    // The new order claims the unclaimed payment, because it has the same order number.
    submit(
        &other,
        [(1, CommandKind::Create(Box::new(fixtures::new(100))))],
    );
    let order = other.get(fixtures::order_no(1)).wait().unwrap().unwrap();
    assert_eq!(order.status, Status::Success);
    assert!(other.verify().wait().unwrap().is_ok());
}

#[test]
fn invalid_exported_order_is_refused_with_position() {
    let store = full_store();
    let (_, text) = json_lines(&store);
    let line = text.lines().nth(2).unwrap();
    let bad = [
        line.replace("\"totalFee\":100", "\"totalFee\":1.0"),
        line.replace("\"payStatus\":\"success\",", ""),
        line.replace(
            "\"payStatus\":\"success\"",
            "\"payStatus\":\"oUser-secret\"",
        ),
        line.replace("\"payStatus\":\"success\"", "\"payStatus\":\"wait\""),
    ];
    let other = Store::memory().unwrap();
    let (_, refused) = import(
        &other,
        &Import::exported(),
        &(bad.join("\n") + "\n{\"waiting\":{}}"),
    );
    let reasons: Vec<_> = refused
        .iter()
        .map(|refused| refused.reason.clone())
        .collect();
    for (nth, reason) in reasons.iter().enumerate() {
        match (nth, reason) {
            (0 | 1 | 2 | 4, Reason::NotExported { line, .. }) => assert_eq!(*line, nth as u64 + 1),
            (3, Reason::Order(_)) => {}
            (nth, reason) => panic!("{nth}: {reason}"),
        }
        assert!(!format!("{reason} {reason:?}").contains("secret"));
    }
    assert_eq!(reasons.len(), 5);
    assert_eq!(all(&other), []);
    let csv = Import::exported().run(&other, Input::csv(text.as_bytes()), |_| {});
    assert!(matches!(csv, Err(ImportError::ReportNotImportable)));
}

#[test]
fn export_is_limited_to_time_range() {
    let store = full_store();
    let mut none = Vec::new();
    let early = Export::all().created_between(Timestamp::EPOCH..millis(1));
    assert_eq!(early.json_lines(&store, &mut none).unwrap().orders, 0);
    assert!(none.is_empty());
}

#[test]
fn export_to_full_disk_returns_output_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let ended = Export::all().json_lines(&full_store(), Full);
    assert!(matches!(ended, Err(ExportError::Output(_))));
    let ended = Export::all().csv(&full_store(), Full);
    assert!(matches!(ended, Err(ExportError::Output(_))));
}
