//! Context of every verb: the shared flags, and access to the store.

use std::path::{Path, PathBuf};

use orderstore::{Archive, Builder, Store, with_causes};

use crate::failure::Failure;
use crate::global::Global;
use crate::location::{self, Location};
use crate::output::{Format, Out};
use crate::progress;
use crate::redact::Redactor;
use crate::standby;

/// Flags that all verbs share, and access to the store that these flags name.
pub(crate) struct Context {
    global: Global,
}

/// Converts 64 hexadecimal digits into a key.
fn key_of(digits: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != key.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        let is_hex = pair.iter().all(u8::is_ascii_hexdigit);
        let pair = std::str::from_utf8(pair).ok().filter(|_| is_hex)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
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

    /// Returns the archive at a URL, or `None` if the operator named none.
    pub(crate) fn archive(&self) -> Result<Option<Archive>, Failure> {
        let archive = self.global.archive.as_deref();
        archive.map(|url| self.archive_at(url)).transpose()
    }

    /// Returns the archive at a URL, with the key that the flags name.
    pub(crate) fn archive_at(&self, url: &str) -> Result<Archive, Failure> {
        let archive = Archive::from_url(url)?;
        let Some(file) = &self.global.archive_key else {
            return Ok(archive);
        };
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| Failure::file(file, &error))?;
        let key = key_of(text.trim()).ok_or_else(|| {
            let file = file.display();
            Failure::usage(format!("{file} must contain 64 hexadecimal digits"))
        })?;
        Ok(archive.key(key))
    }

    /// Returns the settings with which the verbs of an operator open the store.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        // Only the server knows which snapshots it keeps.
        self.with_places(location::builder(), |archive| archive.keep(None))
    }

    /// Returns the settings with which a server opens the store: those of the library.
    pub(crate) fn server_builder(&self) -> Result<Builder, Failure> {
        self.with_places(Store::builder(), |archive| archive)
    }

    /// Adds the mirror and the archive that the flags name.
    fn with_places(
        &self,
        mut builder: Builder,
        keep: impl FnOnce(Archive) -> Archive,
    ) -> Result<Builder, Failure> {
        if let Some(mirror) = self.mirror() {
            builder = builder.mirror(mirror);
        }
        // Without the archive, its place and its key are not even read: they may be lost.
        if self.global.without_archive {
            builder = builder.open_without_archive();
        } else if let Some(archive) = self.archive()? {
            builder = builder.archive(keep(archive));
        }
        Ok(builder)
    }

    /// Opens the store, runs `work` with it, and shuts it down, even if `work` failed.
    pub(crate) fn with_store<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_store_of(self.builder()?, work)
    }

    /// Opens the store in this process only, for verbs that need its files. Does everything else like
    /// [`Context::with_store`].
    pub(crate) fn with_own_store<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_opened(self.builder()?, Location::open_here, work)
    }

    /// Opens the store with the settings of `builder`. Does everything else like
    /// [`Context::with_store`].
    pub(crate) fn with_store_of<T>(
        &self,
        builder: Builder,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_opened(builder, Location::open, work)
    }

    /// Opens the store with `open`. Does everything else like [`Context::with_store_of`].
    pub(crate) fn with_opened<T>(
        &self,
        builder: Builder,
        open: impl FnOnce(&Location, Builder) -> Result<Store, Failure>,
        work: impl FnOnce(&Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let place = self.location()?;
        progress::begin("reading the journal");
        let store = open(&place, builder.recovery_progress(progress::set_position))?;
        if let Err(error) = standby::catch_up(&store) {
            let text = with_causes(&error);
            progress::print_line(&format!("the standby shows what it had before: {text}"));
        }
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
