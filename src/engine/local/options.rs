//! How a local store is opened.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "testing")]
use super::disk::SimulatedDisk;
use super::disk::{Disk, RealDisk};
use super::journal::recovery::Progress;

/// How a local store is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LocalOptions {
    /// How much of the base is kept in memory, in bytes: half of it single records
    /// that were read, the rest pages and the numbers of rows. Default: 256 MiB.
    pub cache_bytes: usize,
    /// How much may wait in memory for the base, in bytes, and as much again while that is
    /// being written. Default: 64 MiB. More makes for fewer and larger flushes, and for a
    /// longer recovery.
    pub memtable_bytes: usize,
    /// How long to wait for another handle to let go of the store, as in a rolling restart.
    /// Default: not at all.
    pub lock_wait: Duration,
    /// Is told how far a recovery is.
    pub progress: Option<Progress>,
    /// Whether a store may be on a disk of which a power loss may take names that were synced,
    /// and with them what was acknowledged. Default: no.
    pub allow_weak_durability: bool,
    /// Every page of the base is checked when it is opened.
    pub(crate) checked: bool,
    /// The length of a segment of the journal.
    pub(crate) segment_bytes: u64,
    /// What the store's files are on.
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
            checked: false,
            segment_bytes: 16 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}

/// How large the parts of a store are: small ones roll, flush and heap up all the time.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "tests write it down whole")]
pub struct Sizes {
    /// Of the memtable, in bytes.
    pub memtable: usize,
    /// Of a segment of the journal, in bytes.
    pub segment: u64,
}
