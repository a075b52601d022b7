//! `stats`: prints counts of orders and anomalies, and the result of the recovery.

use clap::Args;
use orderstore::{Status, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Cell, Column, shown};

/// Show how many orders each status has, how many anomalies are open, and what the recovery did
#[derive(Args)]
pub(crate) struct Stats {}

const COLUMNS: &[Column] = &[
    shown("orders"),
    shown("wait"),
    shown("success"),
    shown("closing"),
    shown("closed"),
    shown("failed"),
    shown("latePaid"),
    shown("unclaimed"),
    shown("openAnomalies"),
    shown("wasClosed"),
    shown("groupsReplayed"),
    shown("bytesCutOff"),
    shown("journalBytes"),
    shown("mirror"),
    shown("archive"),
];

impl Stats {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.with_store(|store| {
            let cells = cells(store)?;
            context.out().one(COLUMNS, cells)?;
            Ok(Exit::Done)
        })
    }
}

fn cells(store: &Store) -> Result<Vec<Cell>, Failure> {
    let counts = store.counts().wait()?;
    // Another process has done the recovery of a store that it has open.
    let recovery = Some(store.recovery()).filter(|recovery| *recovery != Default::default());
    let mut cells = vec![counts.orders().into()];
    cells.extend(Status::ALL.map(|status| counts.of(status).into()));
    cells.extend([
        counts.unclaimed.into(),
        counts.open_anomalies.into(),
        recovery.map_or(Cell::None, |recovery| Cell::Flag(recovery.was_closed)),
        recovery.map_or(Cell::None, |recovery| recovery.frames.into()),
        recovery.map_or(Cell::None, |recovery| recovery.dropped_bytes.into()),
        store.stats().journal_bytes.into(),
        Cell::Word(store.stats().mirror.as_str()),
        Cell::Word(store.stats().archive.status.as_str()),
    ]);
    Ok(cells)
}
