//! Making, opening, refusing, locking.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::fixture::{Shop, copied, create, new, no, options, picture};
use crate::engine::Engine;
use crate::engine::local::LocalEngine;
use crate::error::{Error, StorageErrorKind};

/// The error of an open that changes nothing.
fn refused(dir: &Path) -> Error {
    let before = picture(dir);
    let error = LocalEngine::open(dir, &options()).unwrap_err();
    assert_eq!(picture(dir), before, "{error}");
    error
}

/// A store with an order, cleanly closed.
fn closed() -> Shop {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    shop.engine.close().unwrap();
    shop
}

fn assert_corrupted(error: &Error) {
    let Error::Unopened { source, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.kind(), StorageErrorKind::Corrupted, "{source:?}");
}

#[test]
fn an_open_makes_nothing_of_what_is_missing_empty_or_foreign() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("shop");
    assert!(matches!(refused(&dir), Error::Missing { .. }));
    fs::create_dir(&dir).unwrap();
    assert!(matches!(refused(&dir), Error::Empty { .. }));
    fs::create_dir(dir.join("lost+found")).unwrap();
    assert!(matches!(refused(&dir), Error::Empty { .. }));
    fs::write(dir.join("photo.jpg"), "p").unwrap();
    assert!(matches!(refused(&dir), Error::Foreign { .. }));
    fs::write(dir.join("LOCK"), "").unwrap();
    assert!(matches!(refused(&dir), Error::Foreign { .. }));
    let before = picture(&dir);
    for made in [
        LocalEngine::init(&dir, &options()),
        LocalEngine::open_or_init(&dir, &options()),
    ] {
        assert!(matches!(made, Err(Error::Foreign { .. })));
    }
    assert_eq!(picture(&dir), before);
    let file = dir.join("photo.jpg");
    assert!(matches!(refused(&file), Error::Foreign { .. }));
}

#[test]
fn a_store_is_not_made_twice() {
    let shop = closed();
    let before = picture(&shop.dir());
    let again = LocalEngine::init(shop.dir(), &options());
    assert!(matches!(again, Err(Error::AlreadyThere { .. })));
    assert_eq!(picture(&shop.dir()), before);
    let shop = LocalEngine::open_or_init(shop.dir(), &options()).unwrap();
    assert!(!shop.is_new() && shop.get(&no(1)).unwrap().is_some());
}

#[test]
fn open_or_init_makes_what_is_missing_or_empty_but_no_parent() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("a");
    let empty = place.path().join("b");
    fs::create_dir(&empty).unwrap();
    for dir in [missing, empty] {
        assert!(
            LocalEngine::open_or_init(&dir, &options())
                .unwrap()
                .is_new()
        );
        assert!(
            !LocalEngine::open_or_init(&dir, &options())
                .unwrap()
                .is_new()
        );
    }
    let deep = place.path().join("c/d");
    LocalEngine::open_or_init(&deep, &options()).unwrap_err();
    assert!(!place.path().join("c").exists());
}

#[test]
fn init_below_a_missing_directory_names_the_topmost_one() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("c");
    for deep in [top.join("d"), top.join("d/e")] {
        for made in [LocalEngine::init, LocalEngine::open_or_init] {
            let error = made(deep.clone(), &options()).unwrap_err();
            let Error::ParentMissing { dir, missing } = error else {
                panic!("{error:?}");
            };
            assert_eq!((&dir, &missing), (&deep, &top));
        }
    }
    assert!(!top.exists());
}

#[test]
fn a_making_that_was_cut_short_is_finished_by_making_alone() {
    for made in [LocalEngine::init, LocalEngine::open_or_init] {
        for leftovers in [
            &["LOCK"][..],
            &["LOCK", "identity.tmp"],
            &["LOCK", "identity.tmp", "base.redb"],
        ] {
            let place = tempfile::tempdir().unwrap();
            for name in leftovers {
                fs::write(place.path().join(name), "half").unwrap();
            }
            assert!(matches!(refused(place.path()), Error::Incomplete { .. }));
            let engine = made(place.path().to_path_buf(), &options()).unwrap();
            assert!(engine.is_new() && engine.verify().unwrap().is_ok());
        }
    }
}

#[test]
fn a_store_that_lost_its_identity_is_told_and_never_made_anew() {
    let shop = closed();
    fs::remove_file(shop.dir().join("identity")).unwrap();
    let before = picture(&shop.dir());
    assert_corrupted(&refused(&shop.dir()));
    for made in [LocalEngine::init, LocalEngine::open_or_init] {
        assert_corrupted(&made(shop.dir(), &options()).unwrap_err());
    }
    assert_eq!(picture(&shop.dir()), before);
}

#[test]
fn a_damaged_identity_is_told_and_nothing_is_changed() {
    let shop = closed();
    let path = shop.dir().join("identity");
    let whole = fs::read(&path).unwrap();
    for damage in [&whole[..10], &[], &[7; 72]] {
        fs::write(&path, damage).unwrap();
        assert_corrupted(&refused(&shop.dir()));
        let before = picture(&shop.dir());
        LocalEngine::open_or_init(shop.dir(), &options()).unwrap_err();
        assert_eq!(picture(&shop.dir()), before);
    }
    fs::write(&path, whole).unwrap();
    LocalEngine::open(shop.dir(), &options()).unwrap();
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let shop = closed();
    let path = shop.dir().join("identity");
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[8] = 2;
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = refused(&shop.dir());
    assert!(matches!(error, Error::NewerFormat { found: 2, known: 1 }));
}

#[test]
fn a_base_that_is_missing_or_cut_off_is_damage_and_is_not_made_anew() {
    let shop = closed();
    let path = shop.dir().join("base.redb");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_corrupted(&refused(&shop.dir()));
    for len in [0, 1, 100, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        assert_corrupted(&refused(&shop.dir()));
    }
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert_corrupted(&refused(&shop.dir()));
    fs::write(&path, whole).unwrap();
    LocalEngine::open(shop.dir(), &options()).unwrap();
}

/// The directory as a killed process leaves it.
fn killed(shop: &Shop) -> tempfile::TempDir {
    copied(&shop.dir())
}

#[test]
fn a_killed_store_opens_with_all_that_was_applied() {
    let shop = Shop::new();
    for n in 1..20 {
        shop.run(no(n), create(new()));
        let place = killed(&shop);
        let engine = LocalEngine::open(place.path(), &options()).unwrap();
        assert_eq!(
            engine.get(&no(n)).unwrap(),
            shop.engine.get(&no(n)).unwrap()
        );
        assert!(engine.verify().unwrap().is_ok());
    }
}

#[test]
fn a_killed_store_that_was_cut_off_as_well_does_not_open_in_silence() {
    let shop = Shop::new();
    shop.run(no(1), create(new()));
    let len = fs::metadata(shop.dir().join("base.redb")).unwrap().len();
    for len in [8192, len / 2 / 4096 * 4096, len - 1] {
        let place = killed(&shop);
        let path = place.path().join("base.redb");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..usize::try_from(len).unwrap()]).unwrap();
        let opened = LocalEngine::open(place.path(), &options());
        match opened {
            Err(error) => assert_corrupted(&error),
            // What was cut off held nothing.
            Ok(engine) => assert!(engine.verify().unwrap().is_ok()),
        }
    }
}

#[test]
fn the_base_of_another_store_is_refused() {
    let (one, two) = (closed(), closed());
    fs::copy(two.dir().join("base.redb"), one.dir().join("base.redb")).unwrap();
    let error = LocalEngine::open(one.dir(), &options()).unwrap_err();
    assert_corrupted(&error);
}

#[test]
fn a_store_is_open_once() {
    let shop = Shop::new();
    for made in [LocalEngine::open, LocalEngine::open_or_init] {
        let error = made(shop.dir(), &options()).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }));
    }
    drop(shop.engine.close());
    LocalEngine::open(shop.dir(), &options()).unwrap();
}

#[test]
fn a_dropped_store_is_free_again() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("shop");
    drop(LocalEngine::init(&dir, &options()).unwrap());
    LocalEngine::open(&dir, &options()).unwrap();
}

#[test]
fn an_open_waits_for_the_one_before_it() {
    let shop = Shop::new();
    let mut options = options();
    options.lock_wait = Duration::from_secs(60);
    std::thread::scope(|scope| {
        let next = scope.spawn(|| LocalEngine::open(shop.dir(), &options));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!next.is_finished());
        shop.engine.close().unwrap();
        next.join().unwrap().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&shop.dir()), 0o700);
    for name in picture(&shop.dir()).unwrap().keys() {
        let expected = if name == "journal" { 0o700 } else { 0o600 };
        assert_eq!(mode(&shop.dir().join(name)), expected, "{name}");
    }
}
