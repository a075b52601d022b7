//! Creates and opens stores, and verifies, backs up, restores and repairs them.

mod accept;
pub(super) mod archive_state;
mod backup;
mod classify;
pub(crate) mod contents;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod members;
pub(crate) mod mirror_state;
pub(crate) mod open;
mod open_members;
pub(crate) mod rebuild;
pub(crate) mod recover;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod rows;
mod survey;
pub(crate) mod verify;
