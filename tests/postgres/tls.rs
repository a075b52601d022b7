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

#[test]
fn postgres_sslmode_says_what_of_a_certificate_is_checked() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    only_encrypted(&server);
    let by_number = server.url("public");
    let by_name = by_number.replace("127.0.0.1", "localhost");
    let trusting = |url: &str, mode: &str, file: &str| {
        let file = server.file(file).display().to_string();
        Store::connect(&format!("{url}&sslmode={mode}&sslrootcert={file}"))
    };
    // The certificate bears the number, and not the name.
    for (url, mode) in [
        (&by_number, "require"),
        (&by_number, "verify-full"),
        (&by_number, "verify-ca"),
        (&by_name, "verify-ca"),
    ] {
        let store = trusting(url, mode, "server.crt").unwrap();
        store.shutdown().wait().unwrap();
    }
    for (url, mode, file, why) in [
        (&by_name, "verify-full", "server.crt", "NotValidForName"),
        (&by_name, "require", "server.crt", "NotValidForName"),
        (&by_number, "verify-full", "other.crt", "UnknownIssuer"),
        (&by_number, "verify-ca", "other.crt", "UnknownIssuer"),
    ] {
        match trusting(url, mode, file) {
            Err(Error::NotApplied(cause)) => {
                let told = format!("{cause:?}");
                assert!(
                    told.contains(why) || told.contains("not valid for name"),
                    "{told}"
                );
            }
            other => panic!("{mode} {file}: {other:?}"),
        }
    }
    for (file, why) in [
        ("missing.crt", "missing.crt"),
        ("server.key", "no certificate"),
    ] {
        match trusting(&by_number, "verify-full", file) {
            Err(Error::Invalid {
                what: "url",
                why: told,
            }) => {
                assert!(told.contains("sslrootcert") && told.contains(why), "{told}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}
