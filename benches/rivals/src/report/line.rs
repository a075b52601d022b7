//! One line for each figure, as soon as it is measured.

use super::{float, thousands};
use crate::measure::{Figure, Kind};
use crate::record::{Line, Start};
use crate::sample::Checked;

impl Start {
    /// Prints the machine and the systems.
    pub(crate) fn print(&self, json: bool) {
        if json {
            // Stdout contains only figures.
            eprintln!("{}", serde_json::json!({ "machine": self.machine }));
            return;
        }
        let text = |name: &str| self.machine.get(name).map(ToString::to_string);
        let parts = ["cpu", "cores", "kernel", "filesystem"].map(text);
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        println!("{}", parts.join(", ").replace('"', ""));
        for who in &self.systems {
            println!("{:<11} {}", who.name, who.version);
        }
    }
}

impl Line {
    pub(crate) fn print(&self, json: bool) -> Checked<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            println!("{:<11} {}", self.system, text(&self.figure));
        }
        Ok(())
    }
}

fn text(figure: &Figure) -> String {
    match figure {
        Figure::Called(called) => format!(
            "{:>4} callers {:>10}/s  p50 {:>8.0} µs  p99 {:>8.0} µs  p99.9 {:>8.0} µs  \
             fsync {:>7}/s",
            called.callers,
            thousands(called.rate),
            called.p50_us,
            called.p99_us,
            called.p999_us,
            thousands(called.fsync_rate),
        ),
        Figure::Pipelined(pipelined) => format!(
            "pipelined {} {:>10}/s  of {} commands",
            pipelined.pipelined,
            thousands(pipelined.rate),
            thousands(float(pipelined.commands)),
        ),
        Figure::Batched(batched) => format!(
            "batches of {} {:>10}/s  settled {:>10}/s  of {} commands",
            thousands(float(u64::try_from(batched.batch).unwrap_or_default())),
            thousands(batched.rate),
            thousands(batched.rate_settled),
            thousands(float(batched.commands)),
        ),
        Figure::Read(read) => format!(
            "get {:>6} ns  new {:>6} ns  page {:>8.2} µs of {:.1} rows  {:>6} bytes an order on disk, {} \
             in use",
            thousands(read.get_ns),
            thousands(read.get_new_ns),
            read.page_us,
            read.page_rows,
            read.bytes_on_disk / read.stored(),
            read.bytes_in_use.map_or("unknown".to_owned(), |bytes| {
                (bytes / read.stored()).to_string()
            }),
        ),
        Figure::Numbered(numbered) => {
            let kinds = [
                ("numbers", &numbered.order_no),
                ("uuid v7", &numbered.uuid_v7),
                ("ulid", &numbered.ulid),
            ];
            kinds.map(|(name, kind)| kind_text(name, kind)).join("  ")
        }
    }
}

fn kind_text(name: &str, kind: &Kind) -> String {
    let (one, many) = (thousands(kind.rate_1), thousands(kind.rate_16));
    format!(
        "{name} {:.1} ns, {one}/s, together {many}/s",
        kind.number_ns
    )
}
