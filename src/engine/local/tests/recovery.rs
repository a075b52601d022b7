//! Tests of recovery: torn writes, corruption, missing segments and foreign segments.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::fixture::{TestStore, confirm, copied, create, new, no, options};
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::journal::frame::{self, HEAD_LEN, Kind, Salted};
use crate::engine::local::journal::recovery::{Recovered, Source, recover};
use crate::engine::local::journal::segment::{self, Folder, HEADER_LEN, Header};
use crate::engine::{Engine, Identity, Progress};
use crate::error::{OpenError, StorageError, StorageErrorKind};
use crate::types::OrderNo;

/// Offset, length and kind of a frame in a segment. The length is without padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) len: usize,
    kind: Kind,
}

/// Valid frames at the start of a segment.
pub(super) fn frames(bytes: &[u8]) -> Vec<Place> {
    let header = Header::read(bytes).unwrap();
    let salted = Salted::new(&header.salt);
    let (mut at, mut found) = (HEADER_LEN, Vec::new());
    while let Some(frame) = bytes.get(at..).and_then(|rest| frame::read(&salted, rest)) {
        found.push(Place {
            at,
            len: HEAD_LEN + frame.payload.len(),
            kind: frame.head.kind,
        });
        at += frame.len;
    }
    found
}

fn folder(dir: &Path) -> Folder {
    Folder {
        disk: options().disk,
        path: dir.join("journal"),
    }
}

fn source(dir: &Path, applied: u64) -> Source {
    Source {
        folder: folder(dir),
        applied,
    }
}

pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    let folder = folder(dir);
    let first_lsns = folder.list().unwrap();
    let path = |first| folder.segment(first);
    first_lsns.into_iter().map(path).collect()
}

/// Writes a segment, and pads it with zeros to the length in its header.
pub(super) fn write_segment(path: &Path, bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    let len = Header::read(bytes).map_or(0, |header| usize::try_from(header.len).unwrap());
    whole.resize(len.max(bytes.len()), 0);
    fs::write(path, whole).unwrap();
}

/// Store with three orders, a copy of its directory as after a kill, and the copy's only segment:
/// its path, its bytes up to the end of the third frame, and the positions of the three frames.
pub(super) fn killed() -> (TestStore, TempDir, PathBuf, Vec<u8>, Vec<Place>) {
    let store = TestStore::new();
    (1..=3).for_each(|n| store.run(no(n), create(new())));
    let copy = copied(&store.dir());
    let path = segments(copy.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let mut places = frames(&bytes);
    places.retain(|place| place.kind == Kind::Writes);
    assert_eq!(places.len(), 3);
    bytes.truncate(places[2].at + places[2].len);
    (store, copy, path, bytes, places)
}

/// Recovers the journal of a copied store, from the first frame of the journal on.
fn read_back(store: &TestStore, copy: &TempDir) -> Result<Recovered, StorageError> {
    let identity = store.engine.identity();
    recover(vec![source(copy.path(), 0)], identity, None).map_err(|error| error.cause)
}

fn holds(recovered: &Recovered, no: &OrderNo) -> bool {
    recovered.memtable.record(no).is_some()
}

/// Text of the cause of a corruption error.
fn words(error: &StorageError) -> String {
    assert_eq!(error.kind(), StorageErrorKind::Corrupted);
    std::error::Error::source(error).unwrap().to_string()
}

pub(super) fn why(error: &OpenError) -> String {
    let OpenError::Unopened { source, .. } = error else {
        panic!("{error:?}");
    };
    words(source)
}

#[test]
fn torn_last_frame_is_dropped_and_counted() {
    let (store, copy, path, bytes, places) = killed();
    let last = places[2];
    for cut in 0..=last.len {
        let end = last.at + cut;
        let mut zeroed = bytes[..end].to_vec();
        zeroed.resize(last.at + last.len + 4096, 0);
        let mut garbled = zeroed.clone();
        garbled[end..].fill(0xa5);
        for (torn, is_garbled) in [(zeroed, false), (garbled, true)] {
            write_segment(&path, &torn);
            let recovered = read_back(&store, &copy).unwrap();
            assert!(holds(&recovered, &no(1)) && holds(&recovered, &no(2)));
            let dropped = usize::try_from(recovered.recovery.dropped_bytes).unwrap();
            let written = torn[last.at..].iter().rposition(|byte| *byte != 0);
            if holds(&recovered, &no(3)) {
                assert_eq!(&torn[..last.at + last.len], bytes);
            } else {
                assert!(cut < last.len);
                assert_eq!(dropped, written.map_or(0, |last| last + 1));
                assert_eq!(recovered.recovery.frames, 2);
            }
            assert!(!is_garbled || dropped > 0);
        }
    }
}

#[test]
fn store_accepts_writes_after_torn_frame() {
    let (_store, copy, path, bytes, places) = killed();
    write_segment(&path, &bytes[..places[2].at + 40]);
    let store = TestStore::on_copy(copy).unwrap();
    assert!(store.engine.recovery().dropped_bytes > 0);
    assert!(store.stored(no(2)).is_some() && store.stored(no(3)).is_none());
    store.run(no(3), confirm("T3"));
    let again = TestStore::on_copy(copy_of_opened(&store)).unwrap();
    assert_eq!(again.stored(no(3)), store.stored(no(3)));
    assert_eq!(again.engine.recovery().dropped_bytes, 0);
    again.assert_valid();
}

/// Copies the directory of a store that was opened in a copied directory.
pub(super) fn copy_of_opened(store: &TestStore) -> TempDir {
    copied(store.engine.core.side().dir.path())
}

#[test]
fn corrupt_earlier_frame_error_names_its_offset() {
    let (store, copy, path, bytes, places) = killed();
    for place in &places[..2] {
        for at in place.at..place.at + place.len {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            write_segment(&path, &damaged);
            let error = read_back(&store, &copy).err().unwrap();
            let expected = format!("segment 1 of the journal, byte {}: no valid", place.at);
            assert!(words(&error).starts_with(&expected), "{}", words(&error));
        }
    }
}

#[test]
fn recovery_rejects_corrupt_segment_header() {
    let (store, copy, path, bytes, _) = killed();
    for at in 0..84 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        write_segment(&path, &damaged);
        assert!(read_back(&store, &copy).is_err(), "{at}");
    }
}

/// Store with several segments and no checkpoint, and a copy of its directory.
fn long() -> (TestStore, TempDir) {
    let mut options = options();
    options.segment_bytes = 8192;
    let store = TestStore::with(&options);
    (0..60).for_each(|n| store.run(no(n), create(new())));
    let copy = copied(&store.dir());
    assert!(segments(copy.path()).len() > 3);
    (store, copy)
}

#[test]
fn recovery_replays_several_segments() {
    let (store, copy) = long();
    let opened = TestStore::on_copy(copy).unwrap();
    for n in 0..60 {
        assert_eq!(opened.stored(no(n)), store.stored(no(n)));
    }
    assert!(opened.engine.recovery().frames >= 60);
    opened.assert_valid();
}

#[test]
fn recovery_rejects_missing_segment() {
    let (_store, copy) = long();
    let all = segments(copy.path());
    for path in &all {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
        let message = why(&error);
        assert!(
            message.contains("no segment of the journal holds"),
            "{message}"
        );
        fs::write(path, bytes).unwrap();
    }
    let moved = copy.path().join("elsewhere");
    fs::rename(copy.path().join("journal"), &moved).unwrap();
    let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
    assert_eq!(why(&error), "no segment of the journal holds frame 1");
    fs::create_dir(copy.path().join("journal")).unwrap();
    LocalEngine::open(copy.path(), &options()).unwrap_err();
    fs::remove_dir(copy.path().join("journal")).unwrap();
    fs::rename(moved, copy.path().join("journal")).unwrap();
    LocalEngine::open(copy.path(), &options()).unwrap();
}

#[test]
fn recovery_rejects_corrupt_frame_before_last_segment() {
    let (_store, copy) = long();
    let path = &segments(copy.path())[1];
    let bytes = fs::read(path).unwrap();
    let places = frames(&bytes);
    let last = places.iter().rfind(|p| p.kind != Kind::Sealed).unwrap();
    let mut damaged = bytes.clone();
    damaged[last.at + 40] ^= 1;
    fs::write(path, damaged).unwrap();
    let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
    assert!(why(&error).contains(&format!("byte {}", last.at)));
    // In a segment with a successor, recovery ignores all bytes after the last frame, including the
    // seal.
    let mut damaged = bytes;
    let seal = places.iter().find(|p| p.kind == Kind::Sealed).unwrap();
    damaged[seal.at..].fill(0x5a);
    fs::write(path, damaged).unwrap();
    TestStore::on_copy(copy).unwrap().assert_valid();
}

#[test]
fn recovery_ignores_segment_older_than_checkpoint() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    let path = segments(&store.dir()).pop().unwrap();
    let stale = fs::read(&path).unwrap();
    store.engine.checkpoint().unwrap();
    assert!(!path.exists());
    store.run(no(1), confirm("T1"));
    store.run(no(2), create(new()));
    let expected = (store.stored(no(1)), store.stored(no(2)));
    let copy = copied(&store.dir());
    let old = copy.path().join("journal").join(path.file_name().unwrap());
    fs::write(&old, &stale).unwrap();
    let opened = TestStore::on_copy(copy).unwrap();
    assert_eq!((opened.stored(no(1)), opened.stored(no(2))), expected);
    assert_eq!(opened.engine.recovery().frames, 2);
    assert!(!old.exists());
    opened.assert_valid();
    for name in [5, 900] {
        let copy = copied(&store.dir());
        let path = segment::path(&copy.path().join("journal"), name);
        fs::write(path, &stale).unwrap();
        LocalEngine::open(copy.path(), &options()).unwrap_err();
    }
}

#[test]
fn frame_of_another_segment_counts_as_torn_write() {
    let (store, copy, path, bytes, places) = killed();
    store.engine.checkpoint().unwrap();
    store.run(no(4), create(new()));
    let other = fs::read(segments(&store.dir()).pop().unwrap()).unwrap();
    let stale = frames(&other)[0];
    let mut mixed = bytes[..places[2].at].to_vec();
    mixed.extend_from_slice(&other[stale.at..stale.at + stale.len]);
    write_segment(&path, &mixed);
    let recovered = read_back(&store, &copy).unwrap();
    assert!(!holds(&recovered, &no(4)) && holds(&recovered, &no(2)));
    assert!(recovered.recovery.dropped_bytes > 0);
}

#[test]
fn recovery_rejects_journal_of_another_store() {
    let (_store, copy, path, bytes, _) = killed();
    let other = TestStore::new();
    other.run(no(9), create(new()));
    let foreign = fs::read(segments(&other.dir()).pop().unwrap()).unwrap();
    fs::write(&path, foreign).unwrap();
    let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
    assert!(why(&error).ends_with("segment belongs to another store"));
    write_segment(&path, &bytes);
    LocalEngine::open(copy.path(), &options()).unwrap();
}

#[test]
fn recovery_rejects_journal_of_another_incarnation() {
    let (store, copy, ..) = killed();
    let own = store.engine.identity();
    for (store_id, incarnation) in [
        (own.store_id, own.incarnation ^ 1),
        ([7; 16], own.incarnation),
    ] {
        let identity = Identity {
            store_id,
            incarnation,
            ..own
        };
        let error = recover(vec![source(copy.path(), 0)], identity, None)
            .err()
            .unwrap();
        assert!(words(&error.cause).ends_with("segment belongs to another store"));
    }
    read_back(&store, &copy).unwrap();
}

#[test]
fn recovery_progress_reaches_journal_size() {
    let (store, copy) = long();
    let identity = store.engine.identity();
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    let all: u64 = segments(copy.path()).into_iter().map(size).sum();
    let (keep, kept) = std::sync::mpsc::channel();
    let keep = Progress::new(move |done, total| keep.send((done, total)).unwrap());
    recover(vec![source(copy.path(), 0)], identity, Some(&keep)).unwrap();
    drop(keep);
    let kept: Vec<(u64, u64)> = kept.iter().collect();
    assert!(kept.is_sorted_by(|before, after| before.0 < after.0));
    assert_eq!(kept.last(), Some(&(all, all)));
}

#[test]
fn repeated_recovery_gives_same_state() {
    let (_store, copy) = long();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let again = copied(copy.path());
        let store = TestStore::on_copy(again).unwrap();
        let records: Vec<_> = (0..60).map(|n| store.stored(no(n))).collect();
        let feed = store.engine.events(FeedCursor::START, 999).unwrap();
        seen.push((records, feed, store.engine.counts().unwrap()));
        // Simulate a second kill, after the recovery and before a checkpoint.
        let killed_again = copy_of_opened(&store);
        let store = TestStore::on_copy(killed_again).unwrap();
        let feed = store.engine.events(FeedCursor::START, 999).unwrap();
        assert_eq!(feed, seen[0].1);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn idle_and_closed_store_append_marker_frames() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let last = |dir: &Path| {
        let bytes = fs::read(segments(dir).pop().unwrap()).unwrap();
        frames(&bytes).pop().map(|place| place.kind)
    };
    assert_eq!(last(&store.dir()), Some(Kind::Idle));
    store.engine.close().unwrap();
    assert_eq!(last(&store.dir()), Some(Kind::Closed));
    let engine = LocalEngine::open(store.dir(), &options()).unwrap();
    let recovery = engine.recovery();
    assert!(recovery.was_closed && recovery.dropped_bytes == 0);
    assert_eq!((recovery.frames, recovery.last_lsn), (1, 3));
}

#[test]
fn repeated_opens_accumulate_no_segments() {
    let store = TestStore::new();
    store.run(no(1), create(new()));
    store.engine.close().unwrap();
    for _ in 0..50 {
        let engine = LocalEngine::open(store.dir(), &options()).unwrap();
        assert!(engine.get(&no(1)).unwrap().is_some());
    }
    assert!(segments(&store.dir()).len() < 40);
}

#[test]
fn recovery_skips_checkpointed_frames_but_requires_last_one() {
    let (store, copy, ..) = killed();
    let identity = store.engine.identity();
    let read = |applied| recover(vec![source(copy.path(), applied)], identity, None);
    let recovered = read(2).unwrap();
    assert_eq!(recovered.recovery.frames, 1);
    assert!(holds(&recovered, &no(3)) && !holds(&recovered, &no(2)));
    let last_lsn = recovered.recovery.last_lsn;
    let message = words(&read(last_lsn + 1).err().unwrap().cause);
    let expected = format!("no segment of the journal holds frame {}", last_lsn + 1);
    assert_eq!(message, expected);
}

#[test]
fn recovery_rejects_frame_out_of_sequence() {
    let (store, copy, path, bytes, places) = killed();
    let salted = Salted::new(&Header::read(&bytes).unwrap().salt);
    let third = places[2];
    let sound = frame::read(&salted, &bytes[third.at..]).unwrap().head;
    let (mut early, mut chained) = (sound, sound);
    early.lsn += 1;
    chained.previous ^= 1;
    for (head, is_sound) in [(sound, true), (early, false), (chained, false)] {
        let mut buffer = bytes[third.at..].to_vec();
        frame::finish(&salted, head, &mut buffer).unwrap();
        let mut forged = bytes[..third.at].to_vec();
        forged.extend_from_slice(&buffer);
        write_segment(&path, &forged);
        match read_back(&store, &copy) {
            Ok(recovered) => assert!(is_sound && holds(&recovered, &no(3))),
            Err(error) => {
                assert!(!is_sound);
                assert!(words(&error).contains("frame is out of sequence"));
            }
        }
        write_segment(&path, &bytes);
    }
}
