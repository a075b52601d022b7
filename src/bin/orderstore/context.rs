//! What every verb is given: the flags that all share, and the way to the store.

use std::path::{Path, PathBuf};

use orderstore::{Builder, Store};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Format, Out};
use crate::progress;
use crate::veil::Veil;

/// The flags that all verbs share.
pub(crate) struct Context {
    global: Global,
}

impl Context {
    pub(crate) const fn new(global: Global) -> Self {
        Self { global }
    }

    /// Where the store is. Nothing is looked at yet.
    pub(crate) fn dir(&self) -> Result<&Path, Failure> {
        let dir = self.global.store.as_deref();
        dir.ok_or_else(|| {
            Failure::usage("which store? Say --store DIR, or set ORDERSTORE_DIR in the environment")
        })
    }

    /// Opens the store, works with it, and ends it, whatever became of the work.
    pub(crate) fn with_store<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_store_of(Store::builder(), work)
    }

    /// The same, with settings.
    pub(crate) fn with_store_of<T>(
        &self,
        builder: Builder,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let dir: PathBuf = self.dir()?.to_path_buf();
        progress::begin("reading the journal");
        let store = builder.recovery_progress(progress::tell).open(dir)?;
        progress::end();
        let worked = work(&store);
        let ended = store.shutdown().wait();
        let worked = worked?;
        ended?;
        Ok(worked)
    }

    /// In which form the answer is wanted, where it was said.
    pub(crate) const fn format(&self) -> Option<Format> {
        self.global.format
    }

    /// Where the answer goes.
    pub(crate) fn out(&self) -> Out {
        Out::new(self.global.format.unwrap_or(Format::Table))
    }

    /// What is shown of personal data.
    pub(crate) const fn veil(&self) -> Veil {
        Veil {
            lifted: self.global.show_openid,
        }
    }
}
