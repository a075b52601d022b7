//! Archives in a bucket of an S3 server.

use std::io::ErrorKind;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use orderstore::{Archive, ArchiveStorage, Timestamp};

use crate::server::{on_s3, on_s3_with};

fn opened(url: &str) -> Arc<dyn ArchiveStorage> {
    Arc::clone(Archive::from_url(url).unwrap().storage())
}

/// Names of the objects below a prefix.
fn names(storage: &dyn ArchiveStorage, prefix: &str) -> Vec<String> {
    let objects = storage.list(prefix).unwrap().into_iter();
    objects.map(|object| object.name).collect()
}

#[test]
fn s3_object_is_read_as_it_was_written() {
    on_s3("s3::s3_object_is_read_as_it_was_written", |url| {
        let storage = opened(url);
        assert_eq!(storage.get("wal/1/42").unwrap(), None);
        storage.put("wal/1/42", b"first").unwrap();
        storage.put("wal/1/42", b"second").unwrap();
        storage.put("state", b"").unwrap();
        assert_eq!(storage.get("wal/1/42").unwrap().unwrap(), b"second");
        assert_eq!(storage.get("state").unwrap().unwrap(), b"");
        let large: Vec<u8> = (0..20 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        storage.put("snapshot/1", &large).unwrap();
        assert!(storage.put_if_absent("snapshot/2", &large).unwrap());
        assert!(!storage.put_if_absent("snapshot/2", b"other").unwrap());
        for name in ["snapshot/1", "snapshot/2"] {
            assert!(storage.get(name).unwrap().unwrap() == large);
        }
        storage.delete("wal/1/42").unwrap();
        storage.delete("wal/1/42").unwrap();
        assert_eq!(opened(url).get("wal/1/42").unwrap(), None);
        assert!(storage.put_if_absent("wal/1/42", b"again").unwrap());
    });
}

#[test]
fn one_of_many_writers_creates_s3_object() {
    const WRITERS: usize = 64;
    on_s3("s3::one_of_many_writers_creates_s3_object", |url| {
        // Two machines, and many threads on each.
        let storages = [opened(url), opened(url)];
        for round in 0..20 {
            let name = format!("wal/{round}");
            let start = Barrier::new(WRITERS);
            let write = |writer: usize| {
                let bytes = writer.to_string().repeat(1000);
                start.wait();
                let storage = &storages[writer % storages.len()];
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
            let found = storages[0].get(&name).unwrap().unwrap();
            assert_eq!(found, winner.to_string().repeat(1000).as_bytes());
        }
    });
}

/// One request lists at most a thousand objects.
#[test]
fn s3_list_is_complete_and_sorted() {
    const OBJECTS: usize = 2100;
    on_s3("s3::s3_list_is_complete_and_sorted", |url| {
        let storage = opened(url);
        assert_eq!(names(&*storage, "wal/"), [""; 0]);
        let write = |first| {
            for at in (first..OBJECTS).step_by(16) {
                storage.put(&format!("wal/1/{at}"), b"12345").unwrap();
            }
        };
        thread::scope(|scope| {
            for first in 0..16 {
                scope.spawn(move || write(first));
            }
        });
        storage.put("walrus/1", b"1").unwrap();
        let mut expected: Vec<String> = (0..OBJECTS).map(|at| format!("wal/1/{at}")).collect();
        expected.sort_unstable();
        assert_eq!(names(&*storage, "wal/"), expected);
        let mut paged: Vec<String> = Vec::new();
        loop {
            let after = paged.last().map_or("", String::as_str);
            let page = storage.list_after("wal/", after).unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page.into_iter().map(|object| object.name));
        }
        assert_eq!(paged, expected);
        let page = storage.list_after("wal/", &expected[0]).unwrap();
        assert!(
            page.len() < OBJECTS - 1,
            "a part lists {} objects",
            page.len()
        );
        assert_eq!(names(&*storage, "").len(), OBJECTS + 1);
        assert_eq!(names(&*storage, "wal/2/"), [""; 0]);
        let object = storage.list("wal/1/7/").unwrap();
        assert!(object.is_empty(), "{object:?}");
        let object = storage.list("wal/1/77").unwrap().remove(0);
        assert_eq!((object.name.as_str(), object.bytes), ("wal/1/77", 5));
        assert!(Timestamp::now().since(object.modified) < Duration::from_secs(600));
        // Another archive in the same bucket.
        assert_eq!(names(&*opened(&format!("{url}-2")), ""), [""; 0]);
    });
}

#[tokio::test]
async fn task_calls_s3_from_another_runtime() {
    on_s3("s3::task_calls_s3_from_another_runtime", |url| {
        let storage = opened(url);
        storage.put("state", b"1").unwrap();
        assert_eq!(storage.get("state").unwrap().unwrap(), b"1");
    });
}

#[test]
fn absent_s3_bucket_is_not_an_empty_archive() {
    on_s3("s3::absent_s3_bucket_is_not_an_empty_archive", |_| {
        let storage = opened("s3://absent/shop");
        for error in [
            storage.get("state").unwrap_err(),
            storage.put("state", b"1").unwrap_err(),
            storage.put_if_absent("state", b"1").unwrap_err(),
            storage.list("wal/").unwrap_err(),
            storage.delete("state").unwrap_err(),
        ] {
            assert!(error.to_string().contains("NoSuchBucket"), "{error}");
        }
    });
}

#[test]
fn s3_with_wrong_secret_fails_without_credentials_in_text() {
    let name = "s3::s3_with_wrong_secret_fails_without_credentials_in_text";
    let wrong = ("AWS_SECRET_ACCESS_KEY", "abcdefgh");
    on_s3_with(name, &[wrong], |url| {
        let error = opened(url).get("state").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let text = error.to_string();
        assert!(text.contains("SignatureDoesNotMatch"), "{text}");
        assert!(!text.contains(wrong.1), "{text}");
    });
}
