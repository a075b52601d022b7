//! Output: the machine first, then a line for each figure as soon as it is measured.

use serde::Serialize;

use crate::machine::Machine;
use crate::sample::Checked;
use crate::setting::Setting;

/// Printer for people, or for programs as JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) json: bool,
}

/// One figure of one mode. JSON has its fields beside the mode and the setting.
pub(crate) trait Row: Serialize {
    const MODE: &'static str;

    /// Returns the figure as text.
    fn text(&self) -> String;
}

#[derive(Serialize)]
struct Line<'r, R> {
    mode: &'static str,
    #[serde(flatten)]
    setting: Setting,
    #[serde(flatten)]
    row: &'r R,
}

impl Report {
    pub(crate) fn head(self, machine: &Machine) -> Checked<()> {
        if self.json {
            let machine = serde_json::to_string(machine)?;
            // Stdout contains only figures.
            eprintln!("{{\"machine\":{machine}}}");
            return Ok(());
        }
        let Machine {
            cpu,
            cores,
            kernel,
            filesystem,
            fsync_append_bytes: append,
        } = machine;
        println!("{cpu}, {cores} cores, Linux {kernel}, {filesystem}");
        println!("rates are per second, of durable commands and of synced appends ({append} B)");
        Ok(())
    }

    pub(crate) fn row<R: Row>(self, setting: Setting, row: &R) -> Checked<()> {
        let mode = R::MODE;
        if self.json {
            println!("{}", serde_json::to_string(&Line { mode, setting, row })?);
        } else {
            println!("{:<9}{mode:<10}{}", setting.name, row.text());
        }
        Ok(())
    }
}
