//! Reports in three forms: lines as they are measured, a page, and a picture.

mod alone;
mod line;
mod page;
mod picture;
mod rounds;
mod targets;

use std::fs;
use std::path::Path;

pub(crate) use alone::Alone;

use crate::measure::{Batched, Called, Figure, Numbered, Pipelined, Read};
use crate::record::{Line, Record, Sizes, Start, Who};
use crate::rivals;
use crate::sample::Checked;

/// Name of this store, with which all others are compared.
const OURS: &str = "orderstore";

/// Everything to report.
pub(crate) struct Run {
    /// Times of the first and the last start.
    when: [String; 2],
    machine: serde_json::Value,
    sizes: Sizes,
    rounds: usize,
    systems: Vec<Who>,
    /// Medians of all rounds.
    lines: Vec<Line>,
    alone: Alone,
}

impl Run {
    /// Combines the measurements; returns `None` if there are none.
    pub(crate) fn gather(record: &Record, alone: Alone) -> Checked<Option<Self>> {
        let Some((first, last)) = record.starts.first().zip(record.starts.last()) else {
            return Ok(None);
        };
        let rounds = record.lines.iter().map(|line| line.round).max();
        let Some(rounds) = rounds else {
            return Ok(None);
        };
        Ok(Some(Self {
            when: [first.when.clone(), last.when.clone()],
            machine: first.machine.clone(),
            sizes: first.sizes,
            rounds,
            systems: systems(&record.starts),
            lines: rounds::medians(&record.lines)?,
            alone,
        }))
    }

    /// Writes the page and the picture.
    pub(crate) fn write(&self, out: &Path) -> Checked<()> {
        fs::create_dir_all(out)?;
        fs::write(out.join("performance.md"), page::write(self)?)?;
        if let Some(picture) = picture::draw(self)? {
            fs::write(out.join("performance.svg"), picture)?;
        }
        Ok(())
    }

    fn numbered(&self) -> Option<&Numbered> {
        self.lines.iter().find_map(|line| match &line.figure {
            Figure::Numbered(numbered) => Some(numbered),
            _ => None,
        })
    }

    fn called(&self) -> impl Iterator<Item = (&str, &Called)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Called(called) => Some((line.system.as_str(), called)),
            _ => None,
        })
    }

    fn pipelined(&self) -> impl Iterator<Item = (&str, &Pipelined)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Pipelined(pipelined) => Some((line.system.as_str(), pipelined)),
            _ => None,
        })
    }

    fn batched(&self) -> impl Iterator<Item = (&str, &Batched)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Batched(batched) => Some((line.system.as_str(), batched)),
            _ => None,
        })
    }

    fn read(&self) -> impl Iterator<Item = (&str, &Read)> {
        self.lines.iter().filter_map(|line| match &line.figure {
            Figure::Read(read) => Some((line.system.as_str(), read)),
            _ => None,
        })
    }

    /// Returns the measured numbers of callers, fewest first.
    fn callers(&self) -> Vec<usize> {
        let mut callers: Vec<_> = self.called().map(|(_, called)| called.callers).collect();
        callers.sort_unstable();
        callers.dedup();
        callers
    }

    /// Returns the highest rate of a system with blocking callers, for any number of callers.
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

/// Returns the systems of all starts, in their usual order.
fn systems(starts: &[Start]) -> Vec<Who> {
    let all = || starts.iter().flat_map(|start| &start.systems);
    let named = |name| all().find(|who| who.name == name).cloned();
    let names = rivals::ALL.iter().map(|system| system.name);
    names.filter_map(named).collect()
}

/// Formats a whole number with thousands separators, such as `119,000`.
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
    fn thousands_are_separated() {
        let shown = [0.4, 7.0, 999.6, 119_000.0, 1_234_567.0].map(thousands);
        assert_eq!(shown, ["0", "7", "1,000", "119,000", "1,234,567"]);
    }
}
