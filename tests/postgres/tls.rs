//! Connections that nobody listens to.

use std::path::Path;
use std::process::{Command, Stdio};

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, Error, Store};

use crate::server::Server;

const URL: &str = "ORDERSTORE_TEST_TLS_URL";

/// The process that trusts what it is told to: this test, run by the one below.
#[test]
fn postgres_child_speaks_tls_for_the_test_that_started_it() {
    let Ok(url) = std::env::var(URL) else { return };
    match Store::connect(&url) {
        Ok(store) => {
            let made = store.create(order_no(1), new(100)).wait().unwrap();
            assert_eq!(made.outcome, Created::Created);
            println!("created");
        }
        Err(error) => {
            assert!(matches!(error, Error::NotApplied(_)), "{error:?}");
            println!("refused");
        }
    }
}

#[test]
fn postgres_connections_are_encrypted_and_the_certificate_is_checked() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    only_encrypted(&server);
    let url = format!("{}&sslmode=require", server.url("public"));
    assert!(said(&url, &server.file("other.crt")).contains("refused"));
    assert_eq!(server.sql("SELECT to_regclass('orderstore_meta')"), "");
    assert!(said(&url, &server.file("server.crt")).contains("created"));
    assert_eq!(server.sql("SELECT count(*) FROM orderstore_orders"), "1");
}

/// What a process says that trusts this certificate and no other.
fn said(url: &str, trusted: &Path) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let test = "tls::postgres_child_speaks_tls_for_the_test_that_started_it";
    child.args([test, "--exact", "--nocapture"]).env(URL, url);
    child
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
    let said = child.stdin(Stdio::null()).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// Certificates for the server and for nobody, made where only it may read; and from then on
/// nobody is heard who does not speak TLS.
fn only_encrypted(server: &Server) {
    server.shell("printf \"[req]\\ndistinguished_name=n\\n[n]\\n\" > tls.cnf");
    for name in ["server", "other"] {
        server.shell(&format!(
            "openssl req -x509 -config tls.cnf -newkey rsa:2048 -nodes -days 2 -subj /CN={name} \
             -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE \
             -keyout {name}.key -out {name}.crt 2>&1 && chmod 600 {name}.key"
        ));
    }
    server.shell("echo hostssl all all 127.0.0.1/32 trust > pg_hba.conf");
    server.sql("ALTER SYSTEM SET ssl = on");
    server.sql("SELECT pg_reload_conf()");
    server.until("SHOW ssl", |shown| shown == "on");
}
