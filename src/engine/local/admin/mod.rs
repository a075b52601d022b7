//! Creates and opens stores, and verifies, backs up, restores and repairs them.

mod backup;
pub(in crate::engine::local) mod contents;
pub(in crate::engine::local) mod header;
pub(in crate::engine::local) mod layout;
pub(in crate::engine::local) mod open;
pub(in crate::engine::local) mod rebuild;
pub(in crate::engine::local) mod repair;
pub(in crate::engine::local) mod restore;
mod rows;
mod survey;
pub(in crate::engine::local) mod verify;
