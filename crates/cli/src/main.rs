//! Command line for operators of an order store: inspect orders, resolve anomalies, reconcile
//! bills, import, export and back up.
//!
//! Invariants:
//! - The program validates all arguments before it opens anything. Invalid arguments leave no
//!   directory, file or lock behind.
//! - A verb that only reads never creates a store.
//! - Every kind of result has its own exit code, see [`exit`].
//! - Tables show full openids only if the operator asks for them. No output contains a
//!   password.

mod args;
mod context;
mod exit;
mod failure;
mod global;
#[cfg(unix)]
mod live;
mod location;
mod messages;
mod money;
mod output;
mod patience;
mod progress;
mod redact;
mod render;
mod signals;
mod standby;
mod text;
mod time_arg;
mod verbs;

use std::env;
use std::process::{self, ExitCode};

use clap::Parser as _;

use self::args::Cli;
use self::context::Context;

fn main() -> ExitCode {
    let Cli { global, verb } = Cli::try_parse().unwrap_or_else(|error| exit_after(&error));
    let ended = verbs::run(verb, &Context::new(global));
    progress::end();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

/// Prints the message of clap (an error, the help or the version) and ends the program.
///
/// An error message repeats invalid arguments, so the function removes the secrets of URLs.
fn exit_after(error: &clap::Error) -> ! {
    let message = error.render().to_string();
    let redacted = location::redact_urls(message.clone(), env::args_os());
    // If nothing was redacted, use `error.exit`, which prints in colour. It cannot print a redacted
    // message.
    if !error.use_stderr() || redacted == message {
        error.exit();
    }
    progress::print_line(redacted.trim_end());
    process::exit(error.exit_code());
}
