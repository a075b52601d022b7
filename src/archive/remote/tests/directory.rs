//! Storage in a directory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::names;
use crate::archive::remote::Remote;
use crate::archive::storage::ArchiveStorage;
use crate::error::OpenError;
use crate::types::Timestamp;

fn opened(place: &TempDir) -> Remote {
    Remote::open(place.path().to_str().unwrap()).unwrap()
}

#[test]
fn object_is_read_as_it_was_written() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    assert_eq!(storage.get("wal/1/42").unwrap(), None);
    storage.put("wal/1/42", b"first").unwrap();
    storage.put("wal/1/42", b"second").unwrap();
    storage.put("state", b"").unwrap();
    assert_eq!(storage.get("wal/1/42").unwrap().unwrap(), b"second");
    assert_eq!(storage.get("state").unwrap().unwrap(), b"");
    assert_eq!(
        storage.get("wal/1").unwrap(),
        None,
        "a directory is no object"
    );
    assert_eq!(
        storage.get("state/1").unwrap(),
        None,
        "a file is no directory"
    );
    storage.delete("wal/1/42").unwrap();
    storage.delete("wal/1/42").unwrap();
    storage.delete("other/1").unwrap();
    assert_eq!(opened(&place).get("wal/1/42").unwrap(), None);
}

#[test]
fn list_contains_whole_objects_below_prefix() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    assert_eq!(names(&storage, "wal/"), [""; 0]);
    for name in ["wal/2/1", "wal/1/9", "wal/1/10", "walrus/1", "snapshot/1"] {
        storage.put(name, b"12345").unwrap();
    }
    // An interrupted write, and files of others.
    fs::write(place.path().join(".unfinished/1"), b"123").unwrap();
    fs::write(place.path().join("wal/1/.nfs1"), b"123").unwrap();
    assert_eq!(names(&storage, "wal/"), ["wal/1/10", "wal/1/9", "wal/2/1"]);
    assert_eq!(names(&storage, "wal/1/1"), ["wal/1/10"]);
    assert_eq!(names(&storage, "").len(), 5);
    let after = storage.list_after("wal/", "wal/1/9").unwrap();
    assert_eq!(
        after.iter().map(|object| &object.name).collect::<Vec<_>>(),
        ["wal/2/1"]
    );
    let object = storage.list("snapshot/").unwrap().remove(0);
    assert_eq!(object.bytes, 5);
    assert!(Timestamp::now().since(object.modified) < Duration::from_secs(60));
}

#[test]
fn one_of_many_writers_creates_object() {
    const WRITERS: usize = 64;
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    for round in 0..20 {
        let name = format!("wal/{round}/1");
        let start = Barrier::new(WRITERS);
        let write = |writer: usize| {
            let bytes = writer.to_string().repeat(1000);
            start.wait();
            storage.put_if_absent(&name, bytes.as_bytes()).unwrap()
        };
        let winners: Vec<usize> = thread::scope(|scope| {
            let writers = (0..WRITERS).map(|writer| scope.spawn(move || write(writer)));
            let writers: Vec<_> = writers.collect();
            let results = writers.into_iter().map(|writer| writer.join().unwrap());
            let winners = results.enumerate().filter(|(_, is_winner)| *is_winner);
            winners.map(|(writer, _)| writer).collect()
        });
        let [winner] = winners[..] else {
            panic!("{winners:?} created {name}");
        };
        let found = storage.get(&name).unwrap().unwrap();
        assert_eq!(found, winner.to_string().repeat(1000).as_bytes());
    }
    assert_eq!(count(&place.path().join(".unfinished")), 0);
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn task_of_another_runtime_may_call_and_drop() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    storage.put("wal/1", b"1").unwrap();
    assert!(!storage.put_if_absent("wal/1", b"2").unwrap());
    drop(storage);
}

#[test]
fn only_last_directory_of_path_is_created() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("volume/archive");
    let error = Remote::open(path.to_str().unwrap()).unwrap_err();
    let OpenError::ParentMissing { dir, missing } = error else {
        panic!("{error:?}");
    };
    assert_eq!((dir, missing), (path.clone(), place.path().join("volume")));
    fs::create_dir(place.path().join("volume")).unwrap();
    let storage = Remote::open(&format!("file://{}", path.display())).unwrap();
    storage.put("state", b"1").unwrap();
    assert_eq!(fs::read(path.join("state")).unwrap(), b"1");
    let error = Remote::open(path.join("state").to_str().unwrap()).unwrap_err();
    assert!(matches!(error, OpenError::Invalid { .. }), "{error:?}");
}

/// A volume that is unmounted leaves an empty directory or none.
#[cfg(unix)]
#[test]
fn replaced_directory_is_not_an_empty_archive() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("archive");
    let storage = Remote::open(path.to_str().unwrap()).unwrap();
    storage.put("wal/1", b"1").unwrap();
    fs::rename(&path, place.path().join("away")).unwrap();
    let fails = || {
        let failures = [
            storage.get("wal/1").unwrap_err(),
            storage.put("wal/1", b"1").unwrap_err(),
            storage.put_if_absent("wal/1", b"1").unwrap_err(),
            storage.list("wal/").unwrap_err(),
            storage.delete("wal/1").unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.kind(), ErrorKind::NotFound);
            assert!(failure.to_string().contains("is mounted"), "{failure}");
        }
    };
    fails();
    fs::create_dir(&path).unwrap();
    fails();
    assert_eq!(count(&path), 0);
    fs::remove_dir(&path).unwrap();
    fs::rename(place.path().join("away"), &path).unwrap();
    assert_eq!(storage.get("wal/1").unwrap().unwrap(), b"1");
}

/// An operation that hangs stands for a network share that does not answer.
#[cfg(unix)]
#[test]
fn hung_operations_end_for_their_callers_and_do_not_pile_up() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    storage.put("state", b"1").unwrap();
    let pipe = place.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let get = |name: &'static str| {
        let limit = Duration::from_millis(50);
        storage.run(limit, move |place| async move {
            place.get(name.to_owned()).await
        })
    };
    for _ in 0..40 {
        assert_eq!(get("pipe").unwrap_err().kind(), ErrorKind::TimedOut);
    }
    assert_eq!(get("state").unwrap_err().kind(), ErrorKind::TimedOut);
    // The end of the pipe ends the operations that have begun. The other ones never begin.
    drop(fs::File::options().write(true).open(&pipe).unwrap());
    assert_eq!(storage.get("state").unwrap().unwrap(), b"1");
}

/// A part of a list has at most a thousand objects.
#[test]
fn list_in_parts_is_complete() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    storage.put("wal/1/0", b"1").unwrap();
    for at in 1..2100 {
        fs::write(place.path().join(format!("wal/1/{at}")), b"1").unwrap();
    }
    let all = names(&storage, "wal/1/");
    for (prefix, is_flat) in [("wal/1/", true), ("wal/", false)] {
        let mut parts = vec![all[0].clone()];
        loop {
            let part = storage.list_after(prefix, parts.last().unwrap()).unwrap();
            assert!(part.len() <= 1000 || !is_flat, "{prefix}");
            if part.is_empty() {
                break;
            }
            parts.extend(part.into_iter().map(|object| object.name));
        }
        assert_eq!(parts, all, "{prefix}");
    }
}

#[test]
fn opening_removes_only_old_unfinished_files() {
    let place = TempDir::new().unwrap();
    opened(&place).put("state", b"1").unwrap();
    let [old, new] = ["old", "new"].map(|name| place.path().join(".unfinished").join(name));
    for file in [&old, &new] {
        fs::write(file, b"123").unwrap();
    }
    let before = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(before).unwrap();
    let storage = opened(&place);
    assert!(!old.exists());
    assert!(new.exists());
    assert_eq!(names(&storage, ""), ["state"]);
}

#[test]
fn name_that_leaves_directory_is_refused() {
    let place = TempDir::new().unwrap();
    let storage = opened(&place);
    for name in [
        "", "/etc/x", "a//b", "a/", "../x", "a/../b", "a/.b", "a\\b", "a b", "a\0", "ä",
    ] {
        let error = storage.put(name, b"1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
}
