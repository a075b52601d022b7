//! An S3 server for the tests: Ceph's gateway, in a temporary directory and on free loopback ports.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// Environment variable with the URL of an archive, in the processes that [`on_s3`] starts.
const URL: &str = "ORDERSTORE_TEST_ARCHIVE";

/// Programs that `ceph.sh` runs.
const PROGRAMS: [&str; 8] = [
    "ceph",
    "ceph-mon",
    "ceph-osd",
    "curl",
    "monmaptool",
    "openssl",
    "radosgw",
    "radosgw-admin",
];

const KEY: &str = "archive";
const SECRET: &str = "secret-of-archive";

struct Server {
    port: u16,
    _guard: Child,
    /// The server ends when this end of the pipe closes, at the latest with the test's process.
    _end: ChildStdin,
}

/// Calls `test` with the URL of an empty archive in a bucket, in a process of its own. `name` is
/// the name of the calling test.
///
/// The environment names the server and the credentials, and a test must not change the
/// environment of its own process. So the test runs again in a child, and there `test` is called.
pub(crate) fn on_s3(name: &str, test: impl FnOnce(&str)) {
    on_s3_with(name, &[], test);
}

/// The same as [`on_s3`], with some environment variables changed.
pub(crate) fn on_s3_with(name: &str, changes: &[(&str, &str)], test: impl FnOnce(&str)) {
    if let Ok(url) = std::env::var(URL) {
        return test(&url);
    }
    let Some(server) = shared() else { return };
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(URL, format!("s3://orders/{}", name.replace(':', "-")))
        .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", server.port))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("NO_PROXY", "127.0.0.1")
        .envs(changes.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{why}");
    assert!(
        text.contains(" 1 passed;"),
        "{name} is not the name of the test: {text}"
    );
}

/// Returns the server of all tests. Returns `None`, with a notice, if Ceph is not installed.
fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref()
}

fn start() -> Option<Server> {
    if let Some(missing) = PROGRAMS.iter().find(|program| !is_installed(program)) {
        assert!(
            std::env::var_os("S3_REQUIRED").is_none(),
            "S3_REQUIRED is set, but `{missing}` is not installed"
        );
        eprintln!("skipped: `{missing}` is not installed");
        return None;
    }
    // The script removes the directory: this process may end without a chance to do so.
    let dir = tempfile::tempdir().unwrap().keep();
    let port = free_port();
    let mut guard = Command::new("sh")
        .args(["-c", include_str!("ceph.sh"), "sh"])
        .arg(dir)
        .args([free_port().to_string(), port.to_string()])
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let end = guard.stdin.take().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(guard.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "the S3 server did not start");
    Some(Server {
        port,
        _guard: guard,
        _end: end,
    })
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .any(|dir: std::path::PathBuf| Path::new(&dir).join(program).exists())
}

/// Returns a port on which no process listens, outside the range that the system assigns to
/// outgoing connections.
fn free_port() -> u16 {
    let drawn = RandomState::new().build_hasher().finish();
    let first = u16::try_from(drawn % 10_000).unwrap();
    let ports = (20_000 + first..31_000).chain(20_000..20_000 + first);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("no port is free")
}
