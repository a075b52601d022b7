//! The manual: one chapter for each topic.
//!
//! - [`getting_started`]: the four steps of a payment, in code.
//! - [`architecture`]: the layers of the source and the path of a command through them.
//! - [`backup`]: online backups, the mirror on a second disk, the archive and the standby on
//!   another machine, restores and what must follow them, repairs.
#![cfg_attr(
    all(feature = "transfer", feature = "wechat"),
    doc = "- [`cli`]: the program `orderstore`, its output and its exit codes."
)]
#![cfg_attr(
    feature = "postgres",
    doc = "- [`cluster`]: the engine on PostgreSQL, when to use it, and what was tested."
)]
//! - [`durability`]: what the local engine promises, what it assumes of the disk, and what each
//!   crash leaves.
//! - [`faq`]: reasons for the main design decisions.
//! - [`format`](mod@format): the files of a store, byte by byte.
//! - [`guarantees`]: the numbered guarantees, and what the server must do.
#![cfg_attr(
    feature = "transfer",
    doc = "- [`migration`]: import from a cloud database, and export."
)]
#![cfg_attr(
    feature = "wechat",
    doc = "- [`operations`]: requirements, monitoring and routine tasks."
)]
//! - [`reliability`]: how the guarantees are tested, and which bugs the tests found.
#![cfg_attr(
    feature = "wechat",
    doc = "- [`reconciliation`]: comparing the channel's daily bill with the store."
)]
//! - [`refunds`]: refunds, and what a person does about each anomaly.
#![cfg_attr(
    feature = "wechat",
    doc = "- [`server`]: the HTTP API, for servers in other languages; metrics and alerts."
)]
//! - [`states`]: the result of every command in every status.
#![cfg_attr(
    feature = "wechat",
    doc = "- [`wechat`]: WeChat's notifications, answers and replies, protocol by protocol."
)]

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("backup.md")]
pub mod backup {}

#[cfg(all(feature = "transfer", feature = "wechat"))]
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

#[cfg(feature = "wechat")]
#[doc = include_str!("server.md")]
pub mod server {}

#[doc = include_str!("states.md")]
pub mod states {}

#[cfg(feature = "wechat")]
#[doc = include_str!("wechat.md")]
pub mod wechat {}
