//! The program as a server, in a directory of its own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use orderstore::Store;
use rustix::process::{Pid, Signal, kill_process};

/// Running server.
pub(crate) struct Served {
    child: Child,
    /// Address for a client in the same directory.
    pub(crate) address: String,
}

impl Served {
    /// Starts a server on the store of a directory, and waits until clients can connect.
    pub(crate) fn start(dir: &Path, place: &str, is_new: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderstore"));
        command
            .args(["--format", "jsonl", "--store", "shop"])
            .args(["serve", "--listen", place])
            .args(is_new.then_some("--init"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut row = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut row).unwrap();
        assert!(row.contains("serving"), "{row}");
        let address = match place.starts_with("unix:") {
            true => place.to_owned(),
            false => format!("http://{place}"),
        };
        Self { child, address }
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the server with SIGTERM.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens the store of a directory, and reads all of it.
pub(crate) fn open(dir: &Path) -> Store {
    Store::open_verified(dir.join("shop")).unwrap()
}

/// Returns a free loopback address below the range from which the system takes the ports of clients.
/// A client that connects to a port of that range while no server listens can get a connection to
/// itself, and the server could not listen again.
pub(crate) fn free_place() -> String {
    let first = 10_000 + std::process::id() % 10_000;
    let mut places = (first..32_000).map(|port| format!("127.0.0.1:{port}"));
    places
        .find(|place| TcpListener::bind(place).is_ok())
        .unwrap()
}
