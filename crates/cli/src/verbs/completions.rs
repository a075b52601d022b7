//! `completions`: prints a completion script for a shell.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Pipe;

/// Print a script with which a shell completes the verbs and flags
#[derive(Args)]
pub(crate) struct Completions {
    /// Name of the shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "orderstore", &mut script);
        let mut to = Pipe::new();
        let written = to.write_all(&script).and_then(|()| to.flush());
        to.written(written)?;
        Ok(Exit::Done)
    }
}
