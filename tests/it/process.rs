//! Child processes: this test binary again, running a single test.

use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Prefix of the lines that a child sends to its parent. The test harness prints other lines.
const MARK: &str = "child: ";

/// Sends one whole line to the parent.
pub(crate) fn tell(what: impl std::fmt::Display) {
    let mut out = stdout().lock();
    writeln!(out, "{MARK}{what}").unwrap();
    out.flush().unwrap();
}

/// A child process, which is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    /// Lines from the child, without the prefix.
    pub(crate) words: Box<dyn Iterator<Item = String> + Send>,
}

impl Process {
    /// Runs one test in a child process with these environment variables.
    pub(crate) fn start(test: &str, variables: &[(&str, String)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let whole_lines = std::iter::from_fn(move || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line.strip_suffix('\n').map(str::to_owned)
        });
        // Look for the mark anywhere in a line: before the child's first line, the test harness
        // prints a text without a line end.
        let words = whole_lines.filter_map(|line| {
            let (_, word) = line.split_once(MARK)?;
            Some(word.to_owned())
        });
        Self {
            stdin: child.stdin.take(),
            child,
            words: Box::new(words),
        }
    }

    #[allow(dead_code, reason = "only some test programs send signals")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
