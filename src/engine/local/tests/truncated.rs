//! Segments of the journal that lost their end, or are lost themselves.

use std::fs;
use std::path::Path;

use super::fixture::{Shop, at, copied, create, decided, new, no, options};
use super::recovery::{copied_top, frames, killed, segments, why, write_segment};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;

/// Every way in which a store is opened, and a repair.
fn assert_told_by_all(dir: &Path, expected: &str) {
    for open in [
        LocalEngine::open,
        LocalEngine::open_verified,
        LocalEngine::open_or_init,
    ] {
        let said = why(&open(dir.to_path_buf(), &options()).unwrap_err());
        assert!(said.contains(expected), "{said}");
    }
    let place = tempfile::tempdir().unwrap();
    let repaired = LocalEngine::repair(dir, place.path().join("new"), &options()).unwrap();
    assert!(!repaired.journal.is_whole(), "{:?}", repaired.journal);
    assert!(!repaired.is_whole());
}

#[test]
fn truncated_last_segment_of_a_closed_store_is_told_by_all() {
    let shop = Shop::new();
    (1..=3).for_each(|n| shop.run(no(n), create(new())));
    shop.engine.close().unwrap();
    let path = segments(&shop.dir()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let places = frames(&bytes);
    let boundaries = places
        .iter()
        .flat_map(|place| [place.at, place.at + place.len]);
    for len in boundaries.chain([4096, 5000, bytes.len() - 1]) {
        fs::write(&path, &bytes[..len]).unwrap();
        assert_told_by_all(&shop.dir(), &format!("byte {len}: the file ends here"));
    }
    fs::write(&path, &bytes).unwrap();
    let shop = shop.reopened();
    assert!(shop.stored(no(3)).is_some());
}

/// A recovery writes the segment that ends the journal anew, shorter than it was.
#[test]
fn truncated_segment_of_a_recovered_journal_is_told_by_all() {
    let (_shop, copy, path, bytes, _) = killed();
    write_segment(&path, &bytes);
    drop(Shop::on_copy(copied(copy.path())).unwrap());
    let opened = Shop::on_copy(copy).unwrap();
    opened.run(no(4), create(new()));
    let copy = copied_top(&opened);
    for name in segments(copy.path()) {
        let whole = fs::read(&name).unwrap();
        fs::write(&name, &whole[..whole.len() - 1]).unwrap();
        assert_told_by_all(copy.path(), "the file ends here");
        fs::write(&name, whole).unwrap();
    }
    Shop::on_copy(copy).unwrap().assert_sound();
}

#[test]
fn missing_last_segment_of_a_closed_store_is_told_by_all() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let shop = shop.reopened();
    // Behind a segment to which the opening before could add nothing.
    shop.run(no(2), create(new()));
    shop.engine.close().unwrap();
    fs::remove_file(segments(&shop.dir()).pop().unwrap()).unwrap();
    assert_told_by_all(&shop.dir(), "no segment of the journal holds frame");
}

#[test]
fn frame_longer_than_the_first_segment_goes_into_a_longer_one() {
    let mut options = options();
    options.segment_bytes = 8 << 20;
    let shop = Shop::with(&options);
    let first = segments(&shop.dir());
    assert!(fs::metadata(&first[0]).unwrap().len() < 2 << 20);
    let make = |n| decided(no(n), create(new()), at(0), None, &[]);
    let batch: Vec<_> = (0..6000).map(make).collect();
    shop.apply(&batch);
    assert_eq!(segments(&shop.dir()), first);
    let bytes = fs::read(&first[0]).unwrap();
    assert!(frames(&bytes)[0].len > 1 << 20);
    // It did not grow: a part that is cut off is missing.
    assert_eq!(bytes.len(), 8 << 20);
    let opened = Shop::on_copy(copied(&shop.dir())).unwrap();
    assert!(opened.stored(no(5999)).is_some());
    opened.assert_sound();
}
