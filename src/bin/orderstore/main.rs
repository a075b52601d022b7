//! The operator's command line of an order store: look, decide, reconcile, move, back up.
//!
//! Invariants:
//! - Everything that was said is checked before anything is opened: what is not understood
//!   leaves no directory, no file and no lock behind.
//! - A verb that only looks never makes a store.
//! - Every ending has its exit code, see [`exit`].
//! - Openids are shown in full only where the operator asks for it.

mod args;
mod context;
mod exit;
mod failure;
mod moment;
mod money;
mod outcome;
mod output;
mod place;
mod progress;
mod shown;
mod text;
mod veil;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use self::args::Cli;
use self::context::Context;

fn main() -> ExitCode {
    let Cli { global, verb } = Cli::parse();
    let ended = verbs::run(verb, &Context::new(global));
    progress::end();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell().into(),
    }
}
