//! Options for opening a local store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "testing")]
use super::disk::SimulatedDisk;
use super::disk::{Disk, RealDisk};
use crate::archive::Archive;
use crate::engine::Progress;

/// Options for opening a local store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Maximum size of the caches over the B-tree, in bytes. Default: 256 MiB. Three
    /// eighths of it hold records, and three eighths pages. One eighth holds the order numbers of
    /// rows. One eighth holds filters, with 10.7 bits for each openid and each unique key.
    pub cache_bytes: usize,
    /// Maximum size of a memtable, in bytes. Default: 64 MiB. A second memtable of this size
    /// exists during a checkpoint. A larger value means fewer and larger checkpoints, and a
    /// longer recovery.
    pub memtable_bytes: usize,
    /// Maximum time to wait for the store's lock while another handle has the store open, for
    /// example in a rolling restart. Default: zero.
    pub lock_wait: Duration,
    /// Callback for the progress of a recovery. Default: none.
    pub progress: Option<Progress>,
    /// Whether to accept a disk that may lose synced file names in a power loss. Acknowledged
    /// writes are lost with such a name. Default: `false`.
    pub allow_weak_durability: bool,
    /// Second directory of a mirrored store, on another disk. Default: none. See
    /// [`Builder::mirror`](crate::Builder::mirror).
    pub mirror: Option<PathBuf>,
    /// Whether the store acknowledges only what both directories hold. `None` keeps the setting of
    /// the last time that the store was open; a new store does not.
    pub needs_both: Option<bool>,
    /// Archive of the store. Default: none. See [`Builder::archive`](crate::Builder::archive).
    pub archive: Option<Archive>,
    /// Whether the store may be opened although its archive cannot be reached or is not named.
    pub without_archive: bool,
    /// Whether opening the store checks every page of the B-tree.
    pub(crate) checked: bool,
    /// Length of a journal segment, in bytes.
    pub(crate) segment_bytes: u64,
    /// Disk that holds the files of the store.
    pub(crate) disk: Arc<dyn Disk>,
}

#[cfg(feature = "testing")]
impl LocalOptions {
    pub(crate) fn on(mut self, disk: &SimulatedDisk) -> Self {
        self.disk = Arc::new(disk.clone());
        self
    }

    pub(crate) const fn in_small_parts(mut self, sizes: Sizes) -> Self {
        self.memtable_bytes = sizes.memtable;
        self.segment_bytes = sizes.segment;
        self.cache_bytes = 1 << 20;
        self
    }
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            memtable_bytes: 64 << 20,
            lock_wait: Duration::ZERO,
            progress: None,
            allow_weak_durability: false,
            mirror: None,
            needs_both: None,
            archive: None,
            without_archive: false,
            checked: false,
            segment_bytes: 16 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}

/// Sizes with which a test opens a store. Small sizes cause frequent new segments and checkpoints.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "tests build it with all fields")]
pub struct Sizes {
    /// Maximum size of the memtable, in bytes.
    pub memtable: usize,
    /// Length of a journal segment, in bytes.
    pub segment: u64,
}
