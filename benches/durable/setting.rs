//! Settings of the stores. Every figure has the name and the values of its setting.

use std::path::Path;

use orderstore::{Builder, Store};
use serde::Serialize;

use crate::lines;
use crate::sample::Checked;

/// Memory limits of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    #[serde(rename = "setting")]
    pub(crate) name: &'static str,
    pub(crate) memtable_bytes: usize,
    pub(crate) cache_bytes: usize,
}

/// A figure with its setting.
#[derive(Serialize)]
struct Line<'r, R> {
    #[serde(flatten)]
    setting: Setting,
    #[serde(flatten)]
    row: &'r R,
}

/// Limit of the queue in bytes, in every setting.
const QUEUE_BYTES: usize = 64 << 20;

impl Setting {
    /// Setting of the targets.
    pub(crate) const TARGETS: Self = Self {
        name: "targets",
        memtable_bytes: 256 << 20,
        cache_bytes: 1 << 30,
    };

    /// Default setting of a store.
    pub(crate) const DEFAULTS: Self = Self {
        name: "defaults",
        memtable_bytes: 64 << 20,
        cache_bytes: 256 << 20,
    };

    /// Sizes at which a few thousand orders cause several checkpoints.
    pub(crate) const TEST: Self = Self {
        name: "test",
        memtable_bytes: 1 << 20,
        cache_bytes: 16 << 20,
    };

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let all = [Self::TARGETS, Self::DEFAULTS, Self::TEST];
        let found = all.into_iter().find(|setting| setting.name == name);
        found.ok_or(format!("unknown setting {name}"))
    }

    /// Returns the memory bound: two memtables (one of them being checkpointed), the B-tree's
    /// cache, and the queue.
    pub(crate) const fn bound_bytes(&self) -> usize {
        self.memtable_bytes * 2 + self.cache_bytes + QUEUE_BYTES
    }

    /// Prints a figure of a store with this setting.
    pub(crate) fn print(self, row: &impl Serialize) -> Checked<()> {
        lines::print(&Line { setting: self, row })
    }

    fn builder(&self) -> Builder {
        let builder = Store::builder().memtable_bytes(self.memtable_bytes);
        builder.cache_bytes(self.cache_bytes)
    }

    pub(crate) fn init(&self, dir: &Path) -> Checked<Store> {
        Ok(self.builder().init(dir)?)
    }

    /// Creates a store with a mirror, which is complete on return.
    pub(crate) fn init_mirrored(&self, dir: &Path, mirror: &Path) -> Checked<Store> {
        Ok(self.builder().mirror(mirror).init(dir)?)
    }

    /// Creates a store with an archive.
    #[cfg(feature = "archive")]
    pub(crate) fn init_archived(&self, dir: &Path, archive: orderstore::Archive) -> Checked<Store> {
        Ok(self.builder().archive(archive).init(dir)?)
    }

    /// Opens a standby.
    #[cfg(feature = "archive")]
    pub(crate) fn follow(&self, dir: &Path, archive: orderstore::Archive) -> Checked<Store> {
        Ok(self.builder().archive(archive).follow(dir)?)
    }

    /// Makes a closed standby a store.
    #[cfg(feature = "archive")]
    pub(crate) fn promote(
        &self,
        dir: &Path,
        archive: orderstore::Archive,
    ) -> Checked<orderstore::PromoteReport> {
        Ok(self
            .builder()
            .archive(archive)
            .promote(dir, orderstore::OldStore::Stopped)?)
    }

    /// Opens a store with its archive.
    #[cfg(feature = "archive")]
    pub(crate) fn open_archived(&self, dir: &Path, archive: orderstore::Archive) -> Checked<Store> {
        Ok(self.builder().archive(archive).open(dir)?)
    }

    pub(crate) fn open(&self, dir: &Path) -> Checked<Store> {
        Ok(self.builder().open(dir)?)
    }
}
