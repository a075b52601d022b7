//! The picture: a group of bars for each number of callers, one colour for each system. The scale
//! begins at zero, so a bar twice as tall is twice as much. The picture has no background, and its
//! colours are readable on light and dark pages.

use std::fmt::Write;

use super::{OURS, Run, thousands};
use crate::sample::Checked;

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 430.0;
/// Corners of the plot area.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 868.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 388.0;
/// Gap between groups.
const GAP: f64 = 26.0;
/// Radius of a bar's upper corners.
const ROUND: f64 = 3.5;
/// Width of a name in the legend.
const LEGEND: f64 = 114.0;

/// CSS class and colour of each known system.
const COLOURS: [(&str, &str, &str); 7] = [
    (OURS, "a", "url(#glow)"),
    ("RocksDB", "b", "#5b8def"),
    ("SQLite", "c", "#3aa6a0"),
    ("LMDB", "d", "#9a7fd1"),
    ("fjall", "e", "#6aa84f"),
    ("redb", "f", "#d06a92"),
    ("PostgreSQL", "g", "#8796ab"),
];

const STYLE: &str = "\
text { font: 12px ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; \
fill: #7d8590 }
.title { font-size: 18px; font-weight: 600; fill: #d9730d }
.group { font-size: 13px; font-weight: 600; text-anchor: middle }
.value { font-size: 9.5px; text-anchor: middle }
.scale { font-size: 11px; text-anchor: end }
.ours { fill: #d9730d; font-weight: 700 }
.value.ours { font-size: 12px }
.line { stroke: #7d8590; stroke-opacity: .18 }
.ground { stroke: #7d8590; stroke-opacity: .55 }";

/// Draws the picture; returns `None` if no system was measured with callers.
pub(super) fn draw(run: &Run) -> Checked<Option<String>> {
    let most = run.called().map(|(_, called)| called.rate);
    let Some(most) = most.reduce(f64::max) else {
        return Ok(None);
    };
    let mut svg = String::new();
    opening(&mut svg, run)?;
    legend(&mut svg, run)?;
    let scale = Scale::of(most);
    scale.draw(&mut svg)?;
    let callers = run.callers();
    let count = f64::from(u32::try_from(callers.len())?);
    let wide = (RIGHT - LEFT) / count;
    let mut x = LEFT;
    for callers in callers {
        group(&mut svg, run, &scale, (callers, x, wide))?;
        x += wide;
    }
    writeln!(
        svg,
        "<path class=\"ground\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>\n</svg>"
    )?;
    Ok(Some(svg))
}

fn opening(svg: &mut String, run: &Run) -> Checked<()> {
    let text = |name: &str| run.machine.get(name).and_then(|v| v.as_str()).unwrap_or("");
    let cores = run.machine.get("cores").and_then(serde_json::Value::as_u64);
    let [_, last] = &run.when;
    let when: String = last.chars().take(10).collect();
    let place = format!(
        "create an order, confirm its payment; every answer synced to the disk first · {} \
         cores, {}, Linux {}, {when}",
        cores.unwrap_or_default(),
        escape(text("filesystem")),
        escape(text("kernel")),
    );
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>Durable commands per second</title>\n<desc>{place}</desc>\n\
         <style>\n{STYLE}"
    )?;
    for (_, class, colour) in COLOURS {
        writeln!(svg, ".{class} {{ fill: {colour} }}")?;
    }
    writeln!(
        svg,
        "</style>\n<defs><linearGradient id=\"glow\" x2=\"0\" y2=\"1\">\
         <stop stop-color=\"#f7b23b\"/><stop offset=\"1\" stop-color=\"#d9730d\"/>\
         </linearGradient></defs>\n\
         <text class=\"title\" x=\"16\" y=\"28\">Durable commands per second</text>\n\
         <text x=\"16\" y=\"48\">{place}</text>"
    )?;
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns the systems that have bars, in the order of the bars.
fn shown(run: &Run) -> impl Iterator<Item = (&str, &'static str)> {
    let has_bars = |name: &str| run.called().any(|(other, _)| other == name);
    let names = run.systems.iter().map(|who| who.name.as_str());
    names.filter(move |name| has_bars(name)).map(|name| {
        let known = COLOURS.iter().find(|(known, ..)| *known == name);
        (name, known.map_or("g", |(_, class, _)| *class))
    })
}

fn legend(svg: &mut String, run: &Run) -> Checked<()> {
    let mut x = 16.0;
    for (name, class) in shown(run) {
        let text = if name == OURS { "ours" } else { "" };
        writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"66\" width=\"12\" height=\"12\" rx=\"3\"/>\
             <text class=\"{text}\" x=\"{:.1}\" y=\"76.5\">{name}</text>",
            x + 18.0
        )?;
        x += LEGEND;
    }
    Ok(())
}

/// Scale from rates to heights.
struct Scale {
    step: f64,
    end: f64,
}

impl Scale {
    /// Chooses lines at round values: three to six of them, the uppermost above the maximum or just
    /// below it.
    fn of(most: f64) -> Self {
        let power = 10_f64.powf((most / 6.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps.into_iter().find(|step| most / step <= 6.0);
        let step = step.unwrap_or(most);
        Self { step, end: most }
    }

    /// Returns the y coordinate of a value.
    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * value / self.end
    }

    fn draw(&self, svg: &mut String) -> Checked<()> {
        let mut value = self.step;
        while value <= self.end {
            let y = self.y(value);
            writeln!(
                svg,
                "<path class=\"line\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text class=\"scale\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                short(value)
            )?;
            value += self.step;
        }
        let (x, y) = (LEFT - 8.0, BOTTOM + 4.0);
        writeln!(svg, "<text class=\"scale\" x=\"{x}\" y=\"{y}\">0</text>")?;
        Ok(())
    }
}

fn group(
    svg: &mut String,
    run: &Run,
    scale: &Scale,
    (callers, x, wide): (usize, f64, f64),
) -> Checked<()> {
    let title = match callers {
        1 => "1 caller".to_owned(),
        callers => format!("{callers} callers"),
    };
    let middle = x + wide / 2.0;
    let below = BOTTOM + 24.0;
    writeln!(
        svg,
        "<text class=\"group\" x=\"{middle:.1}\" y=\"{below}\">{title}</text>"
    )?;
    let systems: Vec<_> = shown(run).collect();
    let slot = (wide - GAP) / f64::from(u32::try_from(systems.len())?);
    let slot = slot.min(60.0);
    let mut left = middle - slot * f64::from(u32::try_from(systems.len())?) / 2.0;
    for (name, class) in systems {
        if let Some(called) = run.of(name, callers) {
            let bar = Bar {
                name,
                class,
                value: called.rate,
            };
            bar.draw(svg, scale, (left + slot * 0.08, slot * 0.84))?;
        }
        left += slot;
    }
    Ok(())
}

struct Bar<'r> {
    name: &'r str,
    class: &'static str,
    value: f64,
}

impl Bar<'_> {
    fn draw(&self, svg: &mut String, scale: &Scale, (x, wide): (f64, f64)) -> Checked<()> {
        let (name, class) = (self.name, self.class);
        let text = if name == OURS { "value ours" } else { "value" };
        let y = scale.y(self.value).min(BOTTOM - 1.0);
        let round = ROUND.min(BOTTOM - y);
        let (end, low) = (x + wide, y + round);
        writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{x:.1} {BOTTOM}V{low:.1}Q{x:.1} {y:.1} {:.1} {y:.1}\
             H{:.1}Q{end:.1} {y:.1} {end:.1} {low:.1}V{BOTTOM}Z\">\
             <title>{name}: {} per second</title></path>\
             <text class=\"{text}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + round,
            end - round,
            thousands(self.value),
            x + wide / 2.0,
            y - 5.0,
            short(self.value)
        )?;
        Ok(())
    }
}

/// Formats a value with two or three digits, such as `6.2k` and `119k`.
fn short(value: f64) -> String {
    match value {
        ..999.5 => format!("{value:.0}"),
        ..9_950.0 => format!("{:.1}k", value / 1e3),
        ..999_500.0 => format!("{:.0}k", value / 1e3),
        _ => format!("{:.1}M", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_values_are_short_and_scales_round() {
        let shown = [640.0, 6_210.0, 9_970.0, 119_400.0, 1_250_000.0].map(short);
        assert_eq!(shown, ["640", "6.2k", "10k", "119k", "1.2M"]);
        for most in [7.0, 9_000.0, 119_000.0, 143_000.0, 600_000.0] {
            let scale = Scale::of(most);
            let lines = (most / scale.step).floor();
            assert!((2.0..=6.0).contains(&lines), "{lines} lines below {most}");
            assert!(scale.y(most) >= TOP - 1e-9 && scale.y(0.0) <= BOTTOM + 1e-9);
        }
    }
}
