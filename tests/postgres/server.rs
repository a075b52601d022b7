//! A PostgreSQL server in a temporary directory, on a free loopback port. PostgreSQL refuses to run
//! as root; a root user runs it as the user `postgres`, or else as `nobody`.

use std::fs::{self, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Maximum duration of a start or stop, on a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Server settings. These tests kill processes but never cut the power, so syncs are off.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "max_connections=100",
    "wal_level=replica",
    "shared_buffers=64MB",
    "log_min_messages=fatal",
];

/// Shell script that runs a program until the test closes its end of a pipe, then sends the signal
/// in its first argument. The pipe also closes when the test is killed, so no program is left
/// running.
const GUARD: &str = "end=$1; shift; \"$@\" & run=$!; read gone; kill -$end $run; wait $run";

pub(crate) struct Server {
    guard: Child,
    pub(crate) port: u16,
    data: PathBuf,
    _place: TempDir,
}

impl Server {
    /// Starts a server. Returns `None`, with a notice, if PostgreSQL is not installed.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        for tool in ["psql", "pgrep", "kill", "openssl"] {
            program(tool)?;
        }
        let (place, data) = room()?;
        let mut init = as_user("initdb")?;
        init.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(init.args(["--username=shop", "--pgdata"]).arg(&data));
        Some(Self::run(place, data, settings))
    }

    /// Starts a follower of this server.
    pub(crate) fn follower(&self, settings: &[&str]) -> Option<Self> {
        let (place, data) = room()?;
        let mut copy = as_user("pg_basebackup")?;
        copy.args([
            "--host=127.0.0.1",
            "--username=shop",
            "--write-recovery-conf",
        ]);
        copy.args(["--no-sync", "--checkpoint=fast", "--wal-method=stream"]);
        copy.arg(format!("--port={}", self.port));
        run(copy.arg("--pgdata").arg(&data));
        Some(Self::run(place, data, settings))
    }

    fn run(place: TempDir, data: PathBuf, settings: &[&str]) -> Self {
        let port = free_port();
        let mut command = as_user("sh").unwrap();
        command
            .args(["-c", GUARD, "sh", "QUIT"])
            .arg(program("postgres").unwrap());
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in SETTINGS.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let server = Self {
            guard: guarded(command),
            port,
            data,
            _place: place,
        };
        server.wait_until_ready();
        server
    }

    /// Starts a PostgreSQL client program that is connected to this server until its guard is
    /// dropped.
    pub(crate) fn client(&self, name: &str, arguments: &[&str]) -> Guarded {
        let mut command = as_user("sh").unwrap();
        command
            .args(["-c", GUARD, "sh", "TERM"])
            .arg(program(name).unwrap());
        command.args(["--host=127.0.0.1", "--username=shop"]);
        command.arg(format!("--port={}", self.port)).args(arguments);
        Guarded(guarded(command))
    }

    /// Creates a directory that the server's user may write to.
    pub(crate) fn room(&self, name: &str) -> PathBuf {
        self.shell(&format!("mkdir {name}"));
        self.data.join(name)
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        while !self.psql("SELECT 1").output().unwrap().status.success() {
            assert!(
                began.elapsed() < PATIENCE,
                "the server did not start in time"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the URL of the store in this schema.
    pub(crate) fn url(&self, schema: &str) -> String {
        url_of(&[self.port], schema)
    }

    /// Runs SQL on the server and returns the answer.
    pub(crate) fn sql(&self, text: &str) -> String {
        let output = self.psql(text).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}: {why}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs a shell command as the server's user in the server's directory.
    pub(crate) fn shell(&self, command: &str) {
        let command = command.replace('\'', "''");
        self.sql(&format!(
            "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; {command}'"
        ));
    }

    /// Returns the path of a file in the server's directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Repeats a query until `holds` accepts the answer.
    pub(crate) fn until(&self, text: &str, holds: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !holds(&self.sql(text)) {
            assert!(began.elapsed() < PATIENCE, "{text}: {}", self.sql(text));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn psql(&self, text: &str) -> Command {
        let mut psql = Command::new(program("psql").unwrap());
        psql.args(["--host=127.0.0.1", "--username=shop", "--dbname=postgres"]);
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align"]);
        psql.arg(format!("--port={}", self.port));
        psql.args(["--command", text]);
        psql
    }

    /// Sends a signal to all processes of the server: the first one and its children. Each child
    /// has its own process group, so a signal to one group would not reach it.
    pub(crate) fn signal(&self, name: &str) {
        let first = fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        let first = first.lines().next().unwrap();
        let children = children_of(first);
        let mut kill = Command::new("kill");
        run(kill.arg(format!("-{name}")).arg(first).args(children));
    }

    /// Promotes a follower to a leader.
    pub(crate) fn promote(&self) {
        assert_eq!(self.sql("SELECT pg_promote(true, 60)"), "t");
    }
}

/// Child process that ends when this value is dropped.
pub(crate) struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Starts a command that runs the guard script.
fn guarded(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

fn end(guard: &mut Child) {
    drop(guard.stdin.take());
    let began = Instant::now();
    while matches!(guard.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(file) = fs::read_to_string(self.data.join("postmaster.pid")) {
            let first = file.lines().next().unwrap_or_default();
            let mut go_on = Command::new("kill");
            go_on.arg("-CONT").args(children_of(first)).arg(first);
            drop(go_on.stderr(Stdio::null()).status());
        }
        end(&mut self.guard);
    }
}

fn children_of(first: &str) -> Vec<String> {
    let found = Command::new("pgrep").args(["-P", first]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found.split_whitespace().map(str::to_owned).collect()
}

/// Returns a port on which no process listens, outside the range that the system assigns to
/// outgoing connections. A client could otherwise connect to itself before the server listens.
pub(crate) fn free_port() -> u16 {
    let drawn = RandomState::new().build_hasher().finish();
    let first = u16::try_from(drawn % 10_000).unwrap();
    let ports = (20_000 + first..31_000).chain(20_000..20_000 + first);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("no port is free")
}

/// Returns a URL that lists several servers.
pub(crate) fn url_of(ports: &[u16], schema: &str) -> String {
    let hosts: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let hosts = hosts.join(",");
    format!("postgres://shop@{hosts}/postgres?options=-csearch_path%3D{schema}")
}

/// A connection pooler before a server, in a temporary directory.
pub(crate) struct Pooler {
    _guard: Guarded,
    pub(crate) port: u16,
    _place: TempDir,
}

impl Pooler {
    /// Starts PgBouncer. Returns `None`, with a notice, if it is not installed.
    pub(crate) fn start(server: &Server, settings: &str) -> Option<Self> {
        let pooler = program("pgbouncer")?;
        let (place, dir) = room()?;
        let port = free_port();
        let file = dir.join("pgbouncer.ini");
        fs::write(dir.join("users"), "\"shop\" \"\"\n").unwrap();
        let users = dir.join("users").display().to_string();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {users}\n\
             {settings}\n",
            server.port
        );
        fs::write(&file, text).unwrap();
        let mut command = as_user("sh")?;
        command
            .args(["-c", GUARD, "sh", "TERM"])
            .arg(pooler)
            .arg(&file);
        let pooler = Self {
            _guard: Guarded(guarded(command)),
            port,
            _place: place,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < PATIENCE,
                "the pooler did not start in time"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(pooler)
    }
}

/// Creates a directory that the server's user owns.
fn room() -> Option<(TempDir, PathBuf)> {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    if is_root(place.path()) {
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        let (user, group) = user()?;
        chown(&data, Some(user), Some(group)).unwrap();
    }
    Some((place, data))
}

fn is_root(own: &Path) -> bool {
    fs::metadata(own).unwrap().uid() == 0
}

/// Returns the user and group under which the server runs if the tests run as root.
fn user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

fn as_user(name: &str) -> Option<Command> {
    let mut command = Command::new(program(name)?);
    let own = tempfile::tempdir().unwrap();
    if is_root(own.path()) {
        let (user, group) = user()?;
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    Some(command)
}

/// Returns the path of a program: from `PATH`, or from Debian's directory for PostgreSQL.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push(PathBuf::from("/usr/sbin"));
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = places
        .into_iter()
        .map(|place| place.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        let missing =
            format!("{name} (Debian: apt-get install postgresql pgbouncer procps openssl)");
        assert!(
            std::env::var_os("POSTGRES_REQUIRED").is_none(),
            "missing: {missing}"
        );
        static SERVER: Once = Once::new();
        static POOLER: Once = Once::new();
        let (notice, what) = match name {
            "pgbouncer" => (&POOLER, "everything that needs a connection pooler"),
            _ => (&SERVER, "everything that needs a PostgreSQL server"),
        };
        // Write to stderr directly, because the test harness hides the output of passing tests.
        notice.call_once(|| {
            let _ = writeln!(io::stderr(), "skipped: {what}: no {missing}");
        });
    }
    found
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {why}");
}
