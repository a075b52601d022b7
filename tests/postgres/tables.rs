//! Settings of tables and connections, and tables of other versions.

use std::thread;

use orderstore::testing::fixtures::{create, new, order_no, payment};
use orderstore::{Confirmed, Created, OpenError, Outcome, Store};

use crate::conformance::{fresh_schema, shared};
use crate::load::{Till, check, sell};
use crate::server::Server;

/// SQL of the tables of version 1.
const VERSION_1: &str = include_str!("../data/postgres/version1.sql");

#[test]
fn postgres_commits_wait_for_standby_disk_despite_role_setting() {
    for (configured, effective) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let Some(server) = shared() else { return };
        let schema = fresh_schema(server);
        let store = Store::connect(&server.url(&schema)).unwrap();
        store.shutdown().wait().unwrap();
        server.sql(&format!(
            "SET search_path = {schema}; CREATE ROLE {schema} LOGIN SUPERUSER;
             ALTER ROLE {schema} SET synchronous_commit = {configured};
             CREATE TABLE seen AS SELECT current_setting('synchronous_commit') AS commits LIMIT 0;
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL;
             END $$;
             CREATE TRIGGER seeing AFTER INSERT ON orderstore_orders
                 FOR EACH ROW EXECUTE FUNCTION see()"
        ));
        let url = server.url(&schema).replace("shop@", &format!("{schema}@"));
        let store = Store::connect(&url).unwrap();
        let made = store.create(order_no(1), new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
        let seen = format!("SELECT string_agg(commits, ',') FROM {schema}.seen");
        assert_eq!(server.sql(&seen), effective, "{configured}");
    }
}

#[test]
fn postgres_order_updates_are_heap_only_tuples() {
    const ORDERS: u64 = 500;
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = Store::connect(&server.url("public")).unwrap();
    let orders = (1..=ORDERS).map(|n| create(n, new(100))).collect();
    for ticket in store.submit_all(orders).unwrap() {
        let made = ticket.wait().unwrap();
        assert_eq!(made.outcome, Outcome::Create(Created::Created));
    }
    for n in 1..=ORDERS {
        let paid = store.confirm(order_no(n), payment(n, 100)).wait().unwrap();
        assert_eq!(paid.outcome, Confirmed::Applied);
    }
    store.shutdown().wait().unwrap();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderstore'";
    server.until(gone, |count| count == "0");
    let count = |column: &str| -> u64 {
        let table = "pg_stat_user_tables WHERE relname = 'orderstore_orders'";
        server
            .sql(&format!("SELECT {column} FROM {table}"))
            .parse()
            .unwrap()
    };
    assert_eq!(count("n_tup_upd"), ORDERS);
    let hot = count("n_tup_hot_upd");
    assert!(hot * 10 >= ORDERS * 9, "{hot} of {ORDERS} updates");
}

#[test]
fn postgres_version_1_tables_are_upgraded_only_by_connect() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let url = server.url(&schema);
    server.sql(&format!("SET search_path = {schema}; {VERSION_1}"));
    let rejected = Store::connect_existing(&url).unwrap_err();
    let (found, known) = (1, 2);
    assert!(
        matches!(rejected, OpenError::OlderFormat { found: f, known: k } if (f, k) == (found, known)),
        "{rejected:?}"
    );
    // Several processes connect concurrently, as after a deployment.
    let stores: Vec<Store> = thread::scope(|scope| {
        let connecting = [(); 3].map(|()| scope.spawn(|| Store::connect(&url).unwrap()));
        connecting.map(|thread| thread.join().unwrap()).into()
    });
    let sold = sell(&stores[0], "V", 4, 5, &Till::default());
    check(&stores[1], &sold);
    assert_eq!(columns(&schema), columns(&made_anew()));
    drop(Store::connect_existing(&url).unwrap());
}

fn made_anew() -> String {
    let server = shared().unwrap();
    let schema = fresh_schema(server);
    drop(Store::connect(&server.url(&schema)).unwrap());
    schema
}

/// Returns tables, columns, indexes, settings and the version as text.
fn columns(schema: &str) -> String {
    let shape = format!(
        "SET search_path = {schema};
         SELECT c.relname, c.reloptions, i.indexdef FROM pg_class c
             LEFT JOIN pg_indexes i ON i.schemaname = '{schema}' AND i.indexname = c.relname
             WHERE c.relnamespace = '{schema}'::regnamespace ORDER BY 1;
         SELECT table_name, ordinal_position, column_name, data_type, is_nullable, is_identity
             FROM information_schema.columns WHERE table_schema = '{schema}' ORDER BY 1, 2;
         SELECT version FROM orderstore_meta"
    );
    shared().unwrap().sql(&shape).replace(schema, "")
}

#[test]
fn postgres_tables_of_newer_version_are_refused() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let url = server.url(&schema);
    Store::connect(&url).unwrap().shutdown().wait().unwrap();
    server.sql(&format!("UPDATE {schema}.orderstore_meta SET version = 3"));
    for connect in [Store::connect, Store::connect_existing] {
        let rejected = connect(&url).unwrap_err();
        assert!(
            matches!(rejected, OpenError::NewerFormat { found: 3, known: 2 }),
            "{rejected:?}"
        );
        assert!(rejected.to_string().contains("format 3"), "{rejected}");
    }
    let version = format!("SELECT version FROM {schema}.orderstore_meta");
    assert_eq!(server.sql(&version), "3");
}
