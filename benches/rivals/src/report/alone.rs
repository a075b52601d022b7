//! Figures that only this store has: lines of its durable bench with `--json`, from one start or
//! several. If a figure occurs more than once, the median counts.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::page::{head, names, row};
use super::rounds::median;
use super::thousands;
use crate::sample::Checked;

/// Setting of the targets, and the default setting.
pub(super) const TARGETS: &str = "targets";
const DEFAULTS: &str = "defaults";

/// The lines.
#[derive(Default)]
pub(crate) struct Alone(Vec<Value>);

impl Alone {
    /// Reads the files. Each file must exist and contain nothing else.
    pub(crate) fn read(paths: &[PathBuf]) -> Checked<Self> {
        let mut all = Vec::new();
        for path in paths {
            let text =
                fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let value = serde_json::from_str(line);
                all.push(value.map_err(|error| format!("{}: {error}", path.display()))?);
            }
        }
        Ok(Self(all))
    }

    /// Returns the median of the values at a pointer, in all lines of a mode and a setting that are
    /// `due`.
    pub(super) fn figure(
        &self,
        (setting, mode): (&str, &str),
        due: impl Fn(&Value) -> bool,
        pointer: &str,
    ) -> Option<f64> {
        let is = |line: &Value, name: &str, wanted: &str| {
            line.get(name).and_then(Value::as_str) == Some(wanted)
        };
        let lines = self.0.iter();
        let lines = lines.filter(|l| is(l, "setting", setting) && is(l, "mode", mode) && due(l));
        median(lines.filter_map(|line| line.pointer(pointer)?.as_f64()))
    }

    /// Writes a table of all figures, if there are any.
    pub(super) fn table(&self, page: &mut String) -> Checked<()> {
        let rows: Vec<_> = SHOWN.iter().filter_map(|shown| shown.row(self)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(page, "\n## The store alone\n\n{ABOUT}\n")?;
        head(
            page,
            &names(&["what", "memtable 256 MiB, cache 1 GiB", "defaults"]),
        )?;
        for cells in rows {
            row(page, &cells)?;
        }
        Ok(())
    }
}

const ABOUT: &str = "\
Figures of `cargo bench --bench durable`, with the settings of the targets and with the default
settings (memtable 64 MiB, cache 256 MiB).";

/// Returns a condition: a count in a line is at least `least`.
pub(super) fn at_least(name: &'static str, least: u64) -> impl Fn(&Value) -> bool {
    move |line| line.get(name).and_then(Value::as_u64) >= Some(least)
}

/// Returns a condition: a count in a line equals `count`.
pub(super) fn exactly(name: &'static str, count: u64) -> impl Fn(&Value) -> bool {
    move |line| line.get(name).and_then(Value::as_u64) == Some(count)
}

/// One row of the table.
struct Shown {
    what: &'static str,
    mode: &'static str,
    /// Count that the lines must have.
    of: Option<(&'static str, u64)>,
    pointer: &'static str,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Rate,
    Ratio,
    Micros,
    Millis,
    Nanos,
    Mebibytes,
    Count,
}

impl Shown {
    fn row(&self, alone: &Alone) -> Option<[String; 3]> {
        let [targets, defaults] = [TARGETS, DEFAULTS].map(|setting| self.figure(alone, setting));
        if targets.is_none() && defaults.is_none() {
            return None;
        }
        let text = |value: Option<f64>| value.map_or_else(String::new, |v| self.unit.text(v));
        Some([self.what.to_owned(), text(targets), text(defaults)])
    }

    fn figure(&self, alone: &Alone, setting: &str) -> Option<f64> {
        let due = |line: &Value| {
            self.of
                .is_none_or(|(name, count)| exactly(name, count)(line))
        };
        alone.figure((setting, self.mode), due, self.pointer)
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", thousands(value)),
            Self::Ratio => format!("{value:.2}"),
            Self::Micros => format!("{} µs", thousands(value)),
            Self::Millis => format!("{} ms", thousands(value)),
            Self::Nanos => format!("{} ns", thousands(value)),
            Self::Mebibytes => format!("{} MiB", thousands(value / f64::from(1 << 20))),
            Self::Count => thousands(value),
        }
    }
}

const fn shown(
    what: &'static str,
    mode: &'static str,
    of: Option<(&'static str, u64)>,
    pointer: &'static str,
    unit: Unit,
) -> Shown {
    Shown {
        what,
        mode,
        of,
        pointer,
        unit,
    }
}

const SHOWN: [Shown; 24] = [
    shown(
        "1 caller",
        "callers",
        Some(("callers", 1)),
        "/rate",
        Unit::Rate,
    ),
    shown(
        "1 caller, of the synced appends beside it",
        "callers",
        Some(("callers", 1)),
        "/ratio",
        Unit::Ratio,
    ),
    shown(
        "16 callers",
        "callers",
        Some(("callers", 16)),
        "/rate",
        Unit::Rate,
    ),
    shown(
        "64 callers",
        "callers",
        Some(("callers", 64)),
        "/rate",
        Unit::Rate,
    ),
    shown(
        "64 callers, mean group",
        "callers",
        Some(("callers", 64)),
        "/group_mean",
        Unit::Count,
    ),
    shown(
        "256 callers",
        "callers",
        Some(("callers", 256)),
        "/rate",
        Unit::Rate,
    ),
    shown("pipelined", "pipelined", None, "/rate", Unit::Rate),
    shown(
        "batches, until the last answer",
        "batch",
        None,
        "/rate",
        Unit::Rate,
    ),
    shown(
        "batches, flushed",
        "batch",
        None,
        "/rate_settled",
        Unit::Rate,
    ),
    shown("grown to, orders", "grown", None, "/orders", Unit::Count),
    shown(
        "the last stretch of growing over the second",
        "grown",
        None,
        "/growth",
        Unit::Ratio,
    ),
    shown(
        "get, of all these orders",
        "grown",
        None,
        "/get_ns",
        Unit::Nanos,
    ),
    shown(
        "latency under load: arrivals",
        "latency",
        None,
        "/arrivals_rate",
        Unit::Rate,
    ),
    shown(
        "latency under load: orders before",
        "latency",
        None,
        "/base_orders",
        Unit::Count,
    ),
    shown(
        "latency under load: p50",
        "latency",
        None,
        "/p50_us",
        Unit::Micros,
    ),
    shown(
        "latency under load: p99.9",
        "latency",
        None,
        "/p999_us",
        Unit::Micros,
    ),
    shown(
        "latency under load: the longest",
        "latency",
        None,
        "/max_us",
        Unit::Micros,
    ),
    shown(
        "latency under load: refused as too many",
        "latency",
        None,
        "/overloaded",
        Unit::Count,
    ),
    shown(
        "reopen: the journal",
        "reopen",
        None,
        "/journal_bytes",
        Unit::Mebibytes,
    ),
    shown(
        "reopen: until it is open",
        "reopen",
        None,
        "/open_ms",
        Unit::Millis,
    ),
    shown(
        "reopen: until the first answer",
        "reopen",
        None,
        "/first_answer_ms",
        Unit::Millis,
    ),
    shown(
        "memory: resident at most",
        "memory",
        None,
        "/memory/resident_max",
        Unit::Mebibytes,
    ),
    shown(
        "memory: what the settings allow",
        "memory",
        None,
        "/memory/bound",
        Unit::Mebibytes,
    ),
    shown(
        "memory: the journal on the disk at most",
        "memory",
        None,
        "/memory/journal_max",
        Unit::Mebibytes,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_is_the_median_of_matching_lines() -> Checked<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("lines");
        let lines = "\
{\"mode\":\"callers\",\"setting\":\"targets\",\"callers\":1,\"ratio\":0.9}
{\"mode\":\"callers\",\"setting\":\"targets\",\"callers\":1,\"ratio\":0.8}
{\"mode\":\"callers\",\"setting\":\"targets\",\"callers\":16,\"rate\":5.0}
{\"mode\":\"callers\",\"setting\":\"defaults\",\"callers\":1,\"ratio\":0.1}
{\"mode\":\"memory\",\"setting\":\"targets\",\"memory\":{\"bound\":7}}
";
        fs::write(&path, lines)?;
        let alone = Alone::read(&[path])?;
        let one = exactly("callers", 1);
        let ratio = alone.figure((TARGETS, "callers"), one, "/ratio");
        assert!(ratio.is_some_and(|ratio| (ratio - 0.85).abs() < 1e-9));
        let bound = alone.figure((TARGETS, "memory"), |_| true, "/memory/bound");
        assert_eq!(bound, Some(7.0));
        let many = alone.figure((TARGETS, "callers"), at_least("callers", 64), "/rate");
        assert_eq!(many, None);
        Ok(())
    }
}
