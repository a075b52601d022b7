//! Creates and opens stores, and verifies, backs up, restores and repairs them.

mod backup;
pub(crate) mod contents;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod open;
pub(crate) mod rebuild;
pub(crate) mod repair;
pub(crate) mod restore;
mod rows;
mod survey;
pub(crate) mod verify;
