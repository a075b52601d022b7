//! A small file system of a child's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// How large the file system is.
pub(super) const SIZE_MIB: usize = 160;

/// Where a child finds it mounted; unset in an ordinary run of the tests.
const ROOT: &str = "ORDERSTORE_DISK_FULL_ROOT";

/// What the shell says where it may not mount.
const NOT_MOUNTED: i32 = 77;

/// The file system, in the child.
pub(super) fn mounted() -> Option<PathBuf> {
    std::env::var_os(ROOT).map(PathBuf::from)
}

/// Runs `test` again, in a child that has the file system to itself; it goes with the
/// child.
pub(super) fn on_a_mount(test: &str) {
    let place = TempDir::new().unwrap();
    // As root, and else as the root of a namespace of one's own.
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let mut reasons = vec![];
    for way in ways {
        match child(place.path(), way, test) {
            Ok(output) if has_run(&output, test) => return,
            Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    // Past the harness, which keeps what passing tests print to itself.
    let said = format!("skipped: no file system may be mounted here: {reasons:?}\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
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

/// Whether the child has run; fails where it has failed.
fn has_run(output: &Output, test: &str) -> bool {
    let said = String::from_utf8_lossy(&output.stdout);
    let is_begun = said.contains("running 1 test");
    assert!(
        !is_begun || output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A name that is no test's would pass as well.
    assert!(
        !output.status.success() || is_begun,
        "there is no test {test}: {said}"
    );
    println!("{said} {}", String::from_utf8_lossy(&output.stderr));
    is_begun
}
