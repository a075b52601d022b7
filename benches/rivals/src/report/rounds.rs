//! Combines several rounds: one figure from all of them, the median of each number.

use serde_json::Value;

use crate::measure::Figure;
use crate::record::Line;
use crate::sample::Checked;

/// Returns one line for each system and each measurement, in the order of their first rounds.
pub(super) fn medians(lines: &[Line]) -> Checked<Vec<Line>> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        let same =
            |other: &&Line| other.system == line.system && other.figure.key() == line.figure.key();
        if merged.iter().any(|other| same(&other)) {
            continue;
        }
        let all: Vec<_> = lines.iter().filter(same).map(|line| &line.figure).collect();
        merged.push(Line {
            figure: median_of(&all)?,
            ..line.clone()
        });
    }
    Ok(merged)
}

fn median_of(figures: &[&Figure]) -> Checked<Figure> {
    let values: Result<Vec<_>, _> = figures.iter().map(serde_json::to_value).collect();
    Ok(serde_json::from_value(middle(&values?))?)
}

/// Numbers become their median, objects those of their members. All else is taken from the first
/// value.
fn middle(values: &[Value]) -> Value {
    match values.first() {
        Some(Value::Object(first)) => {
            let of_all = |name: &String| {
                let members: Vec<_> = values.iter().filter_map(|v| v.get(name).cloned()).collect();
                (name.clone(), middle(&members))
            };
            first.keys().map(of_all).collect()
        }
        Some(Value::Number(_)) => number(values),
        first => first.cloned().unwrap_or_default(),
    }
}

/// Counts stay whole numbers: of two middle values the lower one is taken.
fn number(values: &[Value]) -> Value {
    let mut counts: Vec<_> = values.iter().filter_map(Value::as_u64).collect();
    if counts.len() == values.len() {
        counts.sort_unstable();
        let place = counts.len().saturating_sub(1) / 2;
        return counts.get(place).copied().into();
    }
    median(values.iter().filter_map(Value::as_f64)).into()
}

/// Returns the median; for an even number of values the mean of the middle two.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    Some(f64::midpoint(*values.get(lower)?, *values.get(upper)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Pipelined;

    #[test]
    fn three_rounds_become_one_line_of_medians() -> Checked<()> {
        let line = |round, rate| Line {
            system: "orderstore".to_owned(),
            round,
            figure: Figure::Pipelined(Pipelined {
                pipelined: "4x512".to_owned(),
                commands: 10,
                rate,
            }),
        };
        let lines = [line(1, 3.5), line(2, 9.0), line(3, 5.0)];
        let merged = medians(&lines)?;
        assert_eq!(merged.len(), 1);
        let Some(Figure::Pipelined(found)) = merged.first().map(|line| &line.figure) else {
            return Err("another figure".into());
        };
        assert_eq!((found.commands, found.rate), (10, 5.0));
        Ok(())
    }

    #[test]
    fn median_of_even_count_averages_the_middle_two() {
        assert_eq!(median([4.0, 1.0, 2.0, 9.0].into_iter()), Some(3.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}
