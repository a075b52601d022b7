//! Settings of a store, checked when it is opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::commit::{Bounds, Pipeline};
use crate::engine::{
    Engine, LocalEngine, LocalOptions, MemoryEngine, Progress, Recovery, RepairReport,
    RestoreReport,
};
use crate::error::Error;
use crate::rules::Policy;
use crate::store::{Opened, Store};
use crate::types::Timestamp;

/// Settings of a store. Values that cannot work fail when the store is opened.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    policy: Policy,
    node: u16,
    local: LocalOptions,
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
    /// What the rules leave to the shop.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The node digits of this store's order numbers, 0 to 999. Stores that are apart and
    /// serve the same merchants need different ones. Default: 0.
    pub const fn node(mut self, node: u16) -> Self {
        self.node = node;
        self
    }

    /// How long to wait for another process to let go of the directory, for rolling
    /// restarts. Default: not at all.
    pub const fn lock_wait(mut self, limit: Duration) -> Self {
        self.local.lock_wait = limit;
        self
    }

    /// How much of the base is kept in memory, in bytes: half of it single records that
    /// were read, the rest pages and the numbers of rows. Default: 256 MiB. More makes reads
    /// of old orders quicker, and costs what it says.
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.local.cache_bytes = bytes;
        self
    }

    /// How much may wait in memory for the next flush, in bytes, and as much again while one
    /// runs. Default: 64 MiB. More makes for fewer and larger flushes, which cost less in
    /// all, and for a journal that takes as much more on the disk and longer to read after
    /// a crash.
    pub const fn memtable_bytes(mut self, bytes: usize) -> Self {
        self.local.memtable_bytes = bytes;
        self
    }

    /// Lets a store be on a system on which a power loss may undo what was acknowledged, because
    /// names in a directory cannot be made durable there. Without it, opening and making a store
    /// is refused there as [`Error::WeakDurability`]. On Linux and macOS it changes nothing.
    pub const fn allow_weak_durability(mut self) -> Self {
        self.local.allow_weak_durability = true;
        self
    }

    /// Is told, while the store is opened, how many bytes of the journal were read, and how
    /// many there are.
    pub const fn recovery_progress(mut self, progress: Progress) -> Self {
        self.local.progress = Some(progress);
        self
    }

    /// Whether a server of a cluster is refused at which there is any
    /// [`ReplicationRisk`](crate::ReplicationRisk). Default: no. Set it where PostgreSQL itself
    /// replicates; a service that replicates the disk beneath PostgreSQL would be refused.
    #[cfg(feature = "postgres")]
    pub const fn require_sync(mut self, is_required: bool) -> Self {
        self.cluster.require_sync = is_required;
        self
    }

    /// Is told why a commit that a cluster acknowledges may be on one machine only: at the
    /// first connection, and again at each new leader. With the feature `tracing` it is also an
    /// event of level `WARN`.
    #[cfg(feature = "postgres")]
    pub fn on_replication_risk(
        mut self,
        observer: impl Fn(&crate::ReplicationRisk) + Send + Sync + 'static,
    ) -> Self {
        self.cluster.on_replication_risk = Some(Arc::new(observer));
        self
    }

    /// How many commands, and how many bytes of them, may wait. Default: 65,536 and
    /// 64 MiB, whichever comes first; beyond that calls get [`Error::Overloaded`] at once.
    pub const fn queue(mut self, commands: usize, bytes: usize) -> Self {
        self.bounds = Bounds { commands, bytes };
        self
    }

    /// Where the store reads the time, instead of the system's clock. It is read once per
    /// group, and at least once for each order number.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::Given(Arc::new(clock));
        self
    }

    /// Puts the store on a disk in memory, in small parts. Its directories are beneath
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

    /// Makes the parts of a store in a directory small, so that it rolls, flushes and
    /// recovers all the time.
    #[cfg(feature = "testing")]
    pub const fn in_small_parts(mut self, sizes: crate::testing::Sizes) -> Self {
        self.sizes = Some(sizes);
        self
    }

    /// As [`Store::init`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn init(self, dir: impl AsRef<Path>) -> Result<Store, Error> {
        self.local(|options| LocalEngine::init(dir, options))
    }

    /// As [`Store::open`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Store, Error> {
        self.local(|options| LocalEngine::open(dir, options))
    }

    /// As [`Store::open_verified`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn open_verified(self, dir: impl AsRef<Path>) -> Result<Store, Error> {
        self.local(|options| LocalEngine::open_verified(dir, options))
    }

    /// As [`Store::open_or_init`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn open_or_init(self, dir: impl AsRef<Path>) -> Result<Store, Error> {
        self.local(|options| LocalEngine::open_or_init(dir, options))
    }

    /// As [`Store::restore`]. What is told to [`Builder::recovery_progress`] is how many
    /// bytes of the backup were copied, and how many there are.
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn restore(
        self,
        backup: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RestoreReport, Error> {
        self.check()?;
        LocalEngine::restore(backup, dir, &self.local_options())
    }

    /// As [`Store::repair`]. What is told to [`Builder::recovery_progress`] is how many
    /// steps were done, three for each event, and how many there are.
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn repair(
        self,
        damaged: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<RepairReport, Error> {
        self.check()?;
        LocalEngine::repair(damaged, dir, &self.local_options())
    }

    fn local(
        self,
        open: impl FnOnce(&LocalOptions) -> Result<LocalEngine, Error>,
    ) -> Result<Store, Error> {
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

    fn local_options(&self) -> LocalOptions {
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

    /// As [`Store::memory`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    pub fn memory(self) -> Result<Store, Error> {
        self.check()?;
        let engine = MemoryEngine::new().map_err(Error::NotApplied)?;
        self.run(Box::new(engine), Opened::Created, Recovery::default())
    }

    /// As [`Store::connect`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    #[cfg(feature = "postgres")]
    pub fn connect(self, url: &str) -> Result<Store, Error> {
        self.check()?;
        let engine = crate::engine::PostgresEngine::connect(url, &self.cluster)?;
        self.engine(engine)
    }

    /// As [`Store::connect_existing`].
    ///
    /// # Errors
    /// As there, and [`Error::Invalid`].
    #[cfg(feature = "postgres")]
    pub fn connect_existing(self, url: &str) -> Result<Store, Error> {
        self.check()?;
        let engine = crate::engine::PostgresEngine::connect_existing(url, &self.cluster)?;
        self.engine(engine)
    }

    /// A store on an engine of the caller's own, which passed the conformance suite.
    ///
    /// # Errors
    /// [`Error::Invalid`], or [`Error::NotApplied`] where no thread is to be had.
    pub fn engine(self, engine: impl Engine) -> Result<Store, Error> {
        self.check()?;
        self.run(Box::new(engine), Opened::Existing, Recovery::default())
    }

    fn run(
        self,
        engine: Box<dyn Engine>,
        opened: Opened,
        recovery: Recovery,
    ) -> Result<Store, Error> {
        let Self {
            policy,
            clock,
            node,
            bounds,
            ..
        } = self;
        let flow = Pipeline::new(engine, policy, clock, node, bounds);
        Store::run(flow, opened, recovery)
    }

    fn check(&self) -> Result<(), Error> {
        check(self.node <= 999, "node", "it has three digits: 0 to 999")?;
        check(self.bounds.commands > 0, "queue", "it must hold a command")?;
        check(
            self.bounds.bytes >= 1 << 16,
            "queue",
            "it must hold 65,536 bytes",
        )?;
        check(
            self.local.cache_bytes >= 1 << 20,
            "cache_bytes",
            "it must be 1 MiB or more",
        )?;
        check(
            self.local.memtable_bytes >= 1 << 20,
            "memtable_bytes",
            "it must be 1 MiB or more",
        )?;
        check_steps(&self.policy.check_after, "policy.check_after")?;
        check_steps(&self.policy.refund_check_after, "policy.refund_check_after")
    }
}

/// A ladder without a step has no next check; a step of nothing is due for ever.
fn check_steps(steps: &[Duration], what: &'static str) -> Result<(), Error> {
    let sound = !steps.is_empty() && steps.iter().all(|step| !step.is_zero());
    check(sound, what, "it needs a step, and none of zero")
}

fn check(holds: bool, what: &'static str, why: &str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    let why = why.to_owned();
    Err(Error::Invalid { what, why })
}
