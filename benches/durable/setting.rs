//! How the stores are set up. Every figure bears the name of its setting and what it is.

use std::path::Path;

use orderstore::{Builder, Store};
use serde::Serialize;

use crate::sample::Checked;

/// What a store may hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    #[serde(rename = "setting")]
    pub(crate) name: &'static str,
    pub(crate) memtable_bytes: usize,
    pub(crate) cache_bytes: usize,
}

/// What the queue may hold, in every setting.
const QUEUE_BYTES: usize = 64 << 20;

impl Setting {
    /// That of the targets.
    pub(crate) const TARGETS: Self = Self {
        name: "targets",
        memtable_bytes: 256 << 20,
        cache_bytes: 1 << 30,
    };

    /// What a store has that is told nothing.
    pub(crate) const DEFAULTS: Self = Self {
        name: "defaults",
        memtable_bytes: 64 << 20,
        cache_bytes: 256 << 20,
    };

    /// So small that a few thousand orders are flushed several times.
    pub(crate) const TEST: Self = Self {
        name: "test",
        memtable_bytes: 1 << 20,
        cache_bytes: 16 << 20,
    };

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let all = [Self::TARGETS, Self::DEFAULTS, Self::TEST];
        let found = all.into_iter().find(|setting| setting.name == name);
        found.ok_or(format!("{name} is no setting"))
    }

    /// What memory is bounded by: a memtable, another one that is being flushed, the
    /// base's cache, and the queue.
    pub(crate) const fn bound_bytes(&self) -> usize {
        self.memtable_bytes * 2 + self.cache_bytes + QUEUE_BYTES
    }

    fn builder(&self) -> Builder {
        let builder = Store::builder().memtable_bytes(self.memtable_bytes);
        builder.cache_bytes(self.cache_bytes)
    }

    pub(crate) fn init(&self, dir: &Path) -> Checked<Store> {
        Ok(self.builder().init(dir)?)
    }

    pub(crate) fn open(&self, dir: &Path) -> Checked<Store> {
        Ok(self.builder().open(dir)?)
    }
}
