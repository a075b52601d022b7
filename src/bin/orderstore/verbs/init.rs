//! `init`: the one verb that makes an empty store.

use clap::Args;
use orderstore::Store;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, shown};

/// Make a store in a directory that is missing or empty; its parent must be there
#[derive(Args)]
pub(crate) struct Init {}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let dir = context.dir()?;
        Store::init(dir)?.shutdown().wait()?;
        let cells = vec![Cell::Word("made"), Cell::text(dir.display())];
        let columns = [shown("outcome"), shown("store")];
        context.out().one(&columns, cells)?;
        Ok(Exit::Done)
    }
}
