//! What every verb is given: the flags that all share, and the way to the store.

use std::path::PathBuf;

use orderstore::{Builder, Store};

use crate::args::Global;
use crate::failure::Failure;
use crate::location::Location;
use crate::output::{Format, Out};
use crate::progress;
use crate::redact::Redactor;

/// The flags that all verbs share.
pub(crate) struct Context {
    global: Global,
}

impl Context {
    pub(crate) const fn new(global: Global) -> Self {
        Self { global }
    }

    /// Where the store is. Nothing is looked at yet.
    pub(crate) fn place(&self) -> Result<Location, Failure> {
        let said = self.global.store.as_deref();
        let said = said.ok_or_else(|| {
            Failure::usage(
                "which store? Say --store DIR or --store URL, or set ORDERSTORE_DIR in the \
                 environment",
            )
        })?;
        Ok(Location::from(said))
    }

    /// The same, for what is done to files.
    pub(crate) fn dir(&self) -> Result<PathBuf, Failure> {
        match self.place()? {
            Location::Dir(dir) => Ok(dir),
            Location::Cluster(_) => Err(Failure::usage(
                "that is done to a directory: name one with --store. A cluster has tools of its own \
                 for it (pg_dump, pg_basebackup)",
            )),
        }
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
        let place = self.place()?;
        progress::begin("reading the journal");
        let store = place.open(builder.recovery_progress(progress::tell))?;
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
    pub(crate) const fn veil(&self) -> Redactor {
        let is_for_people = matches!(self.global.format, None | Some(Format::Table));
        Redactor {
            lifted: self.global.show_openid || !is_for_people,
        }
    }
}
