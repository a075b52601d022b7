//! Figures, and the file that keeps them as JSON lines, so that several starts can share a long
//! measurement.
//!
//! - A start writes machine, time and sizes before its first figure.
//! - Figures of another machine, other sizes or another version are rejected, so that a page never
//!   mixes them.
//! - A torn last line of a killed start is dropped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::measure::Figure;
use crate::sample::Checked;

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub(crate) struct Sizes {
    /// Duration of each run and of each kind of read, in seconds.
    pub(crate) seconds: f64,
    pub(crate) commands: usize,
    pub(crate) orders: usize,
}

impl Sizes {
    /// Sizes of a full measurement.
    pub(crate) const WHOLE: Self = Self {
        seconds: 10.0,
        commands: 4_000_000,
        orders: 1_000_000,
    };

    /// Sizes of a smoke test.
    pub(crate) const QUICK: Self = Self {
        seconds: 0.5,
        commands: 131_072,
        orders: 65_536,
    };
}

/// One start of the program.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) when: String,
    /// Names and values that describe the machine.
    pub(crate) machine: Value,
    pub(crate) sizes: Sizes,
    pub(crate) systems: Vec<Who>,
}

/// One measured system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) in_process: bool,
    pub(crate) version: String,
    pub(crate) setting: String,
}

/// One figure of one system.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Line {
    pub(crate) system: String,
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

/// A line of the file.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Entry<S, L> {
    Start { start: S },
    Line(L),
}

/// All starts and figures, those of the file first.
pub(crate) struct Record {
    pub(crate) starts: Vec<Start>,
    pub(crate) lines: Vec<Line>,
    file: Option<File>,
    /// Whether the last start is in the file.
    is_begun: bool,
}

impl Record {
    /// Loads the file if it exists, and begins another start.
    pub(crate) fn begin(path: Option<&Path>, start: Start) -> Checked<Self> {
        let mut record = Self {
            starts: Vec::new(),
            lines: Vec::new(),
            file: None,
            is_begun: false,
        };
        if let Some(path) = path {
            record.open(path)?;
        }
        for other in &record.starts {
            other.must_go_with(&start)?;
        }
        record.starts.push(start);
        Ok(record)
    }

    fn open(&mut self, path: &Path) -> Checked<()> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(u64::try_from(whole)?)?;
        let lines = text.get(..whole).unwrap_or_default().lines();
        for (place, line) in (1..).zip(lines) {
            let entry = serde_json::from_str(line);
            match entry.map_err(|error| format!("{}:{place}: {error}", path.display()))? {
                Entry::Start { start } => self.starts.push(start),
                Entry::Line(line) => self.lines.push(line),
            }
        }
        self.file = Some(file);
        Ok(())
    }

    /// Returns whether a figure exists.
    pub(crate) fn has(&self, system: &str, round: usize, key: &str) -> bool {
        let is_it = |line: &Line| line.system == system && line.round == round;
        let mut lines = self.lines.iter();
        lines.any(|line| is_it(line) && line.figure.key() == key)
    }

    /// Adds a figure, first to the file.
    pub(crate) fn add(&mut self, line: Line) -> Checked<()> {
        if !self.is_begun {
            if let Some(start) = self.starts.last() {
                write(self.file.as_mut(), &Entry::<_, Line>::Start { start })?;
            }
            self.is_begun = true;
        }
        write(self.file.as_mut(), &Entry::<Start, _>::Line(&line))?;
        self.lines.push(line);
        Ok(())
    }
}

fn write(file: Option<&mut File>, entry: &impl Serialize) -> Checked<()> {
    let Some(file) = file else {
        return Ok(());
    };
    let mut line = serde_json::to_string(entry)?;
    line.push('\n');
    Ok(file.write_all(line.as_bytes())?)
}

impl Start {
    fn must_go_with(&self, other: &Self) -> Checked<()> {
        if self.machine != other.machine {
            return Err("the file has figures of another machine".into());
        }
        if self.sizes != other.sizes {
            return Err(format!("the file has figures of other sizes: {:?}", self.sizes).into());
        }
        for who in &self.systems {
            let mut others = other.systems.iter();
            if others.any(|other| other.name == who.name && other != who) {
                return Err(format!("the file has figures of another {}", who.name).into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::measure::Pipelined;

    fn start(seconds: f64) -> Start {
        Start {
            when: "2026-01-01".to_owned(),
            machine: Value::Null,
            sizes: Sizes {
                seconds,
                ..Sizes::QUICK
            },
            systems: Vec::new(),
        }
    }

    fn line(round: usize) -> Line {
        let pipelined = Pipelined {
            pipelined: "4x512".to_owned(),
            commands: 8,
            rate: 4.0,
        };
        Line {
            system: "orderstore".to_owned(),
            round,
            figure: Figure::Pipelined(pipelined),
        }
    }

    #[test]
    fn restart_continues_from_the_existing_file() -> Checked<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("saved");
        let mut first = Record::begin(Some(&path), start(1.0))?;
        first.add(line(1))?;
        assert!(first.has("orderstore", 1, "pipelined"));
        let mut torn = fs::read(&path)?;
        torn.extend_from_slice(b"{\"system\":\"order");
        fs::write(&path, torn)?;
        Record::begin(Some(&path), start(1.0))?.add(line(2))?;
        let last = Record::begin(Some(&path), start(1.0))?;
        assert_eq!((last.starts.len(), last.lines.len()), (3, 2));
        assert!(last.has("orderstore", 1, "pipelined"));
        assert!(last.has("orderstore", 2, "pipelined"));
        assert!(!last.has("orderstore", 3, "pipelined"));
        assert!(!last.has("orderstore", 2, "batches"));
        Ok(())
    }

    #[test]
    fn figures_of_other_sizes_are_rejected() -> Checked<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("saved");
        Record::begin(Some(&path), start(1.0))?.add(line(1))?;
        assert!(Record::begin(Some(&path), start(2.0)).is_err());
        Ok(())
    }
}
