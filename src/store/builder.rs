//! Settings of a store. The store checks them when it is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::commit::{Bounds, Pipeline};
use crate::engine::{
    Engine, LocalEngine, LocalOptions, MemoryEngine, Progress, Recovery, RepairReport,
    RestoreReport,
};
use crate::error::OpenError;
use crate::rules::Policy;
use crate::store::{Opened, Store};
use crate::types::Timestamp;

/// Settings of a store. Invalid values fail with [`OpenError::Invalid`] when the store is opened.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    policy: Policy,
    node: u16,
    pub(super) local: LocalOptions,
    bounds: Bounds,
    clock: Clock,
    #[cfg(feature = "postgres")]
    cluster: crate::engine::PostgresOptions,
    #[cfg(feature = "testing")]
    sizes: Option<crate::testing::Sizes>,
    #[cfg(feature = "testing")]
    disk: Option<crate::testing::SimulatedDisk>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            node: 0,
            local: LocalOptions::default(),
            bounds: Bounds {
                commands: 65_536,
                bytes: 64 << 20,
            },
            clock: Clock::System,
            #[cfg(feature = "postgres")]
            cluster: crate::engine::PostgresOptions::default(),
            #[cfg(feature = "testing")]
            sizes: None,
            #[cfg(feature = "testing")]
            disk: None,
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .field("node", &self.node)
            .field("local", &self.local)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the rules that the merchant can choose. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the node digits in the order numbers of this store. Range: 0 to 999. Default: 0.
    /// Separate stores that serve the same merchants need different digits.
    pub const fn node(mut self, node: u16) -> Self {
        self.node = node;
        self
    }

    /// Sets the maximum time to wait until another process releases the directory. Default: zero.
    /// Set it for rolling restarts, in which a new process starts before the old one has ended.
    pub const fn lock_wait(mut self, limit: Duration) -> Self {
        self.local.lock_wait = limit;
        self
    }

    /// Sets the maximum size of the caches over the B-tree, in bytes. Default: 256 MiB. Minimum:
    /// 1 MiB. Three eighths of it hold records that were read, and three eighths hold pages. One
    /// eighth holds the order numbers of rows. One eighth holds the filters of unique keys and
    /// openids. A larger cache
    /// makes reads of old orders faster and takes that much memory. A store of many million orders
    /// is fastest if the filters of all keys fit: with 1 GiB, these are 100 million keys. The pages of
    /// a mirror take three eighths in addition.
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.local.cache_bytes = bytes;
        self
    }

    /// Sets the maximum size of the memtable, in bytes. Default: 64 MiB. Minimum: 1 MiB. During a
    /// checkpoint, a second memtable of this size exists. A larger value means fewer and larger
    /// checkpoints, which cost less in total. The journal then takes more space on disk, and
    /// recovery after a crash takes longer.
    pub const fn memtable_bytes(mut self, bytes: usize) -> Self {
        self.local.memtable_bytes = bytes;
        self
    }

    /// Keeps a second copy of the store in another directory, which should be on another disk. If
    /// one disk is lost while [`Stats::mirror`](crate::Stats::mirror) is
    /// [`MirrorStatus::Complete`](crate::MirrorStatus::Complete), no acknowledged command is lost.
    /// Default: no mirror.
    ///
    /// - Each directory is a complete store. A command is acknowledged when the journals in both are
    ///   synced; the two syncs run at the same time.
    /// - If one directory fails, the store goes on with the other one, and
    ///   [`Store::health`] returns [`Health::Unmirrored`](crate::Health::Unmirrored). The store
    ///   fills the missing directory again, also if it was replaced by an empty one, while it serves
    ///   callers.
    /// - After the loss of one directory while the store was closed, opening the store fails with
    ///   [`OpenError::MirrorMissing`], because the lost directory may have held newer commands: see
    ///   [`Store::accept_one_side`].
    /// - The first call with a mirror begins to fill it. The parent of the directory must exist. Name
    ///   a directory below the mount point of the disk. Otherwise a disk that is not mounted leaves
    ///   an empty directory, and the store fills it on the wrong disk.
    ///
    /// See [`manual::backup`](crate::manual::backup).
    pub fn mirror(mut self, dir: impl Into<PathBuf>) -> Self {
        self.local.mirror = Some(dir.into());
        self
    }

    /// Sets whether a command needs both directories of the mirror. Default: the setting of the last
    /// time that the store was open, and `false` for a new store. With `true`,
    /// the store refuses commands as long as one directory fails, and the call that opens the store
    /// waits until both are complete. In exchange, after the loss of one directory the other one
    /// certainly holds every acknowledged command.
    pub const fn require_both(mut self, is_required: bool) -> Self {
        self.local.needs_both = Some(is_required);
        self
    }

    /// Allows a store on a system where a power loss may undo acknowledged commands. Such a system
    /// cannot make file names durable. Without this setting, the call that opens or creates a store
    /// there fails with [`OpenError::WeakDurability`]. On Linux and macOS it has no effect.
    pub const fn allow_weak_durability(mut self) -> Self {
        self.local.allow_weak_durability = true;
        self
    }

    /// Sets a callback for the progress while a store is opened. The callback gets the number of
    /// journal bytes read so far, and their total number.
    pub fn recovery_progress(mut self, progress: impl FnMut(u64, u64) + Send + 'static) -> Self {
        self.local.progress = Some(Progress::new(progress));
        self
    }

    /// Sets whether to refuse a server that has any [`ReplicationRisk`](crate::ReplicationRisk).
    /// Default: `false`. Set it to `true` if PostgreSQL itself replicates. With `true`, the store
    /// also refuses a service that replicates the disk under PostgreSQL.
    #[cfg(feature = "postgres")]
    pub const fn require_sync(mut self, is_required: bool) -> Self {
        self.cluster.require_sync = is_required;
        self
    }

    /// Sets a callback for each reason why an acknowledged commit may be on one machine only. The
    /// store calls it at the first connection, and again at each new leader. With the feature
    /// `tracing`, the store also emits an event of level `WARN`.
    #[cfg(feature = "postgres")]
    pub fn on_replication_risk(
        mut self,
        observer: impl Fn(&crate::ReplicationRisk) + Send + Sync + 'static,
    ) -> Self {
        self.cluster.on_replication_risk = Some(Arc::new(observer));
        self
    }

    /// Sets the maximum number of waiting commands and their maximum size in bytes. Defaults:
    /// 65,536 commands and 64 MiB. Minimum: 1 command and 64 KiB. At either limit, further calls
    /// fail at once with [`Error::Overloaded`](crate::Error::Overloaded).
    pub const fn queue(mut self, commands: usize, bytes: usize) -> Self {
        self.bounds = Bounds { commands, bytes };
        self
    }

    /// Sets the clock that the store reads instead of the system clock. The store reads it once per
    /// group, and at least once for each order number.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::Given(Arc::new(clock));
        self
    }

    /// Puts the store on a simulated disk in memory, with these sizes of the memtable and the
    /// journal segments. The directories of the disk are under
    /// [`ROOT`](crate::testing::SimulatedDisk::ROOT).
    #[cfg(feature = "testing")]
    pub fn simulated(
        mut self,
        disk: &crate::testing::SimulatedDisk,
        sizes: crate::testing::Sizes,
    ) -> Self {
        self.disk = Some(disk.clone());
        self.in_small_parts(sizes)
    }

    /// Sets small sizes for the memtable and the journal segments of a store in a directory, so
    /// that the store often starts new segments and runs checkpoints.
    #[cfg(feature = "testing")]
    pub const fn in_small_parts(mut self, sizes: crate::testing::Sizes) -> Self {
        self.sizes = Some(sizes);
        self
    }

    /// Creates a store with these settings: see [`Store::init`].
    ///
    /// # Errors
    /// Those of [`Store::init`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn init(self, dir: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.local(|options| LocalEngine::init(dir, options))
    }

    /// Opens a store with these settings: see [`Store::open`].
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.local(|options| LocalEngine::open(dir, options))
    }

    /// Opens and verifies a store with these settings: see [`Store::open_verified`].
    ///
    /// # Errors
    /// Those of [`Store::open_verified`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn open_verified(self, dir: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.local(|options| LocalEngine::open_verified(dir, options))
    }

    /// Opens or creates a store with these settings: see [`Store::open_or_init`].
    ///
    /// # Errors
    /// Those of [`Store::open_or_init`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn open_or_init(self, dir: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.local(|options| LocalEngine::open_or_init(dir, options))
    }

    /// Restores a backup with these settings: see [`Store::restore`]. The callback of
    /// [`Builder::recovery_progress`] gets the number of copied bytes, and the size of the backup.
    ///
    /// # Errors
    /// Those of [`Store::restore`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn restore(
        self,
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RestoreReport, OpenError> {
        self.check()?;
        LocalEngine::restore(backup, dir, &self.local_options())
    }

    /// Repairs a store with these settings: see [`Store::repair`]. The callback of
    /// [`Builder::recovery_progress`] gets the number of finished steps, and their total number.
    /// Each event counts as three steps.
    ///
    /// # Errors
    /// Those of [`Store::repair`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn repair(
        self,
        damaged: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RepairReport, OpenError> {
        self.check()?;
        LocalEngine::repair(damaged, dir, &self.local_options())
    }

    /// Accepts one directory of a mirrored store with these settings: see
    /// [`Store::accept_one_side`].
    ///
    /// # Errors
    /// Those of [`Store::accept_one_side`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn accept_one_side(self, dir: impl AsRef<Path>) -> Result<RestoreReport, OpenError> {
        self.check()?;
        LocalEngine::accept_one_side(dir, &self.local_options())
    }

    /// Ends the mirroring of a store with these settings: see [`Store::detach_mirror`].
    ///
    /// # Errors
    /// Those of [`Store::detach_mirror`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn detach_mirror(
        self,
        dir: impl AsRef<Path>,
        mirror: impl AsRef<Path>,
    ) -> Result<(), OpenError> {
        self.check()?;
        LocalEngine::detach_mirror(dir, mirror, &self.local_options())
    }

    fn local(
        self,
        open: impl FnOnce(&LocalOptions) -> Result<LocalEngine, OpenError>,
    ) -> Result<Store, OpenError> {
        self.check()?;
        let engine = open(&self.local_options())?;
        let opened = if engine.is_new() {
            Opened::Created
        } else {
            Opened::Existing
        };
        let recovery = engine.recovery();
        self.run(Box::new(engine), opened, recovery)
    }

    pub(super) fn local_options(&self) -> LocalOptions {
        let options = self.local.clone();
        #[cfg(feature = "testing")]
        let options = match self.sizes {
            Some(sizes) => options.in_small_parts(sizes),
            None => options,
        };
        #[cfg(feature = "testing")]
        let options = match &self.disk {
            Some(disk) => options.on(disk),
            None => options,
        };
        options
    }

    /// Creates a store in memory with these settings: see [`Store::memory`].
    ///
    /// # Errors
    /// Those of [`Store::memory`]; [`OpenError::Invalid`] if a setting is invalid.
    pub fn memory(self) -> Result<Store, OpenError> {
        self.check()?;
        let engine = MemoryEngine::new().map_err(OpenError::Unavailable)?;
        self.run(Box::new(engine), Opened::Created, Recovery::default())
    }

    /// Opens a store on a PostgreSQL cluster with these settings: see [`Store::connect`].
    ///
    /// # Errors
    /// Those of [`Store::connect`]; [`OpenError::Invalid`] if a setting is invalid.
    #[cfg(feature = "postgres")]
    pub fn connect(self, url: &str) -> Result<Store, OpenError> {
        self.check()?;
        let engine = crate::engine::PostgresEngine::connect(url, &self.cluster)?;
        self.engine(engine)
    }

    /// Opens an existing store on a PostgreSQL cluster with these settings: see
    /// [`Store::connect_existing`].
    ///
    /// # Errors
    /// Those of [`Store::connect_existing`]; [`OpenError::Invalid`] if a setting is invalid.
    #[cfg(feature = "postgres")]
    pub fn connect_existing(self, url: &str) -> Result<Store, OpenError> {
        self.check()?;
        let engine = crate::engine::PostgresEngine::connect_existing(url, &self.cluster)?;
        self.engine(engine)
    }

    /// Opens a store on the caller's own engine. The engine should pass the conformance suite
    /// first.
    ///
    /// # Errors
    /// [`OpenError::Invalid`] if a setting is invalid; [`OpenError::Unavailable`] if the operating
    /// system provides no thread.
    pub fn engine(self, engine: impl Engine) -> Result<Store, OpenError> {
        self.check()?;
        self.run(Box::new(engine), Opened::Existing, Recovery::default())
    }

    fn run(
        self,
        engine: Box<dyn Engine>,
        opened: Opened,
        recovery: Recovery,
    ) -> Result<Store, OpenError> {
        let Self {
            policy,
            clock,
            node,
            bounds,
            ..
        } = self;
        let pipeline = Pipeline::new(engine, policy, clock, node, bounds);
        Store::run(pipeline, opened, recovery)
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        check(self.node <= 999, "node", "the range is 0 to 999")?;
        check(
            self.bounds.commands > 0,
            "queue",
            "the minimum is 1 command",
        )?;
        check(
            self.bounds.bytes >= 1 << 16,
            "queue",
            "the minimum is 65,536 bytes",
        )?;
        check(
            self.local.cache_bytes >= 1 << 20,
            "cache_bytes",
            "the minimum is 1 MiB",
        )?;
        check(
            self.local.memtable_bytes >= 1 << 20,
            "memtable_bytes",
            "the minimum is 1 MiB",
        )?;
        self.check_archive()?;
        let has_mirror = self.local.mirror.is_some();
        check(
            has_mirror || self.local.needs_both != Some(true),
            "require_both",
            "it needs a mirror",
        )?;
        check_steps(&self.policy.check_after, "policy.check_after")?;
        check_steps(&self.policy.refund_check_after, "policy.refund_check_after")
    }
}

/// Checks the delays between the queries of an order or a refund.
///
/// An empty list would give no time for the next query. With a delay of zero, the next query would
/// be due at once, in every sweep.
fn check_steps(steps: &[Duration], what: &'static str) -> Result<(), OpenError> {
    let is_valid = !steps.is_empty() && steps.iter().all(|step| !step.is_zero());
    let why = "the list needs at least one delay, and no delay may be zero";
    check(is_valid, what, why)
}

pub(super) fn check(is_valid: bool, what: &'static str, why: &str) -> Result<(), OpenError> {
    if is_valid {
        return Ok(());
    }
    let why = why.to_owned();
    Err(OpenError::Invalid { what, why })
}
