//! Statements that the server refuses. Their commands are certainly not applied, the error is
//! reported at once, and other commands are not affected.

use orderstore::testing::fixtures::{command, create, new, order_no, payment, reference};
use orderstore::{ChannelState, CommandKind, Confirmed, Created, Error, Outcome, Status, Store};

use crate::conformance::{fresh_schema, shared};

#[test]
fn postgres_missing_table_is_reported_and_store_recovers() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let store = Store::connect(&server.url(&schema)).unwrap();
    let made = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    server.sql(&format!(
        "ALTER TABLE {schema}.orderstore_keys RENAME TO hidden"
    ));
    let replies = store.confirm(order_no(1), payment(1, 100)).wait();
    assert!(
        matches!(&replies, Err(error @ Error::NotApplied(_)) if error.is_retryable()),
        "{replies:?}"
    );
    server.sql(&format!(
        "ALTER TABLE {schema}.hidden RENAME TO orderstore_keys"
    ));
    let paid = store.confirm(order_no(1), payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
}

#[test]
fn postgres_refused_statement_keeps_earlier_commands_of_group() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let store = Store::connect(&server.url(&schema)).unwrap();
    let with_reference = || new(100).reference(reference(1));
    let made = store.create(order_no(1), with_reference()).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let _ = store.begin_close(order_no(1)).wait().unwrap();
    server.sql(&format!(
        "SET search_path = {schema};
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE insufficient_privilege; END $$;
         CREATE TRIGGER refusing BEFORE INSERT ON orderstore_orders FOR EACH ROW
             WHEN (new.out_trade_no = '{}') EXECUTE FUNCTION refuse()",
        order_no(2)
    ));
    // The second command takes the reference that the first one releases, so the engine needs two
    // statements.
    let closed = CommandKind::RecordQuery(Box::new(ChannelState::Closed));
    let group = vec![
        command(1, closed),
        create(2, with_reference()),
        create(3, new(100)),
    ];
    let replies = store.submit_all(group.clone()).unwrap().into_iter();
    let replies: Vec<_> = replies.map(|ticket| ticket.wait()).collect();
    assert_eq!(
        replies[0].as_ref().unwrap().order.as_ref().unwrap().status,
        Status::Closed
    );
    for refused in &replies[1..] {
        assert!(matches!(refused, Err(Error::NotApplied(_))), "{refused:?}");
    }
    assert_eq!(store.counts().wait().unwrap().orders(), 1);
    server.sql(&format!(
        "DROP TRIGGER refusing ON {schema}.orderstore_orders"
    ));
    let replies = store.submit_all(group[1..].to_vec()).unwrap().into_iter();
    for made in replies.map(|ticket| ticket.wait().unwrap()) {
        assert_eq!(made.outcome, Outcome::Create(Created::Created));
    }
    assert!(store.verify().wait().unwrap().is_ok());
}
