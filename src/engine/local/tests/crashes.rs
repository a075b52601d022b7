//! Directories as a crash leaves them on the way from one segment to the next, and from the
//! memtable into the base.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::fixture::{Picture, Shop, confirm, copied, create, new, no, picture};
use crate::engine::Engine;

/// A directory of these files.
fn image(files: &Picture) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("journal")).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "journal") {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    place
}

fn now(dir: &Path) -> Picture {
    picture(dir).unwrap()
}

fn is_segment(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "log")
}

/// Opens it, twice, and finds everything that was applied.
fn assert_whole(files: &Picture, orders: usize) {
    let shop = Shop::on_copy(image(files)).unwrap();
    for n in 0..orders {
        assert!(shop.stored(no(n)).is_some(), "{n}");
    }
    let counts = shop.engine.counts().unwrap();
    assert_eq!(usize::try_from(counts.orders()).unwrap(), orders);
    shop.run(no(orders), confirm("TX"));
    let again = Shop::on_copy(copied(shop.engine.core.dir.path())).unwrap();
    assert_eq!(again.stored(no(orders)), shop.stored(no(orders)));
    again.assert_sound();
    shop.assert_sound();
}

/// The directory before a freeze, behind it while the base waits, and after the flush.
fn frozen() -> (Picture, Picture, Picture) {
    let shop = Shop::new();
    (0..20).for_each(|n| shop.run(no(n), create(new())));
    let hold = shop.engine.core.base.lock();
    let before = now(&shop.dir());
    let core = &shop.engine.core;
    core.writing(|writer, _| core.freeze(writer)).unwrap();
    let frozen = now(&shop.dir());
    drop(hold);
    shop.engine.flush().unwrap();
    (before, frozen, now(&shop.dir()))
}

#[test]
fn between_freeze_and_flush_the_journal_holds_everything() {
    let (before, frozen, after) = frozen();
    for files in [&before, &frozen, &after] {
        assert_whole(files, 20);
    }
}

#[test]
fn a_flush_whose_segments_were_not_removed_yet_is_not_replayed() {
    let (_, frozen, after) = frozen();
    let mut files = frozen.clone();
    files.insert("base.redb".to_owned(), after["base.redb"].clone());
    assert_whole(&files, 20);
    let shop = Shop::on_copy(image(&files)).unwrap();
    assert_eq!(shop.engine.recovery().frames, 0);
}

#[test]
fn a_successor_without_a_seal_before_it_is_taken_over() {
    let (before, frozen, _) = frozen();
    let mut files = before.clone();
    for (name, bytes) in frozen.iter().filter(|(name, _)| is_segment(name)) {
        files.entry(name.clone()).or_insert_with(|| bytes.clone());
    }
    assert_eq!(files.keys().filter(|name| is_segment(name)).count(), 2);
    assert_whole(&files, 20);
}

#[test]
fn a_draft_of_a_segment_is_no_segment() {
    let (before, _, _) = frozen();
    for draft in [&b""[..], b"half a header", &[0; 5000]] {
        let mut files = before.clone();
        files.insert("journal/next.tmp".to_owned(), draft.to_vec());
        assert_whole(&files, 20);
    }
}

#[test]
fn a_sealed_segment_without_its_successor_is_refused() {
    let (_, frozen, _) = frozen();
    let mut files = frozen;
    let last = files.keys().rfind(|name| is_segment(name)).unwrap().clone();
    files.remove(&last);
    assert!(Shop::on_copy(image(&files)).is_err());
}

#[test]
fn a_recovery_that_was_cut_short_is_done_again() {
    let (before, _, _) = frozen();
    let place = image(&before);
    // Each opening is killed as soon as it is through.
    let mut copy = copied(place.path());
    for _ in 0..3 {
        let shop = Shop::on_copy(copy).unwrap();
        copy = copied(shop.engine.core.dir.path());
    }
    assert_whole(&now(copy.path()), 20);
}
