//! Context of every verb: the shared flags, and access to the store.

use std::path::{Path, PathBuf};

use orderstore::{Builder, Store};

use crate::failure::Failure;
use crate::global::Global;
use crate::location::{self, Location};
use crate::output::{Format, Out};
use crate::progress;
use crate::redact::Redactor;

/// Flags that all verbs share, and access to the store that these flags name.
pub(crate) struct Context {
    global: Global,
}

impl Context {
    pub(crate) const fn new(global: Global) -> Self {
        Self { global }
    }

    /// Returns the location of the store, without access to the disk or the network.
    pub(crate) fn location(&self) -> Result<Location, Failure> {
        let store = self.global.store.as_deref();
        let store = store.ok_or_else(|| {
            Failure::usage(
                "no store is named: use --store DIR or --store URL, or set ORDERSTORE_DIR in the \
                 environment",
            )
        })?;
        Ok(Location::from(store))
    }

    /// Returns the directory of the store, for verbs that work on its files.
    pub(crate) fn dir(&self) -> Result<PathBuf, Failure> {
        match self.location()? {
            Location::Dir(dir) => Ok(dir),
            Location::Cluster(_) => Err(Failure::usage(
                "this verb needs a directory: name one with --store. For a cluster, use the tools \
                 of PostgreSQL (pg_dump, pg_basebackup)",
            )),
        }
    }

    /// Returns the directory of the mirror, if one is named.
    pub(crate) fn mirror(&self) -> Option<&Path> {
        self.global.mirror.as_deref()
    }

    /// Returns the settings with which every verb opens the store.
    pub(crate) fn builder(&self) -> Builder {
        match self.mirror() {
            Some(mirror) => location::builder().mirror(mirror),
            None => location::builder(),
        }
    }

    /// Opens the store, runs `work` with it, and shuts it down, even if `work` failed.
    pub(crate) fn with_store<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_store_of(self.builder(), work)
    }

    /// Opens the store with the settings of `builder`. Does everything else like
    /// [`Context::with_store`].
    pub(crate) fn with_store_of<T>(
        &self,
        builder: Builder,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let place = self.location()?;
        progress::begin("reading the journal");
        let store = place.open(builder.recovery_progress(progress::set_position))?;
        progress::end();
        let worked = work(&store);
        let ended = store.shutdown().wait();
        let worked = worked?;
        ended?;
        Ok(worked)
    }

    /// Returns the output format, if the operator chose one.
    pub(crate) const fn format(&self) -> Option<Format> {
        self.global.format
    }

    /// Returns the output in the chosen format, or as a table by default.
    pub(crate) fn out(&self) -> Out {
        Out::new(self.global.format.unwrap_or(Format::Table))
    }

    /// Returns the redactor: tables redact personal data, unless `--show-openid` is set.
    pub(crate) const fn redactor(&self) -> Redactor {
        let is_for_people = matches!(self.global.format, None | Some(Format::Table));
        Redactor {
            shows_all: self.global.show_openid || !is_for_people,
        }
    }
}
