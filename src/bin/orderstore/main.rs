//! The operator's command line of an order store: look, decide, reconcile, move, back up.
//!
//! Invariants:
//! - Everything that was said is checked before anything is opened: what is not understood
//!   leaves no directory, no file and no lock behind.
//! - A verb that only looks never makes a store.
//! - Every ending has its exit code, see [`exit`].
//! - Tables show openids in full only where the operator asks for it. No answer holds a
//!   password.

mod args;
mod context;
mod exit;
mod failure;
mod location;
mod messages;
mod money;
mod output;
mod progress;
mod redact;
mod render;
mod text;
mod time_arg;
mod verbs;

use std::env;
use std::process::{self, ExitCode};

use clap::Parser as _;

use self::args::Cli;
use self::context::Context;

fn main() -> ExitCode {
    let Cli { global, verb } = Cli::try_parse().unwrap_or_else(|error| misunderstood(&error));
    let ended = verbs::run(verb, &Context::new(global));
    progress::end();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell().into(),
    }
}

/// Ends with what is to be said of words that were not understood. It repeats them, and so what
/// a URL among them holds is left out of it.
fn misunderstood(error: &clap::Error) -> ! {
    let said = error.render().to_string();
    let veiled = location::veiled(said.clone(), env::args_os());
    if !error.use_stderr() || veiled == said {
        error.exit();
    }
    progress::say(veiled.trim_end());
    process::exit(error.exit_code());
}
