//! A whole store with an archive in a directory and in a bucket, and many copies that claim it.

use std::time::Duration;

use orderstore::testing::Sizes;
use orderstore::{Archive, Builder, OldStore, RestorePoint, Store};
use tempfile::TempDir;

use crate::server::on_s3;
use crate::stores::{
    assert_same, close, create, events, only_winner, promote_at_once, wait_until_archived,
};

fn plain() -> Builder {
    let sizes = Sizes {
        memtable: 16 << 10,
        segment: 16 << 10,
    };
    Store::builder().in_small_parts(sizes)
}

fn archive(url: &str) -> Archive {
    let archive = Archive::from_url(url)
        .unwrap()
        .in_small_parts()
        .key([7; 32]);
    archive.interval(Duration::from_millis(50))
}

/// Ships a store, lets copies of it claim the archive at the same time, and restores what the winner
/// ships. Then promotes many standbys at the same time.
fn race_and_restore(url: &str) {
    let place = TempDir::new().unwrap();
    let dir = place.path().join("shop");
    let builder = || plain().archive(archive(url));
    let store = builder().init(&dir).unwrap();
    create(&store, 0..300);
    wait_until_archived(&store);
    close(store);
    let winner = only_winner(&dir, &builder);
    create(&winner, 300..400);
    wait_until_archived(&winner);
    let expected = events(&winner);
    close(winner);
    let restored = place.path().join("restored");
    let report = plain().restore_from(&archive(url), &restored, RestorePoint::Newest);
    assert_eq!(report.unwrap().restored.records, 400);
    let restored = plain().open(restored).unwrap();
    assert_same(&events(&restored), &expected);
    let report = restored.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:#?}");
    close(restored);
    promote_at_once(place.path(), &builder);
    let last = place.path().join("last");
    let _ = builder().promote(&last, OldStore::Stopped).unwrap();
    assert_same(&events(&builder().open(last).unwrap()), &expected);
}

#[test]
fn one_of_many_copies_claims_directory() {
    let place = TempDir::new().unwrap();
    race_and_restore(place.path().join("archive").to_str().unwrap());
}

#[test]
fn one_of_many_copies_claims_bucket() {
    on_s3("claims::one_of_many_copies_claims_bucket", race_and_restore);
}
