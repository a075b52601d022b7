//! Output: the machine first, then a line for each run as soon as it is measured.

use crate::machine::Machine;
use crate::sample::Checked;
use crate::turns::{Compared, Side};

/// Printer for people, or for programs as JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) json: bool,
}

impl Report {
    pub(crate) fn head(self, machine: &Machine, server: &str) -> Checked<()> {
        if self.json {
            let machine = serde_json::to_string(machine)?;
            // Stdout contains only figures.
            eprintln!("{{\"machine\":{machine},\"postgresql\":\"{server}\"}}");
            return Ok(());
        }
        let Machine {
            cpu,
            cores,
            kernel,
            filesystem,
            ..
        } = machine;
        println!("{cpu}, {cores} cores, Linux {kernel}, {filesystem}, PostgreSQL {server}");
        println!("rates are per second, of durable commands");
        Ok(())
    }

    pub(crate) fn row(self, compared: &Compared) -> Checked<()> {
        if self.json {
            println!("{}", serde_json::to_string(compared)?);
        } else {
            println!("{}", text(compared));
        }
        Ok(())
    }
}

fn text(compared: &Compared) -> String {
    let Compared {
        callers,
        ours,
        group_mean,
        hand,
        by_hand,
        ratio,
        target,
    } = compared;
    let verdict = target.map_or_else(String::new, |target| {
        let verdict = if *ratio >= target { "met" } else { "missed" };
        format!("  (target {target:.1}: {verdict})")
    });
    format!(
        "{callers:>4} callers  store {}  group {group_mean:>5.1}  by hand ({hand}) {}  ratio \
         {ratio:.2}{verdict}",
        side(ours),
        side(by_hand),
    )
}

fn side(side: &Side) -> String {
    let Side { rate, latencies } = side;
    let (half, most) = (latencies.p50_us, latencies.p99_us);
    format!("{rate:>6.0}/s  p50 {half:>6.0} µs  p99 {most:>6.0}")
}
