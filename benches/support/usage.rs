//! CPU time and context switches.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

use crate::figures::{float, to};
use crate::sample::Checked;

/// Totals since a process began, including threads that have ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) switches: u64,
}

/// Mean cost of a command, including everything else that the process did meanwhile.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_s_per_million: f64,
    pub(crate) switches_per_command: f64,
}

impl Usage {
    /// Returns the totals of this process.
    pub(crate) fn now() -> Checked<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let mut cpu = Duration::ZERO;
        for time in [usage.user_time(), usage.system_time()] {
            cpu += Duration::from_secs(u64::try_from(time.tv_sec())?);
            cpu += Duration::from_micros(u64::try_from(time.tv_usec())?);
        }
        let switches = usage.voluntary_context_switches() + usage.involuntary_context_switches();
        Ok(Self {
            cpu,
            switches: u64::try_from(switches)?,
        })
    }

    /// Returns what was added after `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }

    /// Returns the cost of each of these commands.
    pub(crate) fn cost(self, commands: u64) -> Cost {
        let commands = float(commands.max(1));
        Cost {
            cpu_s_per_million: to(100.0, self.cpu.as_secs_f64() * 1e6 / commands),
            switches_per_command: to(1000.0, float(self.switches) / commands),
        }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.switches += other.switches;
    }
}
