//! The picture: a panel of bars for each number of callers, for the batches and for the
//! reads. It has no background of its own, and its colours are readable on light and dark.

use std::fmt::Write;

use super::{OURS, Run, thousands};
use crate::sample::Checked;

/// One panel: bars of one scale.
struct Panel {
    title: String,
    note: &'static str,
    bars: Vec<(&'static str, f64)>,
    /// A value that is marked across all bars, and what it is.
    mark: Option<(f64, &'static str)>,
    less_is_better: bool,
}

const WIDTH: f64 = 880.0;
const MARGIN: f64 = 16.0;
const TOP: f64 = 64.0;
const HEAD: f64 = 34.0;
const STEP: f64 = 22.0;
const BAR: f64 = 14.0;
const NAMES: f64 = 84.0;
const VALUES: f64 = 62.0;
/// Between panels, across and down.
const GAP: f64 = 28.0;

const STYLE: &str = "\
text { font: 12px ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; \
fill: #7d8590 }
.title { font-size: 17px; font-weight: 600; fill: #d9730d }
.panel { font-size: 13px; font-weight: 600 }
.note { font-size: 11px }
.name { text-anchor: end }
.ours { fill: #d9730d; font-weight: 600 }
.rail { fill: #7d8590; opacity: .13 }
.bar { fill: #7d8590; opacity: .62 }
.best { fill: url(#glow) }
.mark { stroke: #7d8590; stroke-dasharray: 3 3 }";

pub(super) fn draw(run: &Run) -> Checked<String> {
    let panels = panels(run);
    let columns = if panels.len() > 4 { 3 } else { 2 };
    let bars = panels.iter().map(|panel| panel.bars.len()).max();
    let bars = u32::try_from(bars.unwrap_or_default())?;
    let tall = HEAD - BAR + STEP * f64::from(bars) + GAP;
    let rows = u32::try_from(panels.len().div_ceil(columns))?;
    let height = TOP + tall * f64::from(rows) - GAP + 8.0;
    let columns_f = f64::from(u32::try_from(columns)?);
    let wide = (WIDTH - MARGIN * 2.0 - GAP * (columns_f - 1.0)) / columns_f;

    let mut svg = String::new();
    opening(&mut svg, run, height)?;
    for (place, panel) in panels.iter().enumerate() {
        let column = f64::from(u32::try_from(place % columns)?);
        let row = f64::from(u32::try_from(place / columns)?);
        let x = MARGIN + (wide + GAP) * column;
        let y = TOP + tall * row;
        writeln!(svg, "<g transform=\"translate({x:.1} {y:.1})\">")?;
        panel.draw(&mut svg, wide)?;
        writeln!(svg, "</g>")?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn opening(svg: &mut String, run: &Run, height: f64) -> Checked<()> {
    let text = |name: &str| run.machine.get(name).and_then(|v| v.as_str()).unwrap_or("");
    let cores = run.machine.get("cores").and_then(serde_json::Value::as_u64);
    let cores = cores.unwrap_or_default();
    let when: String = run.when.to_string().chars().take(10).collect();
    let place = format!(
        "{cores} cores, {}, Linux {}, {when}: create an order, confirm its payment; every \
         answer synced to the disk",
        escape(text("filesystem")),
        escape(text("kernel")),
    );
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" \
         width=\"{WIDTH:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>Durable commands per second</title>\n<desc>{place}</desc>\n\
         <style>{STYLE}</style>\n\
         <defs><linearGradient id=\"glow\"><stop stop-color=\"#f5a524\"/>\
         <stop offset=\"1\" stop-color=\"#d9730d\"/></linearGradient></defs>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"26\">Durable commands per second</text>\n\
         <text x=\"{MARGIN}\" y=\"45\">{place}</text>"
    )?;
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn panels(run: &Run) -> Vec<Panel> {
    let mut panels: Vec<_> = run.callers().into_iter().map(|n| callers(run, n)).collect();
    let settled = run.batched().map(|(name, b)| (name, b.rate_settled));
    panels.push(Panel {
        title: "batches of 8,192".to_owned(),
        note: "settled",
        bars: settled.collect(),
        mark: None,
        less_is_better: false,
    });
    let near = |name: &str| {
        run.systems
            .iter()
            .any(|who| who.name == name && who.in_process)
    };
    let gets = run.read().filter(|(name, _)| near(name));
    panels.push(Panel {
        title: "get, ns".to_owned(),
        note: "in process; less is better",
        bars: gets.map(|(name, read)| (name, read.get_ns)).collect(),
        mark: None,
        less_is_better: true,
    });
    panels.retain(|panel| !panel.bars.is_empty());
    panels
}

fn callers(run: &Run, callers: usize) -> Panel {
    let here = || {
        run.called()
            .filter(move |(_, called)| called.callers == callers)
    };
    let disk = here()
        .map(|(_, called)| called.fsync_rate)
        .fold(0.0, f64::max);
    let alone = callers == 1;
    Panel {
        title: if alone {
            "1 caller".to_owned()
        } else {
            format!("{callers} callers")
        },
        note: "",
        bars: here().map(|(name, called)| (name, called.rate)).collect(),
        mark: alone.then_some((disk, "fsync")),
        less_is_better: false,
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, wide: f64) -> Checked<()> {
        let title = &self.title;
        writeln!(svg, "<text class=\"panel\" x=\"0\" y=\"14\">{title}</text>")?;
        let note = self.note;
        if !note.is_empty() {
            writeln!(
                svg,
                "<text class=\"note name\" x=\"{wide:.1}\" y=\"14\">{note}</text>"
            )?;
        }
        let room = wide - NAMES - VALUES;
        let mut bars = self.bars.clone();
        bars.sort_by(|a, b| a.1.total_cmp(&b.1));
        if !self.less_is_better {
            bars.reverse();
        }
        let marked = self.mark.map_or(0.0, |(value, _)| value);
        let most = bars.iter().map(|bar| bar.1).fold(marked, f64::max);
        let mut y = HEAD - BAR;
        for (name, value) in bars {
            bar(svg, (name, value), y, room, value / most)?;
            y += STEP;
        }
        self.mark(svg, room / most, y - STEP + BAR)
    }

    fn mark(&self, svg: &mut String, scale: f64, end: f64) -> Checked<()> {
        let Some((value, name)) = self.mark else {
            return Ok(());
        };
        let (x, top) = (NAMES + value * scale, HEAD - BAR - 4.0);
        writeln!(
            svg,
            "<path class=\"mark\" d=\"M{x:.1} {top:.1}V{:.1}\"/>\n\
             <text class=\"note\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"14\">{name}</text>",
            end + 4.0
        )?;
        Ok(())
    }
}

fn bar(svg: &mut String, (name, value): (&str, f64), y: f64, room: f64, share: f64) -> Checked<()> {
    let ours = name == OURS;
    let (text, fill) = if ours { ("ours", "best") } else { ("", "bar") };
    let (length, middle) = ((room * share).max(3.0), y + BAR - 3.0);
    let (names, end) = (NAMES - 8.0, NAMES + room + 6.0);
    writeln!(
        svg,
        "<text class=\"name {text}\" x=\"{names:.1}\" y=\"{middle:.1}\">{name}</text>\
         <rect class=\"rail\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{room:.1}\" height=\"{BAR}\" \
         rx=\"4\"/>\
         <rect class=\"{fill}\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{length:.1}\" \
         height=\"{BAR}\" rx=\"4\"/>\
         <text class=\"{text}\" x=\"{end:.1}\" y=\"{middle:.1}\">{}</text>",
        thousands(value)
    )?;
    Ok(())
}
