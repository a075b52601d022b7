//! Output: one JSON object a line. The first line of a run names the machine and the settings;
//! `benches/report.py` makes a page from the lines of one or several runs.

use std::path::Path;
use std::time::SystemTime;

use orderstore::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::machine::{Machine, mhz};
use crate::sample::Checked;

/// Prints the first line of a run that has its files in `dir`.
pub(crate) fn start(bench: &str, dir: &Path, settings: &impl Serialize) -> Checked<()> {
    let when = Timestamp::from_system(SystemTime::now()).to_string();
    let machine = Machine::look(dir);
    print(&json!({"start": {
        "bench": bench, "when": when, "machine": machine, "mhz": mhz(), "settings": settings,
    }}))
}

/// Prints one line.
pub(crate) fn print(line: &impl Serialize) -> Checked<()> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}
