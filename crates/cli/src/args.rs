//! Definition of the command line: the shared flags and the verbs.

use clap::Parser;

use crate::exit::HELP;
use crate::global::Global;
use crate::verbs::Verb;

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
