//! Repairs: a sound store out of what a damaged one still says, in a directory of its own.
//!
//! - The damaged store is read and never written: its base is copied first, and the copy is
//!   what is opened. Whatever a repair could not make use of is still there.
//! - Lists, unique keys and counts are made anew from the records. Records and histories
//!   are made of one another where one is lost; nothing else is made of nothing.
//! - What could not be kept is told, number by number where there is a number.
//! - The repaired store is another one to its consumers and in its order numbers, as a
//!   restored one is: what the damaged one did last may be what is lost.

mod build;
mod frames;
mod salvage_record;
mod source;

use std::path::Path;

use self::build::Build;
use self::salvage_record::SalvagedRecord;
use self::source::Source;
use super::contents::{Contents, Making};
use super::header::StoreHeader;
use super::layout::Dir;
use super::restore::{Successor, copy};
use super::verify;
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::btree::BTree;
use crate::engine::local::disk::{Lock, remove};
use crate::engine::local::options::LocalOptions;
use crate::engine::local::read::record_cache::RecordCache;
use crate::engine::local::read::view::ReadView;
use crate::engine::{IndexCount, RepairReport};
use crate::error::{Error, StorageError};
use crate::format::keys::Layout;
use crate::format::tables::Table;

/// Every event is looked at, written, and read again for its record.
const PASSES: u64 = 3;

impl LocalEngine {
    /// Makes a sound store of a damaged one, in a directory that is missing or empty, or in
    /// which the same was interrupted.
    ///
    /// # Errors
    /// What opening the one and making the other can fail with; [`Error::Unopened`] where
    /// the identity is damaged or the base is none at all.
    pub fn repair(
        damaged: impl AsRef<Path>,
        dir: impl AsRef<Path>,
        options: &LocalOptions,
    ) -> Result<RepairReport, Error> {
        let from = Dir::new(&options.disk, damaged.as_ref());
        let passport = match from.survey()? {
            Contents::Store => from.passport()?,
            contents => return Err(from.refusal(contents)),
        };
        let (from, _held) = from.hold(options.lock_wait)?;
        let to = Dir::of(options, dir.as_ref())?;
        let (to, lock) = to.claim(Making::Successor, options.lock_wait)?;
        to.clear(Making::Successor)?;
        let repair = Repair {
            from: &from,
            to: &to,
            passport,
            options,
        };
        let source = repair.source()?;
        repair.run(source, lock)
    }
}

struct Repair<'a> {
    from: &'a Dir,
    to: &'a Dir,
    passport: StoreHeader,
    options: &'a LocalOptions,
}

impl Repair<'_> {
    /// Two bases share what one may have.
    fn page_bytes(&self) -> usize {
        self.options.page_bytes() / 2
    }

    /// The damaged store, read from a copy.
    fn source(&self) -> Result<Source, Error> {
        let (from, to) = (self.from, self.to);
        let scratch = to.disk().create(&to.scratch());
        drop(scratch.map_err(|error| to.unopened(error))?);
        copy(from, to, &to.scratch(), None).map_err(|error| to.unopened(error))?;
        let opened = Source::open(from, to, self.passport.identity, self.page_bytes());
        opened.map_err(|error| from.unopened(error))
    }

    fn run(&self, source: Source, lock: Lock) -> Result<RepairReport, Error> {
        let made = self.make(source);
        let (report, base, successor) = made.map_err(|error| self.to.unopened(error))?;
        successor.establish(self.to, self.options, base, lock)?;
        Ok(report)
    }

    fn make(&self, source: Source) -> Result<(RepairReport, BTree, Successor), StorageError> {
        let (to, mut done) = (self.to, 0_u64);
        let total = source.last_seq.saturating_mul(PASSES);
        let mut tell = || {
            done = done.saturating_add(1);
            if let Some(progress) = self.options.progress {
                progress(done, total.max(done));
            }
        };
        let judged = SalvagedRecord::of(&source, &mut tell)?;
        let disk = &**to.disk();
        let base = BTree::create(disk, &to.base(), self.page_bytes(), Vec::new())?;
        let layout = Layout::new(self.passport.hash_key);
        let mut build = Build::new(&source, &judged, &base, layout);
        let state = build.all(&mut tell)?;
        let (gone, records) = (std::mem::take(&mut build.gone), build.records);
        let successor = Successor::draw(self.passport, state, source.frames.last_lsn)?;
        successor.write(&base)?;
        let view = ReadView::of_base(base.snapshot()?, RecordCache::off(), layout);
        let kept = gone
            .first()
            .map_or(source.last_seq, |gone| gone.saturating_sub(1));
        let left_out = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        let report = RepairReport {
            before: FeedCursor {
                incarnation: self.passport.identity.incarnation,
                seq: kept,
            },
            place: successor.place(),
            records,
            lists: lists(&source, &view)?,
            findings: judged.findings.into_iter().collect(),
            is_every_record_read: judged.is_every_record_read,
            is_state_read: source.state.is_some(),
            events_lost: judged.events_lost,
            events_left_out: left_out.saturating_sub(judged.events_lost),
            journal: source.frames.found,
            verified: verify::verify(&view)?,
        };
        drop((view, source));
        remove(disk, &to.scratch())?;
        Ok((report, base, successor))
    }
}

/// What the lists held, and hold.
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
