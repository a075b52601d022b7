//! Tests of the whole local engine in temporary directories.

mod apply;
mod backup;
mod crashes;
mod directory;
mod failing;
pub(super) mod fixture;
mod flushes;
mod lists;
mod recovery;
mod repair;
mod same;
mod truncated;
mod unreadable;
mod verify;

pub(super) use fixture::no;
