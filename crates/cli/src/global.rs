//! Flags that every verb accepts.

use std::ffi::OsString;

use clap::Args;

use crate::output::Format;

/// Flags that every verb accepts.
#[derive(Args)]
#[command(next_help_heading = "For every verb")]
pub(crate) struct Global {
    /// Directory of the store, or its postgres://… URL on a cluster
    #[arg(
        long,
        value_name = "PLACE",
        env = "ORDERSTORE_DIR",
        hide_env_values = true,
        global = true
    )]
    pub(crate) store: Option<OsString>,
    /// Format of the output. Default: table
    #[arg(long, value_name = "FORM", value_enum, global = true)]
    pub(crate) format: Option<Format>,
    /// Show full openids, attach and metadata in tables. They may contain personal data
    #[arg(long, global = true)]
    pub(crate) show_openid: bool,
}
