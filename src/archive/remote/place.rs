//! Kinds of storage.

use std::time::Duration;

use super::bucket::Bucket;
use super::directory::Directory;

/// Maximum duration of a call, with all its retries.
pub(super) const CALL: Duration = Duration::from_secs(30);

pub(super) enum Place {
    Directory(Directory),
    Bucket(Bucket),
}
