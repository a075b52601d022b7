//! What can be said: the flags that all verbs share, and the verbs.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::exit::HELP;
use crate::output::Format;
use crate::verbs;

/// Look into an order store, decide what it asks of a person, and look after it
///
/// A store has one process: while a server has it open, this says so and ends. Verbs that only
/// look change no order and make no store.
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
    /// The store: its directory, or postgres://… where it stands on a cluster
    #[arg(
        long,
        value_name = "PLACE",
        env = "ORDERSTORE_DIR",
        hide_env_values = true,
        global = true
    )]
    pub(crate) store: Option<OsString>,
    /// The form of the answer; a table where nothing is said
    #[arg(long, value_name = "FORM", value_enum, global = true)]
    pub(crate) format: Option<Format>,
    /// Show openids, attach and metadata in full in tables, too: people put personal data there
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
    fn the_flags_do_not_contradict_one_another() {
        Cli::command().debug_assert();
    }
}
