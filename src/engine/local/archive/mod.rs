//! Archive of a local store: ships the journal, makes snapshots, and restores from them.

mod begin;
mod epochs;
mod fields;
mod inspect;
mod names;
mod prune;
mod replay;
mod restore;
mod shipper;
pub(super) mod shipping;
mod snapshot;
mod wal;

pub(crate) use self::inspect::{prune_archive, report_archive};
