//! The machine, and the file system of the stores.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Description of the machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    filesystem: String,
}

impl Machine {
    /// Describes this machine and the file system of `dir`.
    pub(crate) fn look(dir: &Path) -> Self {
        Self {
            cpu: cpuinfo("model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            kernel: kernel().unwrap_or_else(unknown),
            filesystem: filesystem(dir).unwrap_or_else(unknown),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// Returns a field of the first core.
fn cpuinfo(field: &str) -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with(field))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the present clock of the first core in MHz, which is not the same at every start.
pub(crate) fn mhz() -> Option<f64> {
    cpuinfo("cpu MHz")?.parse().ok()
}

fn kernel() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(release.trim().to_owned())
}

/// Returns the type of the innermost mount that contains `dir`.
fn filesystem(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let holds = |line: &&str| {
        let point = line.split(' ').nth(1)?;
        dir.starts_with(point).then_some(point.len())
    };
    let innermost = mounts.lines().filter(|line| holds(line).is_some());
    let line = innermost.max_by_key(holds)?;
    Some(line.split(' ').nth(2)?.to_owned())
}
