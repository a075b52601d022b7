//! `init`: creates an empty store.

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, shown};

/// Create an empty store on a cluster, or in a missing or empty directory whose parent exists
#[derive(Args)]
pub(crate) struct Init {}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let place = context.location()?;
        place.init(context.builder()?)?.shutdown().wait()?;
        let cells = vec![Cell::Word("made"), Cell::text(&place)];
        let columns = [shown("outcome"), shown("store")];
        context.out().one(&columns, cells)?;
        Ok(Exit::Done)
    }
}
