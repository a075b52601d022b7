//! Command-line arguments: the flags that all verbs share, and the verbs.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::exit::HELP;
use crate::output::Format;
use crate::verbs;

/// Inspect and maintain an order store, and record an operator's decisions
///
/// Only one process can open a store directory. While a server has it open, other processes end
/// with exit code 3. Verbs that only read change no order and create no store.
#[derive(Parser)]
#[command(name = "orderstore", version, after_help = HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The flags that all verbs share.
#[derive(Args)]
#[command(next_help_heading = "For every verb")]
pub(crate) struct Global {
    /// Directory of the store, or its postgres://… URL on a cluster
    #[arg(
        long,
        value_name = "PLACE",
        env = "ORDERSTORE_DIR",
        hide_env_values = true,
        global = true
    )]
    pub(crate) store: Option<OsString>,
    /// Format of the output. Default: table
    #[arg(long, value_name = "FORM", value_enum, global = true)]
    pub(crate) format: Option<Format>,
    /// Show full openids, attach and metadata in tables. They may contain personal data
    #[arg(long, global = true)]
    pub(crate) show_openid: bool,
}

/// The verbs.
#[derive(Subcommand)]
pub(crate) enum Verb {
    Init(verbs::Init),
    Create(Box<verbs::Create>),
    Show(verbs::Show),
    List(Box<verbs::List>),
    History(verbs::History),
    Due(verbs::Due),
    Anomalies(verbs::Anomalies),
    Resolve(verbs::Resolve),
    Confirm(Box<verbs::Confirm>),
    BeginClose(verbs::BeginClose),
    RecordClose(verbs::RecordClose),
    AbortClose(verbs::AbortClose),
    EndOrder(verbs::EndOrder),
    Refund(verbs::Refund),
    Number(verbs::Number),
    Stats(verbs::Stats),
    Report(verbs::Report),
    Verify(verbs::Verify),
    Repair(verbs::Repair),
    Backup(verbs::Backup),
    Copy(verbs::Copy),
    Restore(verbs::Restore),
    Export(verbs::Export),
    Import(Box<verbs::Import>),
    Reconcile(verbs::Reconcile),
    Completions(verbs::Completions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
