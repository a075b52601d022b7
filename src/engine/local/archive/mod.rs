//! Archive of a local store: ships the journal, makes snapshots, restores from them, and follows
//! them.

mod apply;
mod begin;
mod epochs;
mod fields;
mod follower;
mod inspect;
mod merge;
mod names;
mod promote;
mod prune;
mod replay;
mod restore;
mod shipper;
pub(super) mod shipping;
mod snapshot;
mod standby;
mod standby_engine;
mod standby_files;
mod wal;

pub(crate) use self::inspect::{prune_archive, report_archive};
pub use self::standby_engine::StandbyEngine;
