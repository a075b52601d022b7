//! `completions`: what a shell needs to complete the verbs and flags.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print what a shell needs to complete the verbs and flags
#[derive(Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "orderstore", &mut script);
        let written = io::stdout().lock().write_all(&script);
        written.map_err(|error| Failure::output(&error))?;
        Ok(Exit::Done)
    }
}
