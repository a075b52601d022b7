//! Verbs of the command line, with their flags. Each verb has its own file.
//!
//! Each verb validates its arguments before `Context::with_store` opens the store.

mod abort_close;
mod anomalies;
mod archive;
mod backup;
mod begin_close;
mod completions;
mod confirm;
mod copy;
mod create;
mod due;
mod end_order;
mod export;
mod history;
mod import;
mod init;
mod list;
mod mirror;
mod number;
mod page;
mod reconcile;
mod record_close;
mod refund;
mod repair;
mod report;
mod resolve;
mod restore;
mod serve;
mod show;
mod standby;
mod stats;
mod tail;
#[cfg(unix)]
mod top;
mod verify;

pub(crate) use self::abort_close::AbortClose;
pub(crate) use self::anomalies::Anomalies;
pub(crate) use self::archive::Archive;
pub(crate) use self::backup::Backup;
pub(crate) use self::begin_close::BeginClose;
pub(crate) use self::completions::Completions;
pub(crate) use self::confirm::Confirm;
pub(crate) use self::copy::Copy;
pub(crate) use self::create::Create;
pub(crate) use self::due::Due;
pub(crate) use self::end_order::EndOrder;
pub(crate) use self::export::Export;
pub(crate) use self::history::History;
pub(crate) use self::import::Import;
pub(crate) use self::init::Init;
pub(crate) use self::list::List;
pub(crate) use self::mirror::Mirror;
pub(crate) use self::number::Number;
pub(crate) use self::reconcile::Reconcile;
pub(crate) use self::record_close::RecordClose;
pub(crate) use self::refund::Refund;
pub(crate) use self::repair::Repair;
pub(crate) use self::report::Report;
pub(crate) use self::resolve::Resolve;
pub(crate) use self::restore::Restore;
pub(crate) use self::serve::Serve;
pub(crate) use self::show::Show;
pub(crate) use self::standby::{Follow, Promote};
pub(crate) use self::stats::Stats;
pub(crate) use self::tail::Tail;
#[cfg(unix)]
pub(crate) use self::top::Top;
pub(crate) use self::verify::Verify;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Verb with its arguments.
#[derive(Subcommand)]
pub(crate) enum Verb {
    Init(Init),
    Create(Box<Create>),
    Show(Show),
    List(Box<List>),
    History(History),
    Due(Due),
    Anomalies(Anomalies),
    Resolve(Resolve),
    Confirm(Box<Confirm>),
    BeginClose(BeginClose),
    RecordClose(RecordClose),
    AbortClose(AbortClose),
    EndOrder(EndOrder),
    Refund(Refund),
    Number(Number),
    Stats(Stats),
    Report(Report),
    Verify(Verify),
    Repair(Repair),
    Backup(Backup),
    Copy(Copy),
    Restore(Restore),
    Mirror(Mirror),
    Archive(Archive),
    Follow(Follow),
    Promote(Promote),
    Serve(Serve),
    Tail(Tail),
    #[cfg(unix)]
    Top(Top),
    Export(Export),
    Import(Box<Import>),
    Reconcile(Reconcile),
    Completions(Completions),
}

/// Runs a verb.
pub(crate) fn run(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(verb) => verb.run(context),
        Verb::Create(verb) => verb.run(context),
        Verb::Show(verb) => verb.run(context),
        Verb::List(verb) => verb.run(context),
        Verb::History(verb) => verb.run(context),
        Verb::Due(verb) => verb.run(context),
        Verb::Anomalies(verb) => verb.run(context),
        Verb::Resolve(verb) => verb.run(context),
        Verb::Confirm(verb) => verb.run(context),
        Verb::BeginClose(verb) => verb.run(context),
        Verb::RecordClose(verb) => verb.run(context),
        Verb::AbortClose(verb) => verb.run(context),
        Verb::EndOrder(verb) => verb.run(context),
        Verb::Refund(verb) => verb.run(context),
        Verb::Number(verb) => verb.run(context),
        Verb::Stats(verb) => verb.run(context),
        Verb::Report(verb) => verb.run(context),
        Verb::Verify(verb) => verb.run(context),
        Verb::Repair(verb) => verb.run(context),
        Verb::Backup(verb) => verb.run(context),
        Verb::Copy(verb) => verb.run(context),
        Verb::Restore(verb) => verb.run(context),
        Verb::Mirror(verb) => verb.run(context),
        Verb::Archive(verb) => verb.run(context),
        Verb::Follow(verb) => verb.run(context),
        Verb::Promote(verb) => verb.run(context),
        Verb::Serve(verb) => verb.run(context),
        Verb::Tail(verb) => verb.run(context),
        #[cfg(unix)]
        Verb::Top(verb) => verb.run(context),
        Verb::Export(verb) => verb.run(context),
        Verb::Import(verb) => verb.run(context),
        Verb::Reconcile(verb) => verb.run(context),
        Verb::Completions(verb) => verb.run(),
    }
}
