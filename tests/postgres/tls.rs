//! Encrypted connections and the checks of the server's certificate.

use std::path::Path;
use std::process::{Command, Stdio};

use orderstore::testing::fixtures::{new, order_no};
use orderstore::{Created, OpenError, Store};

use crate::server::Server;

const URL: &str = "ORDERSTORE_TEST_TLS_URL";

/// Body of the child process, which trusts only the certificate in `SSL_CERT_FILE`. The test below
/// starts it.
#[test]
fn postgres_child_speaks_tls_for_parent_test() {
    let Ok(url) = std::env::var(URL) else { return };
    match Store::connect(&url) {
        Ok(store) => {
            let made = store.create(order_no(1), new(100)).wait().unwrap();
            assert_eq!(made.outcome, Created::Created);
            println!("created");
        }
        Err(error) => {
            assert!(matches!(error, OpenError::Unavailable(_)), "{error:?}");
            println!("refused");
        }
    }
}

#[test]
fn postgres_connections_are_encrypted_and_certificates_checked() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    require_tls(&server);
    let url = format!("{}&sslmode=require", server.url("public"));
    assert!(child_output(&url, &server.file("other.crt")).contains("refused"));
    assert_eq!(server.sql("SELECT to_regclass('orderstore_meta')"), "");
    assert!(child_output(&url, &server.file("server.crt")).contains("created"));
    assert_eq!(server.sql("SELECT count(*) FROM orderstore_orders"), "1");
}

/// Returns the output of a child process that trusts this certificate and no other.
fn child_output(url: &str, trusted: &Path) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let test = "tls::postgres_child_speaks_tls_for_parent_test";
    child.args([test, "--exact", "--nocapture"]).env(URL, url);
    child
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
    let output = child.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Creates two certificates with private keys, one for the server and one that it does not use.
/// From then on the server accepts only TLS connections.
fn require_tls(server: &Server) {
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
fn postgres_sslmode_selects_certificate_checks() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    require_tls(&server);
    let by_number = server.url("public");
    let by_name = by_number.replace("127.0.0.1", "localhost");
    let trusting = |url: &str, mode: &str, file: &str| {
        let file = server.file(file).display().to_string();
        Store::connect(&format!("{url}&sslmode={mode}&sslrootcert={file}"))
    };
    // The certificate names the IP address, not the host name.
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
            Err(OpenError::Unavailable(cause)) => {
                let message = format!("{cause:?}");
                assert!(
                    message.contains(why) || message.contains("not valid for name"),
                    "{message}"
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
            Err(OpenError::Invalid {
                what: "url",
                why: message,
            }) => {
                assert!(
                    message.contains("sslrootcert") && message.contains(why),
                    "{message}"
                );
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}
