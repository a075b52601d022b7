//! What was measured, in three forms: lines as they come, a page, and a picture.

mod line;
mod page;
mod picture;

use std::fs;
use std::path::Path;

use orderstore::Timestamp;
use serde::Serialize;

use crate::measure::{Batched, Called, Figure, Pipelined, Read};
use crate::sample::Checked;

/// The store itself, to which all others are compared.
const OURS: &str = "orderstore";

/// Everything of one run.
pub(crate) struct Run {
    pub(crate) when: Timestamp,
    /// Names and values of what it ran on.
    pub(crate) machine: serde_json::Value,
    pub(crate) systems: Vec<Who>,
    pub(crate) lines: Vec<Line>,
}

/// One who was measured.
pub(crate) struct Who {
    pub(crate) name: &'static str,
    pub(crate) in_process: bool,
    pub(crate) version: String,
    pub(crate) setting: &'static str,
}

/// One figure of one system.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) system: &'static str,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

impl Run {
    /// Writes the page and the picture; nothing where nothing was measured.
    pub(crate) fn write(&self, out: &Path) -> Checked<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(out)?;
        fs::write(out.join("performance.md"), page::write(self)?)?;
        fs::write(out.join("performance.svg"), picture::draw(self)?)?;
        Ok(())
    }

    fn called(&self) -> impl Iterator<Item = (&'static str, &Called)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Called(called) => Some((line.system, called)),
            _ => None,
        })
    }

    fn pipelined(&self) -> impl Iterator<Item = (&'static str, &Pipelined)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Pipelined(pipelined) => Some((line.system, pipelined)),
            _ => None,
        })
    }

    fn batched(&self) -> impl Iterator<Item = (&'static str, &Batched)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Batched(batched) => Some((line.system, batched)),
            _ => None,
        })
    }

    fn read(&self) -> impl Iterator<Item = (&'static str, &Read)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Read(read) => Some((line.system, read)),
            _ => None,
        })
    }

    /// The numbers of callers that anybody was measured with, fewest first.
    fn callers(&self) -> Vec<usize> {
        let mut callers: Vec<_> = self.called().map(|(_, called)| called.callers).collect();
        callers.sort_unstable();
        callers.dedup();
        callers
    }

    /// The most that a system did for callers who wait, however many.
    fn best(&self, system: &str) -> Option<f64> {
        let called = self.called().filter(|(name, _)| *name == system);
        called.map(|(_, called)| called.rate).reduce(f64::max)
    }

    fn of(&self, system: &str, callers: usize) -> Option<&Called> {
        let wanted =
            |(name, called): &(&str, &Called)| *name == system && called.callers == callers;
        self.called().find(wanted).map(|(_, called)| called)
    }
}

/// A whole number with its thousands apart, such as `119,000`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0.4, 7.0, 999.6, 119_000.0, 1_234_567.0].map(thousands);
        assert_eq!(shown, ["0", "7", "1,000", "119,000", "1,234,567"]);
    }
}
