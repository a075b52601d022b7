//! Query plans on tables whose statistics mislead the server. The tests measure no time; they use
//! the server's own counters of rows read.

use orderstore::testing::fixtures::{create, new, order_no, payment};
use orderstore::{Confirmed, Created, FeedCursor, Outcome, Store};

use crate::server::Server;

/// Number of events with a sequence number when the server collects its statistics.
const NUMBERED: u64 = 20_000;

/// Maximum number of index entries read for each event. One is read to find the event and one to
/// compare its position; sometimes the server skips a dead entry.
const ENTRIES_EACH: u64 = 10;

const COPIES: &str = "
INSERT INTO orderstore_events (out_trade_no, version, change_id, event, seq)
    SELECT";

/// Inserts events that no test decodes: numbered ones, or a backlog without numbers.
fn insert(server: &Server, prefix: &str, count: u64, seq: &str) {
    server.sql(&format!(
        "{COPIES} '{prefix}' || n, 1, '\\x00', '\\x00', {seq} FROM generate_series(1, {count}) n"
    ));
}

/// Returns how many entries of an index were read so far. The server counts a connection's reads
/// when the connection ends.
fn entries_read(server: &Server, index: &str) -> u64 {
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderstore'";
    server.until(gone, |count| count == "0");
    let read =
        format!("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = '{index}'");
    server.sql(&read).parse().unwrap()
}

/// Inserts a backlog of events after a consumer has read all earlier ones. Reads the last event and
/// checks the sequence numbers and the number of index entries read.
fn check_backlog(backlog: u64, is_analyzed_late: bool) {
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
    // Only the last event can be decoded. The consumer must therefore continue right before it.
    let incarnation = "SELECT ('x' || encode(incarnation, 'hex'))::bit(64)::bigint
        FROM orderstore_meta";
    let incarnation: i64 = server.sql(incarnation).parse().unwrap();
    let place = FeedCursor {
        incarnation: incarnation.cast_unsigned(),
        seq: end - 1,
    };
    // Both reads give numbers to the events.
    if is_analyzed_late {
        let found = store.feed_end().wait().unwrap();
        assert_eq!(found, FeedCursor { seq: end, ..place });
    }
    let found = store.events(place, 10).wait().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].event.no, found[0].cursor.seq), (order_no(1), end));
    let gapless = "SELECT count(*), count(seq), min(seq), max(seq), count(DISTINCT seq),
        count(*) FILTER (WHERE seq <> place + (SELECT min(seq - place) FROM orderstore_events))
        FROM orderstore_events";
    assert_eq!(
        server.sql(gapless),
        format!("{end}|{end}|1|{end}|{end}|0"),
        "numbers are not consecutive in the order of insertion"
    );
    store.shutdown().wait().unwrap();
    let read = entries_read(&server, "orderstore_events_unnumbered");
    assert!(read >= backlog, "only {read} entries were counted");
    assert!(
        read <= backlog * ENTRIES_EACH,
        "{read} entries for {backlog} events"
    );
}

#[test]
fn postgres_numbering_5_000_events_reads_few_index_entries() {
    check_backlog(5_000, false);
    check_backlog(5_000, true);
}

#[test]
fn postgres_numbering_500_000_events_reads_few_index_entries() {
    check_backlog(500_000, false);
}

#[test]
fn postgres_commands_read_few_index_entries_after_vacuum() {
    const THERE: u64 = 3_000;
    const PAID: u64 = 300;
    let Some(server) = Server::start(&["autovacuum=off"]) else {
        return;
    };
    let store = Store::connect(&server.url("public")).unwrap();
    server.sql("VACUUM ANALYZE");
    // Run each statement once, so that the server plans it while the tables are almost empty.
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
