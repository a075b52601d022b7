//! Archive of a local store: frames of its journal, and snapshots, in a directory or an object
//! store. It survives the loss of the machine.

mod cipher;
mod fault_injection;
#[cfg(feature = "testing")]
mod memory;
mod object;
#[cfg(feature = "archive")]
mod remote;
mod storage;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "only tests can request a fault")
)]
pub use self::fault_injection::ArchiveFault;
#[cfg(feature = "testing")]
pub use self::memory::{MemoryArchive, StorageFault};
pub(crate) use self::object::{Objects, corrupt};
pub use self::storage::{ArchiveObject, ArchiveStorage};
#[cfg(feature = "archive")]
use crate::error::OpenError;

/// Number of shipments after which they are merged.
const MERGE_AFTER: u64 = 1024;

/// Maximum size of the frames in a merged object: 8 MiB.
const MERGED_BYTES: usize = 8 << 20;

/// Default of [`Archive::lag_max`]: 4 GiB.
pub(crate) const LAG_MAX: u64 = 4 << 30;

/// Archive of a store: its storage, the key, and how the store uses it.
///
/// See [`Builder::archive`](crate::Builder::archive).
#[derive(Clone)]
#[must_use]
pub struct Archive {
    pub(crate) storage: Arc<dyn ArchiveStorage>,
    pub(crate) cipher: cipher::Cipher,
    pub(crate) interval: Duration,
    pub(crate) lag_max: u64,
    pub(crate) snapshot_interval: Duration,
    pub(crate) keep: Option<Retention>,
    pub(crate) follow_grace: Duration,
    pub(crate) merge_after: u64,
    pub(crate) merged_bytes: usize,
    pub(crate) lease: Option<Duration>,
    #[cfg(feature = "testing")]
    fault: Option<ArchiveFault>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

/// Snapshots that an archive keeps. It always keeps the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it with all fields"
)]
pub struct Retention {
    /// Number of days with a snapshot of which the archive keeps the newest one.
    pub daily: u32,
    /// Number of weeks with a snapshot of which the archive keeps the newest one.
    pub weekly: u32,
}

impl Default for Retention {
    /// Seven daily and four weekly snapshots.
    fn default() -> Self {
        Self {
            daily: 7,
            weekly: 4,
        }
    }
}

impl Archive {
    /// Archive in a storage of the caller.
    pub fn new(storage: impl ArchiveStorage) -> Self {
        Self {
            storage: Arc::new(storage),
            cipher: cipher::Cipher::default(),
            interval: Duration::from_secs(1),
            lag_max: LAG_MAX,
            snapshot_interval: Duration::from_secs(24 * 60 * 60),
            keep: Some(Retention::default()),
            follow_grace: Duration::from_secs(60 * 60),
            merge_after: MERGE_AFTER,
            merged_bytes: MERGED_BYTES,
            lease: None,
            #[cfg(feature = "testing")]
            fault: None,
        }
    }

    /// Archive in a directory (`/path` or `file:///path`) or in an object store (`s3://bucket/path`,
    /// `gs://bucket/path`, `az://container/path`). The usual environment variables give the
    /// credentials of an object store, for example `AWS_ACCESS_KEY_ID` and `AWS_REGION`.
    ///
    /// Opens no connection.
    ///
    /// # Errors
    /// [`OpenError::Invalid`] if the URL or a setting in the environment is invalid;
    /// [`OpenError::ParentMissing`] if more than the last directory of a path is missing.
    #[cfg(feature = "archive")]
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        Ok(Self::new(remote::Remote::open(url)?))
    }

    /// Encrypts every object with this key (XChaCha20-Poly1305). An archive is readable only with
    /// the key with which it was written. If the key is lost, the archive is lost.
    #[cfg(feature = "archive")]
    pub fn key(mut self, key: [u8; 32]) -> Self {
        self.cipher = cipher::Cipher::new(key);
        self
    }

    /// Sets the interval between two shipments. Default: 1 second. If the machine is lost, the
    /// commands of about this time are lost.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the maximum size, in bytes, of the journal that waits for the archive. Default: 4 GiB.
    /// A store with a longer journal drops it: the archive gets a gap and then a new snapshot.
    pub const fn lag_max(mut self, bytes: u64) -> Self {
        self.lag_max = bytes;
        self
    }

    /// Sets the time from one snapshot to the next. Default: 24 hours. A restore reads one snapshot
    /// and the frames after it.
    pub const fn snapshot_interval(mut self, interval: Duration) -> Self {
        self.snapshot_interval = interval;
        self
    }

    /// Sets which snapshots the store keeps. After each snapshot, it deletes the other ones and the
    /// frames that no kept snapshot needs. Default: [`Retention::default`]. `None` keeps everything; only
    /// shipments that were merged are deleted.
    pub const fn keep(mut self, keep: Option<Retention>) -> Self {
        self.keep = keep;
        self
    }

    /// Sets how long shipments stay after the store has merged them into larger objects. Default: one
    /// hour. A standby that lags less than this reads them one by one; another one reads the larger
    /// objects.
    pub const fn follow_grace(mut self, grace: Duration) -> Self {
        self.follow_grace = grace;
        self
    }

    /// Merges every few shipments into small objects, and keeps none of the shipments.
    #[cfg(feature = "testing")]
    pub const fn in_small_parts(mut self) -> Self {
        self.merge_after = 3;
        self.merged_bytes = 16 << 10;
        self.follow_grace = Duration::ZERO;
        self
    }

    /// Lets the store serve only while it reaches the archive. Default: it always serves.
    ///
    /// After this time without the archive, the store refuses commands; those are certainly not applied.
    /// An operator can then promote a standby without knowing whether the old store still runs: see
    /// [`OldStore::MayServe`](crate::OldStore::MayServe). The price: an archive that is down for longer
    /// stops the sales.
    ///
    /// Take two minutes or more: one request of the archive may take 30 seconds. The minimum is four times
    /// [`Archive::interval`]. The store already refuses commands when a quarter of the time is left. The
    /// clock of the lease runs while the machine sleeps, but not while a hypervisor has paused it.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Storage that holds the objects of this archive.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn ArchiveStorage> {
        &self.storage
    }
}
