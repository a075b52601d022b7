//! What is printed: the machine first, then a line for each run.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::CACHE_BYTES;
use crate::fsync::APPEND;
use crate::sample::Checked;

/// Where the figures come from.
#[derive(Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    filesystem: String,
    cache_bytes: usize,
    fsync_append_bytes: usize,
}

/// One run's figures. Rates are per second: of durable commands, and of synced appends.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) callers: usize,
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) group_mean: f64,
    pub(crate) fsync_rate: f64,
    /// The store's rate over that of synced appends: the median of neighbouring slices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
}

impl Machine {
    /// This one, and the file system that `dir` is on.
    pub(crate) fn look(dir: &Path) -> Self {
        Self {
            cpu: cpu().unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            kernel: kernel().unwrap_or_else(unknown),
            filesystem: filesystem(dir).unwrap_or_else(unknown),
            cache_bytes: CACHE_BYTES,
            fsync_append_bytes: APPEND,
        }
    }

    pub(crate) fn print(&self, json: bool) -> Checked<()> {
        if json {
            let machine = serde_json::to_string(self)?;
            // Standard output is for rows alone, all of one shape.
            eprintln!("{{\"machine\":{machine}}}");
            return Ok(());
        }
        let Self {
            cpu, cores, kernel, ..
        } = self;
        println!("{cpu}, {cores} cores, Linux {kernel}, {}", self.filesystem);
        println!("synced appends of {APPEND} bytes, cache of {CACHE_BYTES} bytes");
        let [c, r, p, q, s] = ["callers", "commands/s", "p50 µs", "p99 µs", "p99.9 µs"];
        let [g, f, o] = ["group", "fsync/s", "ratio"];
        println!("{c:>7} {r:>10} {p:>8} {q:>8} {s:>9} {g:>6} {f:>8} {o:>6}");
        Ok(())
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn cpu() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kernel() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(release.trim().to_owned())
}

/// The type of the innermost mount that holds `dir`.
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

impl Row {
    pub(crate) fn print(&self, json: bool) -> Checked<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let ratio = self.ratio.map_or_else(String::new, |r| format!("{r:.2}"));
        println!(
            "{:>7} {:>10.0} {:>8.0} {:>8.0} {:>9.0} {:>6.1} {:>8.0} {ratio:>6}",
            self.callers,
            self.rate,
            self.p50_us,
            self.p99_us,
            self.p999_us,
            self.group_mean,
            self.fsync_rate,
        );
        Ok(())
    }
}
