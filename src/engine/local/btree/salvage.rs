//! Read-only access to a B-tree that is partly corrupt.
//!
//! - A read of a table skips each corrupt page with its subtree, and returns all other entries.
//! - A table that is missing or cannot be opened does not affect the other tables.
//! - This module writes nothing. The B-tree may be open for writing in this process. The caller
//!   then holds a snapshot of the same commit, so that the writer does not reuse the pages of that
//!   commit.

use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;

use redb::{ConcurrencyMode, Database, ReadableDatabase};

use super::backend::{Backend, ReadMode};
use super::damage::CorruptPages;
use super::errors::{guarded, translate};
use super::filter::Filters;
use super::run_list::TableOpener;
use super::{Snapshot, open_file};
use crate::contract::Direction;
use crate::engine::local::disk::Disk;
use crate::error::StorageError;
use crate::format::keys;
use crate::format::tables::Table;

/// B-tree from which everything except the corrupt pages can be read.
pub(crate) struct Salvage {
    pub(crate) snapshot: Snapshot,
    /// Corrupt pages among the pages read so far.
    pub(crate) damage: Arc<CorruptPages>,
    /// Corrupt pages of each table that were found when it was opened, by table tag: root pages
    /// and pages of filters.
    roots: Vec<Vec<(u64, usize)>>,
}

impl Salvage {
    /// Opens the last commit of the B-tree at `path`.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_bytes: usize,
        reading: ReadMode,
    ) -> Result<Self, StorageError> {
        let damage = Arc::<CorruptPages>::default();
        let backend = Backend::with(open_file(disk, path)?, reading, Arc::clone(&damage))?;
        let start = || {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            // In this mode, redb reads only the pages of the tables. Pages with its own data, such
            // as its free space, may be corrupt.
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let opened = builder.open_read_only_with_backend(backend);
            opened.map_err(translate)
        };
        // `db` may be dropped at the end of this function, because the open tables keep the
        // database open.
        let db = guarded(start)?;
        let transaction = guarded(|| db.begin_read().map_err(translate))?;
        let mut roots = Vec::new();
        let filters = Filters::new(cache_bytes);
        let mut opener = guarded(|| TableOpener::new(&transaction, &filters))?;
        let open = |table: Table| {
            let before = damage.pages();
            let opened = guarded(|| {
                // Read all filters, because each corrupt page of them must be found. A verification
                // then also uses them, as far as the memory suffices. A repair needs none.
                if reading == ReadMode::Survey && keys::has_hash(table) {
                    opener.read_filters_of(table, false)?;
                }
                opener.open(table)
            });
            roots.push(damage.pages_since(&before));
            match opened {
                Err(error) if !error.is_corrupt() => Err(error),
                opened => Ok(opened.ok()),
            }
        };
        let tables = Table::ALL.into_iter().map(open);
        let snapshot = Snapshot::of(tables.collect::<Result<_, _>>()?)?;
        Ok(Self {
            snapshot,
            damage,
            roots,
        })
    }

    /// Reads a whole table and returns its corrupt pages. Calls `may_go_on` for each entry, and
    /// stops with its error.
    pub(crate) fn corrupt_pages(
        &self,
        table: Table,
        may_go_on: &dyn Fn() -> Result<(), StorageError>,
    ) -> Result<Vec<(u64, usize)>, StorageError> {
        let before = self.damage.pages();
        let visit = &mut |_: &[u8], _: &[u8]| may_go_on().map(Continue);
        self.snapshot.walk(table, None, Direction::Forward, visit)?;
        let root = self.roots.get(usize::from(table.tag()));
        let mut pages = root.cloned().unwrap_or_default();
        pages.extend(self.damage.pages_since(&before));
        Ok(pages)
    }
}
