//! The engine as a whole, in directories of its own.

mod apply;
mod directory;
pub(super) mod fixture;
mod lists;
mod verify;

pub(super) use fixture::no;
