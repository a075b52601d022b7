//! What the journal of a damaged store still holds: every frame that is whole, wherever it
//! stands, and how many there should be besides.
//!
//! A frame holds values, not steps: one that follows on a lost one is worth as much as
//! before. Frames that the base holds are passed over.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use foldhash::HashMap;

use crate::engine::local::disk;
use crate::engine::local::journal::frame;
use crate::engine::local::journal::frame::{BOUNDARY, Frame, Kind, Salted};
use crate::engine::local::journal::segment::{Folder, HEADER_LEN, Header};
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{Identity, JournalFindings};
use crate::error::StorageError;
use crate::format::codec::{Held, State};
use crate::types::OrderNo;

/// What was written behind the base.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) records: HashMap<OrderNo, Held>,
    /// By sequence.
    pub(super) events: BTreeMap<u64, Vec<u8>>,
    pub(super) state: Option<State>,
    /// The last lsn that was read; that of the base where there is none behind it.
    pub(super) last_lsn: u64,
    pub(super) found: JournalFindings,
    /// The last frame seals a segment whose successor is still to come.
    is_sealed: bool,
}

impl Frames {
    /// Reads all that can be read behind `applied`.
    pub(super) fn read(
        folder: &Folder,
        identity: Identity,
        applied: u64,
    ) -> Result<Self, StorageError> {
        let mut frames = Self {
            last_lsn: applied,
            ..Self::default()
        };
        let first_lsns = match folder.list() {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed?,
        };
        let mut successors = first_lsns.iter().skip(1);
        let mut is_read = false;
        for first_lsn in &first_lsns {
            let until = successors.next().map(|next| next.saturating_sub(1));
            let bytes = disk::read(&*folder.disk, &folder.segment(*first_lsn), u64::MAX)?;
            is_read |= frames.segment(identity, &bytes, until)?;
        }
        // A segment that nobody can read, or that is not there, may have held anything.
        if frames.is_sealed || !is_read {
            frames.found.segments = frames.found.segments.saturating_add(1);
        }
        Ok(frames)
    }

    /// Reads one segment; whether it is one.
    fn segment(
        &mut self,
        identity: Identity,
        bytes: &[u8],
        until: Option<u64>,
    ) -> Result<bool, StorageError> {
        let header = Header::read(bytes).ok().filter(|header| {
            header.store_id == identity.store_id && header.incarnation == identity.incarnation
        });
        let Some(header) = header else {
            self.found.segments = self.found.segments.saturating_add(1);
            return Ok(false);
        };
        if header.is_cut_off(bytes.len()) {
            self.found.cut_off = self.found.cut_off.saturating_add(1);
        }
        self.is_sealed = false;
        self.pass(header.before.lsn);
        let salted = Salted::new(&header.salt);
        let mut offset = usize::try_from(HEADER_LEN).unwrap_or(usize::MAX);
        let mut end = offset;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let Some(frame) = frame::read(&salted, rest) else {
                offset = offset.saturating_add(BOUNDARY);
                continue;
            };
            if until.is_some_and(|until| frame.head.lsn > until) {
                break;
            }
            offset = offset.saturating_add(frame.len);
            end = offset;
            self.take(&frame);
        }
        if until.is_none() {
            let rest = bytes.get(end..).unwrap_or_default();
            let written = rest.iter().rposition(|byte| *byte != 0);
            let torn = written.map_or(0, |last| last.saturating_add(1));
            self.found.torn_bytes = u64::try_from(torn).unwrap_or(u64::MAX);
        }
        Ok(true)
    }

    /// Whatever was not read up to `lsn` is lost.
    fn pass(&mut self, lsn: u64) {
        let lost = lsn.saturating_sub(self.last_lsn);
        self.found.frames_lost = self.found.frames_lost.saturating_add(lost);
        self.last_lsn = self.last_lsn.max(lsn);
    }

    fn take(&mut self, frame: &Frame<'_>) {
        self.is_sealed = frame.head.kind == Kind::Sealed;
        let lsn = frame.head.lsn;
        if self.is_sealed || lsn <= self.last_lsn {
            return;
        }
        self.pass(lsn.saturating_sub(1));
        self.last_lsn = lsn;
        if frame.head.kind == Kind::Writes {
            match WriteBatch::decode(frame.payload) {
                Ok(writes) => self.keep(writes),
                Err(_) => self.found.frames_lost = self.found.frames_lost.saturating_add(1),
            }
        }
    }

    fn keep(&mut self, writes: WriteBatch) {
        self.found.frames = self.found.frames.saturating_add(1);
        self.state = writes.state.or(self.state);
        for (seq, span) in (writes.first_seq..).zip(&writes.events) {
            self.events.insert(seq, span.of(&writes.frame).to_vec());
        }
        for (held, _) in writes.records {
            self.records.insert(held.stored.record.no(), held);
        }
    }
}
