//! Tests of the command line on a store in PostgreSQL.

use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::Server;

/// Returns the PostgreSQL server that all tests share; `None` without PostgreSQL. The server stops
/// when the test process ends.
fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[])).as_ref()
}

/// Creates a schema that no other test uses.
fn fresh_schema(server: &Server) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("shop{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.sql(&format!("CREATE SCHEMA {name}"));
    name
}

fn run(store: &str, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstore"));
    command
        .args(line.split_whitespace())
        .env("ORDERSTORE_DIR", store);
    command.output().unwrap()
}

/// Asserts the exit code, and returns stdout.
#[track_caller]
fn ends(code: i32, ran: &Output) -> String {
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(code), "{ran:?}");
    printed
}

#[test]
fn postgres_cli_works_and_only_init_creates_store() {
    let Some(server) = shared() else { return };
    let schema = fresh_schema(server);
    let url = server.url(&schema);
    for line in ["show order-1", "list", "stats", "verify", "export"] {
        ends(6, &run(&url, line));
    }
    assert_eq!(
        server.sql(&format!("SELECT to_regclass('{schema}.orderstore_meta')")),
        ""
    );
    ends(0, &run(&url, "init"));
    ends(6, &run(&url, "init"));
    ends(
        0,
        &run(
            &url,
            "create --no order-1 --appid wxd2565e6a04246fd1 --yuan 19.90",
        ),
    );
    let confirm = "confirm order-1 --transaction-id 4200007777202605300000000001 --yuan 19.90
        --paid-at 20260530080000";
    ends(0, &run(&url, confirm));
    assert!(ends(0, &run(&url, "show order-1")).contains("success"));
    assert!(ends(0, &run(&url, "stats --format json")).contains("\"success\": 1"));
    ends(0, &run(&url, "verify"));
    ends(2, &run(&url, "backup somewhere"));

    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("orders").display().to_string();
    ends(0, &run(&url, &format!("copy {dir}")));
    let books = |store: &str| ends(0, &run(store, "export"));
    assert_eq!(books(&dir), books(&url));
    let next = server.url(&fresh_schema(server));
    let copied = ends(0, &run(&dir, &format!("copy {next} --format json")));
    assert!(copied.contains("\"events\": 2"), "{copied}");
    assert_eq!(books(&next), books(&url));
}

#[test]
fn postgres_cli_never_prints_password() {
    let Some(server) = shared() else { return };
    let printed = |line: &str, url: &str| {
        let ran = run(url, line);
        let printed = [ran.stdout, ran.stderr].map(|printed| String::from_utf8(printed).unwrap());
        printed.concat()
    };
    let url = server
        .url(&fresh_schema(server))
        .replace("shop@", "shop:geheim@");
    let nowhere = url.replace("/postgres?", "/nowhere?");
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("orders");
    let copy = format!("copy {}", dir.display());
    for line in [
        "--help",
        "init",
        "init",
        "stats",
        "frobnicate",
        "list --cursor 1",
        &copy,
    ] {
        for url in [&url, &nowhere, "postgres://shop:geheim@"] {
            let printed = printed(line, url);
            assert!(!printed.is_empty());
            assert!(!printed.contains("geheim"), "{line}: {printed}");
        }
    }
    let back = printed(&format!("copy {url}"), &dir.display().to_string());
    assert!(!back.contains("geheim"), "{back}");
}
