//! Mounts a small file system for a child process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Size of the file system in MiB.
pub(super) const SIZE_MIB: usize = 160;

/// Environment variable with the mount point; set in the child only.
const ROOT: &str = "ORDERSTORE_DISK_FULL_ROOT";

/// Exit code of the shell if the mount fails.
const NOT_MOUNTED: i32 = 77;

/// Returns the mount point, or `None` in the parent process.
pub(super) fn mounted() -> Option<PathBuf> {
    std::env::var_os(ROOT).map(PathBuf::from)
}

/// Runs `test` again in a child process with its own mount, which ends with the child.
pub(super) fn on_a_mount(test: &str) {
    let place = TempDir::new().unwrap();
    // Try to mount as root, and then as root of a new user namespace.
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let mut reasons = vec![];
    for way in ways {
        match child(place.path(), way, test) {
            Ok(output) if has_run(&output, test) => return,
            Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    // Write to stderr directly, because the test harness hides the output of passing tests.
    let notice = format!("skipped: cannot mount a file system; run as root: {reasons:?}\n");
    let _ = std::io::stderr().write_all(notice.as_bytes());
}

fn child(root: &Path, way: &[&str], test: &str) -> std::io::Result<Output> {
    let mount = format!("mount -t tmpfs -o size={SIZE_MIB}m tmpfs \"${ROOT}\"");
    let script = format!("{mount} || exit {NOT_MOUNTED}; exec \"$0\" \"$@\"");
    Command::new("unshare")
        .args(way)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(ROOT, root)
        .output()
}

/// Returns whether the child ran the test; panics if the test failed.
fn has_run(output: &Output, test: &str) -> bool {
    let printed = String::from_utf8_lossy(&output.stdout);
    let is_begun = printed.contains("running 1 test");
    assert!(
        !is_begun || output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A misspelled test name would run no test and still succeed.
    assert!(
        !output.status.success() || is_begun,
        "there is no test {test}: {printed}"
    );
    println!("{printed} {}", String::from_utf8_lossy(&output.stderr));
    is_begun
}
