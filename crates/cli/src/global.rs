//! Flags that every verb accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::location;
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
    /// Directory of the mirror, if the store in a directory has one
    #[arg(
        long,
        value_name = "DIR",
        env = "ORDERSTORE_MIRROR",
        hide_env_values = true,
        value_parser = location::path(),
        global = true
    )]
    pub(crate) mirror: Option<PathBuf>,
    /// Archive of the store: a directory, or the URL of an object store, like s3://bucket/shop
    #[arg(
        long,
        value_name = "URL",
        env = "ORDERSTORE_ARCHIVE",
        hide_env_values = true,
        global = true
    )]
    pub(crate) archive: Option<String>,
    /// File with the key of the archive: 64 hexadecimal digits
    #[arg(
        long,
        value_name = "FILE",
        env = "ORDERSTORE_ARCHIVE_KEY",
        hide_env_values = true,
        value_parser = location::path(),
        global = true
    )]
    pub(crate) archive_key: Option<PathBuf>,
    /// Open the store without its archive. A server ships the changes later
    #[arg(long, global = true)]
    pub(crate) without_archive: bool,
    /// Format of the output. Default: table
    #[arg(long, value_name = "FORM", value_enum, global = true)]
    pub(crate) format: Option<Format>,
    /// Show full openids, attach and metadata in tables. They may contain personal data
    #[arg(long, global = true)]
    pub(crate) show_openid: bool,
}
