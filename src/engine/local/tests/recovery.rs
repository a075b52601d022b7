//! The journal read back: tears, damage, what is missing and what does not belong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::fixture::{Shop, confirm, copied, create, new, no, options};
use crate::contract::FeedCursor;
use crate::engine::local::LocalEngine;
use crate::engine::local::journal::frame::{self, HEAD_LEN, Kind, Salted};
use crate::engine::local::journal::recovery::{Recovered, recover};
use crate::engine::local::journal::segment::{self, Folder, HEADER_LEN, Header};
use crate::engine::{Engine, Identity};
use crate::error::{Error, StorageError, StorageErrorKind};
use crate::types::OrderNo;

/// A frame of a segment: where it is, how long without its zeros, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) len: usize,
    kind: Kind,
}

/// The frames of a segment, as far as they are whole.
pub(super) fn frames(bytes: &[u8]) -> Vec<Place> {
    let header = Header::read(bytes).unwrap();
    let salted = Salted::new(&header.salt);
    let (mut at, mut found) = (usize::try_from(HEADER_LEN).unwrap(), Vec::new());
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

pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    let folder = folder(dir);
    let first_lsns = folder.list().unwrap();
    let path = |first| folder.segment(first);
    first_lsns.into_iter().map(path).collect()
}

/// Writes a segment that ends with these bytes, and is as long as it was made.
pub(super) fn write_segment(path: &Path, bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    let len = Header::read(bytes).map_or(0, |header| usize::try_from(header.len).unwrap());
    whole.resize(len.max(bytes.len()), 0);
    fs::write(path, whole).unwrap();
}

/// The journal of a shop that was killed after three orders: its bytes end with the third.
pub(super) fn killed() -> (Shop, TempDir, PathBuf, Vec<u8>, Vec<Place>) {
    let shop = Shop::new();
    (1..=3).for_each(|n| shop.run(no(n), create(new())));
    let copy = copied(&shop.dir());
    let path = segments(copy.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let mut places = frames(&bytes);
    places.retain(|place| place.kind == Kind::Writes);
    assert_eq!(places.len(), 3);
    bytes.truncate(places[2].at + places[2].len);
    (shop, copy, path, bytes, places)
}

fn read_back(shop: &Shop, copy: &TempDir) -> Result<Recovered, StorageError> {
    let identity = shop.engine.identity();
    recover(folder(copy.path()), identity, 0, None)
}

fn holds(recovered: &Recovered, no: &OrderNo) -> bool {
    recovered.memtable.record(no).is_some()
}

fn words(error: &StorageError) -> String {
    assert_eq!(error.kind(), StorageErrorKind::Corrupted);
    std::error::Error::source(error).unwrap().to_string()
}

pub(super) fn why(error: &Error) -> String {
    let Error::Unopened { source, .. } = error else {
        panic!("{error:?}");
    };
    words(source)
}

#[test]
fn a_last_frame_that_was_torn_anywhere_is_dropped_and_told() {
    let (shop, copy, path, bytes, places) = killed();
    let last = places[2];
    for cut in 0..=last.len {
        let end = last.at + cut;
        let mut zeroed = bytes[..end].to_vec();
        zeroed.resize(last.at + last.len + 4096, 0);
        let mut garbled = zeroed.clone();
        garbled[end..].fill(0xa5);
        for (torn, is_garbled) in [(zeroed, false), (garbled, true)] {
            write_segment(&path, &torn);
            let recovered = read_back(&shop, &copy).unwrap();
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
fn a_store_goes_on_behind_a_torn_frame() {
    let (_shop, copy, path, bytes, places) = killed();
    write_segment(&path, &bytes[..places[2].at + 40]);
    let shop = Shop::on_copy(copy).unwrap();
    assert!(shop.engine.recovery().dropped_bytes > 0);
    assert!(shop.stored(no(2)).is_some() && shop.stored(no(3)).is_none());
    shop.run(no(3), confirm("T3"));
    let again = Shop::on_copy(copied_top(&shop)).unwrap();
    assert_eq!(again.stored(no(3)), shop.stored(no(3)));
    assert_eq!(again.engine.recovery().dropped_bytes, 0);
    again.assert_sound();
}

/// A copy of the directory of a shop that runs on a copy itself.
pub(super) fn copied_top(shop: &Shop) -> TempDir {
    copied(shop.engine.core.dir.path())
}

#[test]
fn a_flipped_byte_in_an_earlier_frame_is_refused_and_its_place_is_named() {
    let (shop, copy, path, bytes, places) = killed();
    for place in &places[..2] {
        for at in place.at..place.at + place.len {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            write_segment(&path, &damaged);
            let error = read_back(&shop, &copy).err().unwrap();
            let expected = format!("segment 1 of the journal, byte {}: no frame", place.at);
            assert!(words(&error).starts_with(&expected), "{}", words(&error));
        }
    }
}

#[test]
fn a_damaged_header_is_refused() {
    let (shop, copy, path, bytes, _) = killed();
    for at in 0..84 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        write_segment(&path, &damaged);
        assert!(read_back(&shop, &copy).is_err(), "{at}");
    }
}

/// A directory with several segments, none of which is flushed.
fn long() -> (Shop, TempDir) {
    let mut options = options();
    options.segment_bytes = 8192;
    let shop = Shop::with(&options);
    (0..60).for_each(|n| shop.run(no(n), create(new())));
    let copy = copied(&shop.dir());
    assert!(segments(copy.path()).len() > 3);
    (shop, copy)
}

#[test]
fn several_segments_are_read_as_one_journal() {
    let (shop, copy) = long();
    let opened = Shop::on_copy(copy).unwrap();
    for n in 0..60 {
        assert_eq!(opened.stored(no(n)), shop.stored(no(n)));
    }
    assert!(opened.engine.recovery().frames >= 60);
    opened.assert_sound();
}

#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    let (_shop, copy) = long();
    let all = segments(copy.path());
    for path in &all {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
        let said = why(&error);
        assert!(said.contains("no segment of the journal holds"), "{said}");
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
fn damage_in_a_segment_with_a_successor_is_no_tear() {
    let (_shop, copy) = long();
    let path = &segments(copy.path())[1];
    let bytes = fs::read(path).unwrap();
    let places = frames(&bytes);
    let last = places.iter().rfind(|p| p.kind != Kind::Sealed).unwrap();
    let mut damaged = bytes.clone();
    damaged[last.at + 40] ^= 1;
    fs::write(path, damaged).unwrap();
    let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
    assert!(why(&error).contains(&format!("byte {}", last.at)));
    // What lies behind the end that the successor names does not count, the seal included.
    let mut damaged = bytes;
    let seal = places.iter().find(|p| p.kind == Kind::Sealed).unwrap();
    damaged[seal.at..].fill(0x5a);
    fs::write(path, damaged).unwrap();
    Shop::on_copy(copy).unwrap().assert_sound();
}

#[test]
fn a_stale_segment_that_was_brought_back_is_not_replayed() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let path = segments(&shop.dir()).pop().unwrap();
    let stale = fs::read(&path).unwrap();
    shop.engine.flush().unwrap();
    assert!(!path.exists());
    shop.run(no(1), confirm("T1"));
    shop.run(no(2), create(new()));
    let expected = (shop.stored(no(1)), shop.stored(no(2)));
    let copy = copied(&shop.dir());
    let old = copy.path().join("journal").join(path.file_name().unwrap());
    fs::write(&old, &stale).unwrap();
    let opened = Shop::on_copy(copy).unwrap();
    assert_eq!((opened.stored(no(1)), opened.stored(no(2))), expected);
    assert_eq!(opened.engine.recovery().frames, 2);
    assert!(!old.exists());
    opened.assert_sound();
    for name in [5, 900] {
        let copy = copied(&shop.dir());
        let path = segment::path(&copy.path().join("journal"), name);
        fs::write(path, &stale).unwrap();
        LocalEngine::open(copy.path(), &options()).unwrap_err();
    }
}

#[test]
fn frames_of_another_segment_are_a_tear_and_nothing_more() {
    let (shop, copy, path, bytes, places) = killed();
    shop.engine.flush().unwrap();
    shop.run(no(4), create(new()));
    let other = fs::read(segments(&shop.dir()).pop().unwrap()).unwrap();
    let stale = frames(&other)[0];
    let mut mixed = bytes[..places[2].at].to_vec();
    mixed.extend_from_slice(&other[stale.at..stale.at + stale.len]);
    write_segment(&path, &mixed);
    let recovered = read_back(&shop, &copy).unwrap();
    assert!(!holds(&recovered, &no(4)) && holds(&recovered, &no(2)));
    assert!(recovered.recovery.dropped_bytes > 0);
}

#[test]
fn a_journal_of_another_store_is_refused() {
    let (_shop, copy, path, bytes, _) = killed();
    let other = Shop::new();
    other.run(no(9), create(new()));
    let foreign = fs::read(segments(&other.dir()).pop().unwrap()).unwrap();
    fs::write(&path, foreign).unwrap();
    let error = LocalEngine::open(copy.path(), &options()).unwrap_err();
    assert!(why(&error).ends_with("it is of another store"));
    write_segment(&path, &bytes);
    LocalEngine::open(copy.path(), &options()).unwrap();
}

#[test]
fn a_journal_of_this_store_before_it_was_restored_is_another_ones() {
    let (shop, copy, ..) = killed();
    let own = shop.engine.identity();
    for (store_id, incarnation) in [
        (own.store_id, own.incarnation ^ 1),
        ([7; 16], own.incarnation),
    ] {
        let identity = Identity {
            store_id,
            incarnation,
            ..own
        };
        let error = recover(folder(copy.path()), identity, 0, None)
            .err()
            .unwrap();
        assert!(words(&error).ends_with("it is of another store"));
    }
    read_back(&shop, &copy).unwrap();
}

/// What the last recovery with [`keep`] was told.
static TOLD: AtomicU64 = AtomicU64::new(0);

fn keep(done: u64, total: u64) {
    assert!(TOLD.fetch_max(done, Ordering::Relaxed) < done && done <= total);
}

#[test]
fn progress_rises_to_all_bytes_of_the_journal() {
    let (shop, copy) = long();
    let identity = shop.engine.identity();
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    let all: u64 = segments(copy.path()).into_iter().map(size).sum();
    recover(folder(copy.path()), identity, 0, Some(keep)).unwrap();
    assert_eq!(TOLD.load(Ordering::Relaxed), all);
}

#[test]
fn a_journal_read_twice_gives_the_same() {
    let (_shop, copy) = long();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let again = copied(copy.path());
        let shop = Shop::on_copy(again).unwrap();
        let records: Vec<_> = (0..60).map(|n| shop.stored(no(n))).collect();
        let feed = shop.engine.events(FeedCursor::START, 999).unwrap();
        seen.push((records, feed, shop.engine.counts().unwrap()));
        // Killed again, after the recovery and before any flush.
        let killed_again = copied_top(&shop);
        let shop = Shop::on_copy(killed_again).unwrap();
        let feed = shop.engine.events(FeedCursor::START, 999).unwrap();
        assert_eq!(feed, seen[0].1);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn quiet_and_closing_are_marked() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let last = |dir: &Path| {
        let bytes = fs::read(segments(dir).pop().unwrap()).unwrap();
        frames(&bytes).pop().map(|place| place.kind)
    };
    assert_eq!(last(&shop.dir()), Some(Kind::Idle));
    shop.engine.close().unwrap();
    assert_eq!(last(&shop.dir()), Some(Kind::Closed));
    let engine = LocalEngine::open(shop.dir(), &options()).unwrap();
    let recovery = engine.recovery();
    assert!(recovery.was_closed && recovery.dropped_bytes == 0);
    assert_eq!((recovery.frames, recovery.last_lsn), (1, 3));
}

#[test]
fn opening_again_and_again_heaps_up_no_segments() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    shop.engine.close().unwrap();
    for _ in 0..50 {
        let engine = LocalEngine::open(shop.dir(), &options()).unwrap();
        assert!(engine.get(&no(1)).unwrap().is_some());
    }
    assert!(segments(&shop.dir()).len() < 40);
}

#[test]
fn frames_that_the_base_holds_are_not_taken_and_those_that_it_names_must_be_there() {
    let (shop, copy, ..) = killed();
    let identity = shop.engine.identity();
    let read = |applied| recover(folder(copy.path()), identity, applied, None);
    let recovered = read(2).unwrap();
    assert_eq!(recovered.recovery.frames, 1);
    assert!(holds(&recovered, &no(3)) && !holds(&recovered, &no(2)));
    let last_lsn = recovered.recovery.last_lsn;
    let said = words(&read(last_lsn + 1).err().unwrap());
    let expected = format!("no segment of the journal holds frame {}", last_lsn + 1);
    assert_eq!(said, expected);
}

#[test]
fn whole_frame_that_is_not_the_next_one_is_refused() {
    let (shop, copy, path, bytes, places) = killed();
    let salted = Salted::new(&Header::read(&bytes).unwrap().salt);
    let third = places[2];
    let sound = frame::read(&salted, &bytes[third.at..]).unwrap().head;
    let (mut early, mut chained) = (sound, sound);
    early.lsn += 1;
    chained.previous ^= 1;
    for (head, is_sound) in [(sound, true), (early, false), (chained, false)] {
        let mut buffer = bytes[third.at..].to_vec();
        frame::finish(&salted, head, &mut buffer);
        let mut forged = bytes[..third.at].to_vec();
        forged.extend_from_slice(&buffer);
        write_segment(&path, &forged);
        match read_back(&shop, &copy) {
            Ok(recovered) => assert!(is_sound && holds(&recovered, &no(3))),
            Err(error) => {
                assert!(!is_sound);
                assert!(words(&error).ends_with("the frame is not the next one"));
            }
        }
        write_segment(&path, &bytes);
    }
}
