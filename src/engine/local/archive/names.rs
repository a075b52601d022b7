//! Names of the objects of an archive.
//!
//! | name | contents |
//! |---|---|
//! | `store` | identity of the store |
//! | `epoch/<epoch>/claim` | the writer that claimed the epoch |
//! | `epoch/<epoch>/start` | what the epoch follows |
//! | `wal/<epoch>/<first lsn>` | frames of the journal, as they were shipped |
//! | `merged/<epoch>/<last lsn>-<first lsn>` | frames of several shipments |
//! | `snapshot/<epoch>/<lsn>/<chunk>` | rows of the B-tree |
//! | `snapshot/<epoch>/<lsn>/manifest` | the snapshot; written last |
//!
//! Numbers have 20 digits, so that names sort like their numbers.

pub(super) const EPOCHS: &str = "epoch/";
pub(super) const FRAMES: &str = "wal/";
pub(super) const MERGED: &str = "merged/";
pub(super) const SNAPSHOTS: &str = "snapshot/";
pub(super) const MANIFEST: &str = "manifest";

pub(super) fn claim(epoch: u64) -> String {
    format!("{EPOCHS}{epoch:020}/claim")
}

pub(super) fn start(epoch: u64) -> String {
    format!("{EPOCHS}{epoch:020}/start")
}

pub(super) fn frames_of(epoch: u64) -> String {
    format!("{FRAMES}{epoch:020}/")
}

pub(super) fn frames(epoch: u64, first_lsn: u64) -> String {
    format!("{FRAMES}{epoch:020}/{first_lsn:020}")
}

pub(super) fn merged_of(epoch: u64) -> String {
    format!("{MERGED}{epoch:020}/")
}

/// Name that sorts before those of all merged objects with this LSN or later ones.
pub(super) fn merged_from(epoch: u64, lsn: u64) -> String {
    format!("{MERGED}{epoch:020}/{lsn:020}")
}

/// The last LSN comes first, so that a list from the LSN of a frame on begins with its objects.
pub(super) fn merged(epoch: u64, first_lsn: u64, last_lsn: u64) -> String {
    format!("{}-{first_lsn:020}", merged_from(epoch, last_lsn))
}

pub(super) fn snapshots_of(epoch: u64) -> String {
    format!("{SNAPSHOTS}{epoch:020}/")
}

pub(super) fn snapshot(epoch: u64, lsn: u64) -> String {
    format!("{SNAPSHOTS}{epoch:020}/{lsn:020}/")
}

pub(super) fn manifest(epoch: u64, lsn: u64) -> String {
    format!("{}{MANIFEST}", snapshot(epoch, lsn))
}

pub(super) fn chunk(epoch: u64, lsn: u64, chunk: usize) -> String {
    format!("{}{chunk:020}", snapshot(epoch, lsn))
}

/// Epoch and first LSN of a shipment.
pub(super) fn shipment_of(name: &str) -> Option<(u64, u64)> {
    match *numbers(name) {
        [epoch, first_lsn] => Some((epoch, first_lsn)),
        _ => None,
    }
}

/// Epoch, first and last LSN of a merged object.
pub(super) fn merged_object_of(name: &str) -> Option<(u64, u64, u64)> {
    match *numbers(name) {
        [epoch, last_lsn, first_lsn] => Some((epoch, first_lsn, last_lsn)),
        _ => None,
    }
}

/// Numbers in a name, from left to right.
pub(super) fn numbers(name: &str) -> Vec<u64> {
    name.split(['/', '-'])
        .filter_map(|part| part.parse().ok())
        .collect()
}
