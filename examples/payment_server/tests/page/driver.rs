//! Chromium's WebDriver: found, started on a free port, and gone at the end with all that
//! it started and wrote.

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

/// The leader of a process group, in which its browsers are.
pub(crate) struct Driver {
    process: Child,
    address: String,
    browser: PathBuf,
    /// Profiles and sockets; removed after the process, since fields drop in this order.
    _scratch: TempDir,
}

impl Driver {
    /// Starts it; `None`, said aloud, where this machine has no browser to drive.
    pub(crate) fn start() -> Option<Self> {
        let (Some(driver), Some(browser)) = (program("chromedriver"), program("chromium")) else {
            let missing =
                "chromium or chromedriver (Debian: apt-get install chromium chromium-driver)";
            assert!(
                env::var_os("BROWSER_REQUIRED").is_none(),
                "missing: {missing}"
            );
            // Past the harness, which keeps what passing tests print to itself.
            let _ = writeln!(io::stderr(), "skipped: no {missing}");
            return None;
        };
        let scratch = tempfile::tempdir().unwrap();
        let mut process = Command::new(driver)
            .arg("--port=0")
            .env("TMPDIR", scratch.path())
            .env("XDG_CONFIG_HOME", scratch.path())
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = port(lines);
        Some(Self {
            process,
            address: format!("http://127.0.0.1:{port}"),
            browser,
            _scratch: scratch,
        })
    }

    /// A fresh browser with a profile of its own.
    pub(crate) async fn browser(&self) -> Client {
        ClientBuilder::new(HttpConnector::new())
            .capabilities(self.capabilities())
            .connect(&self.address)
            .await
            .expect("a browser starts")
    }

    /// It may reach this machine and nothing else, so that a page which asks elsewhere fails.
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
        // The driver killed alone would leave its browsers behind.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

/// The port that the driver chose; what it says later is read, so that it never waits for us.
fn port(mut lines: Lines<BufReader<ChildStdout>>) -> u16 {
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("the driver says where it listens")
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
