//! Chromium's WebDriver: finds it, starts it on a free port, and removes it at the end with its
//! browsers and files.

use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write as _};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// WebDriver process, the leader of a process group that contains its browsers.
pub(crate) struct Driver {
    process: Child,
    address: String,
    browser: PathBuf,
    /// Profiles and sockets. Fields are dropped in order, so they are removed after the process.
    _scratch: TempDir,
}

/// Number of attempts to start the driver. It picks a free port of IPv4, and ends if another driver has
/// the same port of IPv6.
const TRIES: usize = 5;

impl Driver {
    /// Starts the driver. Returns `None`, with a notice, if no browser or driver is installed.
    pub(crate) fn start() -> Option<Self> {
        let (Some(driver), Some(browser)) = (program("chromedriver"), program("chromium")) else {
            let missing =
                "chromium or chromedriver (Debian: apt-get install chromium chromium-driver)";
            assert!(
                env::var_os("BROWSER_REQUIRED").is_none(),
                "missing: {missing}"
            );
            // Write to stderr directly, because the test harness hides the output of passing tests.
            let _ = writeln!(io::stderr(), "skipped: no {missing}");
            return None;
        };
        let start = || {
            let scratch = tempfile::tempdir().unwrap();
            let mut process = Command::new(&driver)
                .arg("--port=0")
                .env("TMPDIR", scratch.path())
                .env("XDG_CONFIG_HOME", scratch.path())
                .process_group(0)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let found = port(lines);
            let driver = Self {
                process,
                address: format!("http://127.0.0.1:{}", found.unwrap_or_default()),
                browser: browser.clone(),
                _scratch: scratch,
            };
            found.is_some().then_some(driver)
        };
        let started = (0..TRIES).find_map(|_| start());
        Some(started.expect("the driver printed no port"))
    }

    /// Starts a browser with a new profile.
    pub(crate) async fn browser(&self) -> Client {
        ClientBuilder::new(HttpConnector::new())
            .capabilities(self.capabilities())
            .connect(&self.address)
            .await
            .expect("the browser did not start")
    }

    /// Returns capabilities that allow access to this machine only, so that a page fails if it
    /// loads anything from elsewhere.
    fn capabilities(&self) -> Map<String, Value> {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--lang=zh-CN",
            "--window-size=1280,960",
        ];
        let options = json!({ "binary": self.browser, "args": arguments });
        Map::from_iter([("goog:chromeOptions".to_owned(), options)])
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Kill the whole process group: killing only the driver would leave its browsers running.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

/// Returns the port that the driver chose, or `None` if it ended before. Reads and drops the later
/// output, so that a full pipe never blocks the driver.
fn port(mut lines: Lines<BufReader<ChildStdout>>) -> Option<u16> {
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    port
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
