//! The manual, chapter by chapter.
//!
//! - [`architecture`]: the floors of the house and the way of a command.
//! - [`guarantees`]: what is promised, by number, and what is asked of you.
//! - [`states`]: every status against every command.

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("states.md")]
pub mod states {}
