//! Reads the journal of a corrupt store: every valid frame, and the number of lost ones.
//!
//! A frame holds complete values, not differences. A frame after a lost frame is therefore still
//! usable. Frames that the B-tree already holds are skipped.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use foldhash::HashMap;

use crate::contract::StoredRecord;
use crate::engine::local::disk;
use crate::engine::local::journal::frame;
use crate::engine::local::journal::frame::{BOUNDARY, Frame, Kind, Salted, written_len};
use crate::engine::local::journal::segment::{Folder, HEADER_LEN, Header};
use crate::engine::local::write::batch::WriteBatch;
use crate::engine::{Identity, JournalFindings};
use crate::error::StorageError;
use crate::format::codec::State;
use crate::number::u64_of;
use crate::types::OrderNo;

/// Contents of the valid journal frames that are not in the B-tree yet.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) records: HashMap<OrderNo, StoredRecord>,
    /// Bytes of the events, by sequence number.
    pub(super) events: BTreeMap<u64, Vec<u8>>,
    pub(super) state: Option<State>,
    /// Log sequence number (LSN) of the last frame read. Initially the LSN of the last frame that
    /// the B-tree holds.
    pub(super) last_lsn: u64,
    pub(super) found: JournalFindings,
    /// Whether the last frame read is a seal, which announces another segment.
    is_sealed: bool,
}

impl Frames {
    /// Reads all valid frames after the LSN `applied`.
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
            // If the name of the next file has the LSN 0, no frame of this segment is taken.
            let until = successors.next().map(|next| next.saturating_sub(1));
            let bytes = disk::read(&*folder.disk, &folder.segment(*first_lsn), u64::MAX)?;
            is_read |= frames.segment(identity, &bytes, until)?;
        }
        // At least one segment is lost if no segment is readable, or if the last one ends with a
        // seal, because every sealed segment has a successor. The number of lost frames is unknown.
        if frames.is_sealed || !is_read {
            frames.found.segments += 1;
        }
        Ok(frames)
    }

    /// Reads one segment. Returns `false` if its header is invalid or belongs to another store or
    /// incarnation. `until` is the last LSN before the next segment.
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
            self.found.segments += 1;
            return Ok(false);
        };
        if header.is_cut_off(bytes.len()) {
            self.found.cut_off += 1;
        }
        // The header contains the last LSN before this segment. Frames up to that LSN that were not
        // read are lost.
        self.is_sealed = false;
        self.pass(header.before.lsn);
        let salted = Salted::new(&header.salt);
        let mut offset = HEADER_LEN;
        let mut end = offset;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            // After an invalid frame, search for the next valid one. Frames begin at multiples of
            // 64 bytes.
            let Some(frame) = frame::read(&salted, rest) else {
                offset += BOUNDARY;
                continue;
            };
            if until.is_some_and(|until| frame.head.lsn > until) {
                break;
            }
            offset += frame.len;
            end = offset;
            self.take(&frame);
        }
        // In the last segment, the bytes between the last frame and the last nonzero byte are a
        // torn write.
        if until.is_none() {
            let rest = bytes.get(end..).unwrap_or_default();
            self.found.torn_bytes = u64_of(written_len(rest));
        }
        Ok(true)
    }

    /// Advances `last_lsn` to `lsn`. Counts the frames between the two as lost.
    fn pass(&mut self, lsn: u64) {
        if let Some(lost) = lsn.checked_sub(self.last_lsn) {
            self.found.frames_lost += lost;
            self.last_lsn = lsn;
        }
    }

    /// Keeps the values of a frame, unless the B-tree or an earlier frame already has this LSN.
    fn take(&mut self, frame: &Frame<'_>) {
        self.is_sealed = frame.head.kind == Kind::Sealed;
        let lsn = frame.head.lsn;
        if self.is_sealed || lsn <= self.last_lsn {
            return;
        }
        // The LSN is above `last_lsn`, and therefore at least 1.
        self.pass(lsn - 1);
        self.last_lsn = lsn;
        if frame.head.kind == Kind::Writes {
            match WriteBatch::decode(frame.payload) {
                Ok(writes) => self.keep(writes),
                Err(_) => self.found.frames_lost += 1,
            }
        }
    }

    /// Keeps the values of a batch. Later values replace earlier ones.
    fn keep(&mut self, writes: WriteBatch) {
        self.found.frames += 1;
        self.state = writes.state.or(self.state);
        for (seq, span) in (writes.first_seq..).zip(&writes.events) {
            self.events.insert(seq, span.of(&writes.frame).to_vec());
        }
        for (held, _) in writes.records {
            self.records.insert(held.record.no(), held);
        }
    }
}
