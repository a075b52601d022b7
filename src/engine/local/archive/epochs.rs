//! Epochs of an archive. Each writer of an archive has an epoch of its own. The frames of an old writer
//! then do not count after those of a new one.
//!
//! 1. A writer claims epoch `n + 1`: it writes `epoch/<n + 1>/claim`, if that is absent.
//! 2. It reads the epoch before to its end, and writes `epoch/<n + 1>/start`, if that is absent. The
//!    start names the last frame of the epoch before. Later frames there do not count, whenever
//!    they arrive.
//! 3. The old writer counts a shipment as archived only if the next epoch is unclaimed **after** the
//!    shipment. So it counts no frame that the new writer may not have read.
//!
//! A claim without a start is unfinished. The next writer voids it: it writes the start itself.

use super::fields::{Fields, put_end};
use super::names;
use super::wal::WalReader;
use crate::archive::{ArchiveFault, Objects, corrupt};
use crate::engine::local::admin::archive_state::Token;
use crate::engine::local::journal::segment::End;
use crate::error::StorageError;

/// How an epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) kind: StartKind,
    /// Epoch before it that has frames; 0 if there is none.
    pub(super) parent: u64,
    /// Last frame of the parent that counts.
    pub(super) parent_end: End,
    /// Frame before the first one of this epoch.
    pub(super) before: End,
    /// Incarnation of the store. A promoted standby continues its parent in another incarnation.
    pub(super) incarnation: u64,
    /// Last event before the epoch, and the first order number that may be issued, if the epoch
    /// continues another incarnation.
    pub(super) last_seq: u64,
    pub(super) counter: u64,
    /// Time in milliseconds for which the store serves without the archive; 0 if it always serves.
    pub(super) lease: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartKind {
    /// The epoch never began.
    Void = 0,
    /// The frames of the parent and those of this epoch form one sequence.
    Continues = 1,
    /// The frames of this epoch need a snapshot of this epoch or of a later one: frames before them
    /// are missing, or the store was restored.
    Begins = 2,
}

impl Start {
    pub(super) fn void() -> Self {
        let none = End::default();
        Self {
            kind: StartKind::Void,
            parent: 0,
            parent_end: none,
            before: none,
            incarnation: 0,
            last_seq: 0,
            counter: 0,
            lease: 0,
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![self.kind as u8];
        out.extend_from_slice(&self.parent.to_le_bytes());
        put_end(&mut out, self.parent_end);
        put_end(&mut out, self.before);
        for number in [self.incarnation, self.last_seq, self.counter, self.lease] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Self, StorageError> {
        let mut fields = Fields::of(name, bytes);
        Ok(Self {
            kind: match fields.u8()? {
                0 => StartKind::Void,
                1 => StartKind::Continues,
                2 => StartKind::Begins,
                _ => return Err(corrupt(name, "it has an unknown kind")),
            },
            parent: fields.u64()?,
            parent_end: fields.end()?,
            before: fields.end()?,
            incarnation: fields.u64()?,
            last_seq: fields.u64()?,
            counter: fields.u64()?,
            lease: fields.u64()?,
        })
    }
}

/// An epoch with frames that count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    pub(super) number: u64,
    pub(super) start: Start,
    /// Last frame that counts; `None` in the newest epoch.
    pub(super) end: Option<End>,
}

/// Epochs whose frames form one sequence, oldest first.
pub(super) type Run = [Epoch];

/// Splits all epochs into runs.
pub(super) fn runs(epochs: &[Epoch]) -> impl DoubleEndedIterator<Item = &Run> {
    epochs.chunk_by(|_, next| next.start.kind == StartKind::Continues)
}

/// Run that a snapshot belongs to; `None` if the snapshot does not count.
pub(super) fn run_of(epochs: &[Epoch], epoch: u64, lsn: u64) -> Option<&Run> {
    let is_own = |own: &&Epoch| own.number == epoch;
    let counts = |run: &&Run| {
        let own = run.iter().find(is_own);
        let is_held = own.is_some_and(|own| own.end.is_none_or(|end| lsn <= end.lsn));
        is_held
            && run
                .first()
                .is_some_and(|first| lsn >= first.start.before.lsn)
    };
    runs(epochs).find(counts)
}

/// Newest claimed epoch; 0 if none is.
pub(super) fn newest(objects: &Objects) -> Result<u64, StorageError> {
    let listed = objects.list(names::EPOCHS)?;
    let listed = listed
        .iter()
        .filter_map(|object| names::numbers(&object.name).first().copied());
    let mut newest = listed.max().unwrap_or(0);
    // A list may miss a new object. Only a read shows that there is none.
    while is_claimed(objects, newest + 1)? {
        newest += 1;
    }
    Ok(newest)
}

pub(super) fn is_claimed(objects: &Objects, epoch: u64) -> Result<bool, StorageError> {
    Ok(objects.get(&names::claim(epoch))?.is_some())
}

/// Token with which an epoch was claimed; `None` if it is unclaimed.
pub(super) fn owner(objects: &Objects, epoch: u64) -> Result<Option<Token>, StorageError> {
    let name = names::claim(epoch);
    let found = objects.get(&name)?;
    found
        .map(|bytes| Fields::of(&name, &bytes).bytes())
        .transpose()
}

/// Claims an epoch. Returns `false` if another writer has claimed it.
pub(super) fn claim(objects: &Objects, epoch: u64, token: Token) -> Result<bool, StorageError> {
    objects.put_if_absent(&names::claim(epoch), &token)
}

/// Begins a claimed epoch. Returns `false` if another writer has voided it.
pub(super) fn begin(objects: &Objects, epoch: u64, start: Start) -> Result<bool, StorageError> {
    objects.put_if_absent(&names::start(epoch), &start.to_bytes())
}

pub(super) fn start_of(objects: &Objects, epoch: u64) -> Result<Option<Start>, StorageError> {
    let name = names::start(epoch);
    let found = objects.get(&name)?;
    found.map(|bytes| Start::read(&name, &bytes)).transpose()
}

/// Newest epoch up to `newest` that has begun.
pub(super) fn last_begun(
    objects: &Objects,
    newest: u64,
) -> Result<Option<(u64, Start)>, StorageError> {
    for epoch in (1..=newest).rev() {
        if let Some(start) = start_of(objects, epoch)?.filter(|start| start.kind != StartKind::Void)
        {
            return Ok(Some((epoch, start)));
        }
    }
    Ok(None)
}

/// Voids the unfinished epochs up to `newest`.
pub(super) fn void_unfinished(objects: &Objects, newest: u64) -> Result<(), StorageError> {
    for epoch in (1..=newest).rev() {
        let is_void = begin(objects, epoch, Start::void())?;
        if !is_void {
            break;
        }
    }
    Ok(())
}

/// Last frame of an epoch, as far as it has been shipped.
///
/// The frames up to `from`, that of the newest snapshot, are known to be there.
pub(super) fn end_of(
    objects: &Objects,
    epoch: u64,
    start: Start,
    from: u64,
) -> Result<End, StorageError> {
    let mut reader = WalReader::at_listed_end(objects, epoch, start.before, from)?;
    if objects.archive.has_fault(ArchiveFault::TrustList) {
        return Ok(reader.end());
    }
    while reader.next()?.is_some() {}
    Ok(reader.end())
}

/// Epochs with frames that count, oldest first. Begins with the oldest one that pruning has left.
pub(super) fn chain(objects: &Objects) -> Result<Vec<Epoch>, StorageError> {
    let mut epochs = Vec::new();
    let mut next = last_begun(objects, newest(objects)?)?;
    // Until the writer of a newer epoch has named its parent, the newest begun epoch counts.
    let mut end = None;
    while let Some((number, start)) = next {
        epochs.push(Epoch { number, start, end });
        end = Some(start.parent_end);
        let parent = start_of(objects, start.parent)?;
        next = parent.map(|parent| (start.parent, parent));
    }
    epochs.reverse();
    Ok(epochs)
}
