//! The manual, chapter by chapter.
//!
//! - [`getting_started`]: the four moments of a payment, in code.
//! - [`architecture`]: the floors of the house and the way of a command.
//! - [`backup`]: backups beside a store that goes on, restores and what must follow them, repairs.
#![cfg_attr(
    feature = "cli",
    doc = "- [`cli`]: the operator's command line, its answers and its exit codes."
)]
#![cfg_attr(
    feature = "postgres",
    doc = "- [`cluster`]: the engine on PostgreSQL, when to move there, and what was run on it."
)]
//! - [`durability`]: what the local engine promises of the disk, and why each crash ends well.
//! - [`faq`]: why it is as it is.
//! - [`format`](mod@format): the bytes.
//! - [`guarantees`]: what is promised, by number, and what is asked of you.
#![cfg_attr(
    feature = "transfer",
    doc = "- [`migration`]: moving from a cloud database, and in and out of a store."
)]
#![cfg_attr(
    feature = "wechat",
    doc = "- [`operations`]: what a store needs, what to watch, what to do on which day."
)]
//! - [`reliability`]: how all that is tried, and what was found by it.
#![cfg_attr(
    feature = "wechat",
    doc = "- [`reconciliation`]: the channel's bill of a day against the store."
)]
//! - [`refunds`]: giving money back, and what each anomaly asks of a person.
//! - [`states`]: every status against every command.
#![cfg_attr(
    feature = "wechat",
    doc = "- [`wechat`]: callbacks, answers and replies, protocol by protocol."
)]

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("backup.md")]
pub mod backup {}

#[cfg(feature = "cli")]
#[doc = include_str!("cli.md")]
pub mod cli {}

#[cfg(feature = "postgres")]
#[doc = include_str!("cluster.md")]
pub mod cluster {}

#[doc = include_str!("durability.md")]
pub mod durability {}

#[doc = include_str!("faq.md")]
pub mod faq {}

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[cfg(feature = "transfer")]
#[doc = include_str!("migration.md")]
pub mod migration {}

#[cfg(feature = "wechat")]
#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("reliability.md")]
pub mod reliability {}

#[cfg(feature = "wechat")]
#[doc = include_str!("reconciliation.md")]
pub mod reconciliation {}

#[doc = include_str!("refunds.md")]
pub mod refunds {}

#[doc = include_str!("states.md")]
pub mod states {}

#[cfg(feature = "wechat")]
#[doc = include_str!("wechat.md")]
pub mod wechat {}
