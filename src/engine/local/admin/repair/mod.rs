//! Repairs a corrupt store: writes a valid store into another directory.
//!
//! - A repair only reads the corrupt store. It copies the B-tree file first and opens the copy. The
//!   corrupt store keeps everything that the repair could not use.
//! - Indexes, unique keys and counts are rebuilt from the records. A lost record is rebuilt from
//!   its history, and a lost history from its record. A repair invents no other data.
//! - The report lists every loss, by order number where one is known.
//! - Like a restored store, the repaired store has a new incarnation and a new range of order
//!   numbers. The corrupt store may have lost its latest writes.

mod build;
mod frames;
mod salvage_record;
mod source;

use std::path::Path;
use std::time::Instant;

use self::build::RepairWriter;
use self::salvage_record::SalvagePlan;
use self::source::Source;
use super::contents::{Contents, Creation};
use super::header::StoreHeader;
use super::layout::Dir;
use super::restore::{Successor, copy, with_ancestor};
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::disk::{Lock, remove};
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{IndexCount, RepairReport};
use crate::error::{OpenError, StorageError};
use crate::format::keys::KeyEncoder;
use crate::format::tables::Table;
use crate::log::event;
use crate::number::u64_of;

/// Number of progress steps per event: for its check, for its write, and for a second read, which
/// the write of its record needs.
const PASSES: u64 = 3;

impl LocalEngine {
    /// Repairs the store in `damaged`: writes a valid store into a directory that is missing or
    /// empty, or that an interrupted repair left behind.
    ///
    /// # Errors
    /// The errors of opening a store and of creating one; [`OpenError::Unopened`] if the identity
    /// file is corrupt, or if the B-tree file is missing or unusable.
    pub fn repair(
        damaged: impl AsRef<Path>,
        dir: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<RepairReport, OpenError> {
        let from = Dir::new(&options.disk, damaged.as_ref());
        let header = match from.survey()? {
            Contents::Store => from.store_header()?,
            contents => return Err(from.refusal(contents)),
        };
        let (from, _held) = from.lock(options.lock_wait)?;
        let to = Dir::of(options, dir.as_ref())?;
        let (to, lock) = to.claim(Creation::Successor, options.lock_wait)?;
        to.clear(Creation::Successor)?;
        let repair = Repair {
            from: &from,
            to: &to,
            header,
            options,
        };
        let began = Instant::now();
        let source = repair.source()?;
        let report = repair.run(source, lock)?;
        event!(
            info,
            "repaired store",
            from = from.given_path.display().to_string(),
            to = to.given_path.display().to_string(),
            records = report.records,
            is_whole = report.is_whole(),
            millis = began.elapsed().as_millis(),
        );
        Ok(report)
    }
}

struct Repair<'a> {
    from: &'a Dir,
    to: &'a Dir,
    header: StoreHeader,
    options: &'a LocalOptions,
}

impl Repair<'_> {
    /// Page cache for each of the two open B-trees, in bytes: half of a store's page cache.
    fn page_bytes(&self) -> usize {
        self.options.page_bytes() / 2
    }

    /// Copies the B-tree file of the corrupt store, and opens the copy and the journal.
    fn source(&self) -> Result<Source, OpenError> {
        let (from, to) = (self.from, self.to);
        let scratch = to.disk().create(&to.repair_copy_path());
        drop(scratch.map_err(|error| to.open_error(error))?);
        copy(from, to, &to.repair_copy_path(), None).map_err(|error| to.open_error(error))?;
        let opened = Source::open(from, to, self.header.identity, self.page_bytes());
        opened.map_err(|error| from.open_error(error))
    }

    fn run(&self, source: Source, lock: Lock) -> Result<RepairReport, OpenError> {
        let made = self.make(source);
        let (report, base, successor) = made.map_err(|error| self.to.open_error(error))?;
        successor.establish(self.to, self.options, base, lock)?;
        Ok(report)
    }

    fn make(&self, source: Source) -> Result<(RepairReport, BTree, Successor), StorageError> {
        let (to, mut done) = (self.to, 0_u64);
        // `total` is for the progress only: a corrupt store may claim any number of events.
        let total = source.last_seq.saturating_mul(PASSES);
        let mut on_event = || {
            done = done.saturating_add(1);
            if let Some(progress) = &self.options.progress {
                progress.report(done, total.max(done));
            }
        };
        let salvaged = SalvagePlan::of(&source, &mut on_event)?;
        let disk = &**to.disk();
        let base = BTree::create(disk, &to.btree_path(), self.page_bytes(), Vec::new())?;
        let layout = KeyEncoder::new(self.header.hash_key);
        let mut build = RepairWriter::new(&source, &salvaged, &base, layout);
        let state = build.all(&mut on_event)?;
        let (gone, records) = (std::mem::take(&mut build.gone), build.records);
        // Sequence numbers begin at 1, so the subtraction cannot underflow.
        let kept = gone.first().map_or(source.last_seq, |gone| gone - 1);
        // The repaired feed differs from the next event on. So it takes no cursor of an older ancestor,
        // whose last event may be one of those.
        let ancestors = with_ancestor(Vec::new(), self.header, kept);
        let successor = Successor::draw(self.header, state, source.frames.last_lsn, ancestors)?;
        successor.write(&base)?;
        let view = ReadView::of_base(base.snapshot()?, RecordCache::off(), layout);
        let report = RepairReport {
            before: FeedCursor {
                incarnation: self.header.identity.incarnation,
                seq: kept,
            },
            place: successor.place(),
            records,
            lists: lists(&source, &view)?,
            findings: salvaged.findings.into_iter().collect(),
            is_every_record_read: salvaged.is_every_record_read,
            is_state_read: source.state.is_some(),
            events_lost: salvaged.events_lost,
            // `gone` also contains the lost events, which must not count twice.
            events_left_out: u64_of(gone.len()).saturating_sub(salvaged.events_lost),
            journal: source.frames.found,
            verified: verify::verify(&view)?,
        };
        drop((view, source));
        remove(disk, &to.repair_copy_path())?;
        Ok((report, base, successor))
    }
}

/// Number of entries of each index before and after the repair.
fn lists(source: &Source, view: &ReadView) -> Result<Vec<IndexCount>, StorageError> {
    let list = |table: Table| {
        Ok(IndexCount {
            name: table.name(),
            before: source.len(table)?,
            after: view.snapshot.len(table)?,
        })
    };
    Table::INDEXES.into_iter().map(list).collect()
}
