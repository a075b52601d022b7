//! A PostgreSQL server in a temporary directory, on its own port. PostgreSQL refuses to run as
//! root; a root user runs it as the user `postgres`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::sample::Checked;
use crate::system::CALLERS_MAX;

/// User that runs the server if the bench runs as root.
const USER: &str = "postgres";

/// Unit of the CPU times in `/proc`.
const TICKS_PER_SECOND: u64 = 100;

/// Maximum duration of a start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Safe settings, for a solid-state disk.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "effective_cache_size=4GB",
    "random_page_cost=1.1",
    "log_min_messages=panic",
];

/// Returns the version of the installed server, such as `15.18`.
pub(super) fn version() -> Checked<String> {
    let said = Command::new(program("postgres")?)
        .arg("--version")
        .output()?;
    let said = String::from_utf8(said.stdout)?;
    let version = said.split_whitespace().nth(2);
    Ok(version.ok_or("the program prints no version")?.to_owned())
}

/// Returns the path of a PostgreSQL program: from `PATH`, or from Debian's directory.
fn program(name: &str) -> Checked<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let mut found = places.into_iter().map(|place| place.join(name));
    let found = found.find(|path| path.is_file());
    found.ok_or_else(|| format!("{name} is not installed").into())
}

/// A server that runs until it is stopped or dropped.
pub(super) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    pub(super) fn start(dir: &Path) -> Checked<Self> {
        let data = dir.join("postgres");
        make_room(dir, &data)?;
        run(as_user("initdb")?
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--username=bench",
            ])
            .arg("--pgdata")
            .arg(&data))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut server = as_user("postgres")?;
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        server.args(["-c", &format!("max_connections={}", CALLERS_MAX + 16)]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let mut sockets = OsString::from("unix_socket_directories=");
        sockets.push(&data);
        server.arg("-c").arg(sockets).current_dir("/");
        server.stdin(Stdio::null()).stdout(Stdio::null());
        let process = server.spawn()?;
        let mut server = Self { process, port };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Checked<()> {
        let began = Instant::now();
        loop {
            let refused = match self.connect() {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err(refused);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn connect(&self) -> Checked<Client> {
        let mut config = Client::configure();
        config.host("127.0.0.1").port(self.port);
        config.user("bench").dbname("postgres");
        Ok(config.connect(NoTls)?)
    }

    /// Returns the CPU time of all server processes so far, including ended ones.
    pub(super) fn cpu(&self) -> Checked<Duration> {
        let own = self.process.id().to_string();
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")?.flatten() {
            // Skip a process that has ended meanwhile: its parent then includes its time.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let (_, fields) = stat.rsplit_once(") ").ok_or("a process has no name")?;
            let fields: Vec<&str> = fields.split(' ').collect();
            let [_, parent, ..] = fields.as_slice() else {
                continue;
            };
            // Sum the user time and the system time. The server's main process has two more fields,
            // for its ended children.
            let counted = if *parent == own {
                2
            } else if entry.file_name().to_string_lossy() == own {
                4
            } else {
                0
            };
            for field in fields.iter().skip(11).take(counted) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Stops the server after a checkpoint.
    pub(super) fn stop(mut self) -> Checked<()> {
        self.interrupt()
    }

    fn interrupt(&mut self) -> Checked<()> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        run(Command::new("kill").args(["-INT", &self.process.id().to_string()]))?;
        let began = Instant::now();
        while self.process.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                self.process.kill()?;
                self.process.wait()?;
                return Err("the server did not stop in time".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.interrupt() {
            eprintln!("postgres: {error}");
        }
    }
}

fn is_root() -> Checked<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Returns a command that runs a PostgreSQL program as a user other than root.
fn as_user(name: &str) -> Checked<Command> {
    let program = program(name)?;
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]);
    command.arg(program).current_dir("/");
    Ok(command)
}

/// Creates a data directory that the server's user owns and can reach.
fn make_room(dir: &Path, data: &Path) -> Checked<()> {
    if !is_root()? {
        return Ok(fs::create_dir(data)?);
    }
    fs::set_permissions(dir, Permissions::from_mode(0o711))?;
    run(Command::new("install")
        .args(["-d", "-m", "700", "-o", USER, "-g", USER])
        .arg(data))
}

fn run(command: &mut Command) -> Checked<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{program}: {}", said.trim()).into())
}
