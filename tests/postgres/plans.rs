//! Statements on tables whose statistics mislead the server. What a statement reads is counted
//! by the server, and no time is measured.

use orderstore::testing::fixtures::{create, new, order_no, payment};
use orderstore::{Confirmed, Created, FeedCursor, Outcome, Store};

use crate::server::Server;

/// Numbered events that were there when the statistics were made.
const NUMBERED: u64 = 20_000;

/// How many entries of the index a numbered event may cost: it is found, its place is
/// compared, and a dead entry of it is passed over now and then.
const ENTRIES_EACH: u64 = 10;

const COPIES: &str = "
INSERT INTO orderstore_events (out_trade_no, version, change_id, event, seq)
    SELECT";

/// Events that nobody decodes: some that are numbered, or a backlog.
fn insert(server: &Server, prefix: &str, count: u64, seq: &str) {
    server.sql(&format!(
        "{COPIES} '{prefix}' || n, 1, '\\x00', '\\x00', {seq} FROM generate_series(1, {count}) n"
    ));
}

/// How many entries of an index were read so far. The server counts them when a connection has
/// ended.
fn entries_read(server: &Server, index: &str) -> u64 {
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderstore'";
    server.until(gone, |count| count == "0");
    let read =
        format!("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = '{index}'");
    server.sql(&read).parse().unwrap()
}

/// A consumer that had read everything finds so many events behind it, of which the last is a
/// real one.
fn falls_behind(backlog: u64, is_analyzed_late: bool) {
    let Some(server) = Server::start(&["autovacuum=off"]) else {
        return;
    };
    let store = Store::connect(&server.url("public")).unwrap();
    insert(&server, "old", NUMBERED, "n");
    if !is_analyzed_late {
        server.sql("VACUUM ANALYZE");
    }
    insert(&server, "new", backlog - 1, "NULL");
    let made = store.create(order_no(1), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    if is_analyzed_late {
        server.sql("VACUUM ANALYZE");
    }
    let end = NUMBERED + backlog;
    // Only the last event can be decoded: the consumer asks for what is before it.
    let incarnation = "SELECT ('x' || encode(incarnation, 'hex'))::bit(64)::bigint
        FROM orderstore_meta";
    let incarnation: i64 = server.sql(incarnation).parse().unwrap();
    let place = FeedCursor {
        incarnation: incarnation.cast_unsigned(),
        seq: end - 1,
    };
    let found = store.events(place, 10).wait().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].event.no, found[0].cursor.seq), (order_no(1), end));
    let gapless = "SELECT count(*), count(seq), min(seq), max(seq), count(DISTINCT seq),
        count(*) FILTER (WHERE seq <> place + (SELECT min(seq - place) FROM orderstore_events))
        FROM orderstore_events";
    assert_eq!(
        server.sql(gapless),
        format!("{end}|{end}|1|{end}|{end}|0"),
        "each has the next number, in the order of places"
    );
    store.shutdown().wait().unwrap();
    let read = entries_read(&server, "orderstore_events_unnumbered");
    assert!(read >= backlog, "{read} entries are counted");
    assert!(
        read <= backlog * ENTRIES_EACH,
        "{read} entries for {backlog} events"
    );
}

#[test]
fn postgres_feed_numbers_a_backlog_of_5_000_whatever_the_statistics_say() {
    falls_behind(5_000, false);
    falls_behind(5_000, true);
}

#[test]
fn postgres_feed_numbers_a_backlog_of_500_000_whatever_the_statistics_say() {
    falls_behind(500_000, false);
}

#[test]
fn postgres_commands_find_orders_by_key_though_empty_tables_were_vacuumed() {
    const THERE: u64 = 3_000;
    const PAID: u64 = 300;
    let Some(server) = Server::start(&["autovacuum=off"]) else {
        return;
    };
    let store = Store::connect(&server.url("public")).unwrap();
    server.sql("VACUUM ANALYZE");
    // Each statement is planned while there is next to nothing.
    let made = store.create(order_no(0), new(100)).wait().unwrap();
    assert_eq!(made.outcome, Created::Created);
    let paid = store.confirm(order_no(0), payment(0, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Applied);
    let orders = (1..=THERE).map(|n| create(n, new(100))).collect();
    for ticket in store.submit_all(orders).unwrap() {
        assert_eq!(
            ticket.wait().unwrap().outcome,
            Outcome::Create(Created::Created)
        );
    }
    for n in 1..=PAID {
        let paid = store.confirm(order_no(n), payment(n, 100)).wait().unwrap();
        assert_eq!(paid.outcome, Confirmed::Applied);
    }
    store.shutdown().wait().unwrap();
    for index in ["orderstore_orders_pkey", "orderstore_keys_pkey"] {
        let read = entries_read(&server, index);
        assert!(read <= 10 * THERE, "{read} entries of {index}");
    }
}
