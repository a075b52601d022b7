//! Servers that accept no connection: the error names the cause, and permanent causes are not
//! retried.

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, OpenError, Store};

use crate::conformance::{fresh_schema, shared};
use crate::proxy::Proxy;
use crate::server::{free_port, url_of};

/// Connects and fails. Returns the cause, and whether a later attempt may succeed without help.
#[track_caller]
fn refused_now(url: &str) -> (String, bool) {
    let error = Store::connect(url).unwrap_err();
    let is_retryable = error.is_retryable();
    match error {
        OpenError::Unavailable(cause) => (format!("{cause:?}"), is_retryable),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(url: &str) -> String {
    refused_now(url).0
}

#[test]
fn postgres_connect_error_names_cause_for_each_host() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let ports = [free_port(), free_port()];
    let (why, is_retryable) = refused_now(&url_of(&ports, &schema));
    assert!(is_retryable, "the servers may start later: {why}");
    for port in ports {
        assert!(why.contains(&format!("127.0.0.1:{port}: ")), "{why}");
    }
    assert!(why.contains("refused"), "{why}");
    let url = server.url(&schema);
    let why = refused(&url.replace("127.0.0.1", "nowhere.invalid"));
    assert!(why.contains("nowhere.invalid"), "{why}");
    assert!(why.contains("lookup"), "{why}");
    let (why, is_retryable) = refused_now(&url.replace("shop@", "nobody@"));
    assert!(!is_retryable, "{why}");
    assert!(why.contains("28000") && why.contains("nobody"), "{why}");
    let (why, is_retryable) = refused_now(&url.replace("/postgres?", "/nowhere?"));
    assert!(!is_retryable, "{why}");
    assert!(why.contains("3D000"), "{why}");
    let why = refused(&format!("{url}&sslmode=require"));
    assert!(why.contains("does not support TLS"), "{why}");
    let socket = "postgres://shop@%2Fnowhere/orders";
    assert!(refused(socket).contains("/nowhere:5432"));
    for url in ["mysql://shop@one", "postgres:///orders"] {
        let rejected = Store::connect(url).unwrap_err();
        assert!(
            matches!(rejected, OpenError::Invalid { what: "url", .. }),
            "{rejected:?}"
        );
    }
}

#[test]
fn postgres_connect_fails_at_once_on_permanent_errors() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let database = format!("{schema}_read_only");
    server.sql(&format!("CREATE DATABASE {database}"));
    server.sql(&format!(
        "ALTER DATABASE {database} SET default_transaction_read_only = on"
    ));
    for (path, cause) in [
        ("/nowhere?", "3D000"),
        (&*format!("/{database}?"), "default_transaction_read_only"),
    ] {
        let proxy = Proxy::to(server.port);
        let url = url_of(&[proxy.port], &schema).replace("/postgres?", path);
        let why = refused(&url);
        assert!(why.contains(cause), "{why}");
        assert_eq!(proxy.taken(), 1, "{cause}");
    }
}

#[test]
fn postgres_connect_waits_for_promotion_of_standby() {
    let Some(leader) = crate::server::Server::start(&[]) else {
        return;
    };
    let follower = leader.follower(&[]).unwrap();
    let alone = refused(&follower.url("public"));
    assert!(alone.contains("standby"), "{alone}");
    leader.signal("KILL");
    let proxy = Proxy::to(follower.port);
    let url = url_of(&[leader.port, proxy.port], "public");
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| Store::connect(&url));
        // Wait for three connections: the store then knows that the standby is read-only, and tries
        // again.
        while proxy.taken() < 3 {
            std::thread::yield_now();
        }
        follower.promote();
        let store = connecting.join().unwrap().unwrap();
        let made = store.create(order_no(1), new(100)).wait().unwrap();
        assert_eq!(made.outcome, Created::Created);
    });
}
