//! Tests of backup, restore, copy, repair and verification.

use insta::assert_snapshot;
use orderstore::Store;
use redb::{Database, TableDefinition, TableHandle as _};

use crate::rig::{Place, names};
use crate::shop::shop;

#[test]
fn restored_backup_has_same_orders() {
    let place = shop();
    let made = place.run("backup backup --format json").ends(0).json();
    assert_eq!(
        (&made["outcome"], &made["records"]),
        (&"made".into(), &6.into())
    );
    let mut made = names(&place.path("backup"));
    // Ignore the lock file, which exists only on systems that cannot lock a directory.
    made.retain(|name| name != "LOCK");
    assert_eq!(made, ["backup.identity", "base.redb"]);
    let restored = place.run("restore backup --into new").ends(0);
    assert_snapshot!("restore", restored.text());
    let books = |store: &str| place.run(&format!("export --store {store}")).ends(0).out;
    assert_eq!(books("new"), books("shop"));
}

#[test]
fn repeated_copy_adds_nothing_and_refuses_conflict() {
    let place = shop();
    let copied = place.run("copy other").ends(0);
    assert_snapshot!("copy", copied.text());
    let books = |store: &str| place.run(&format!("export --store {store}")).ends(0).out;
    assert_eq!(books("other"), books("shop"));
    let again = place.run("copy other --format json").ends(0).json();
    assert_eq!(
        (&again["events"], &again["records"]),
        (&0.into(), &6.into())
    );

    let confirm = "confirm order-waits --store other --transaction-id 4200007777202605300000000001 \
                   --yuan 8.80 --paid-at 20260530080000";
    place
        .run(&confirm.split_whitespace().collect::<Vec<_>>().join(" "))
        .ends(0);
    let refused = place.run("copy other").ends(1);
    assert!(
        refused
            .err
            .contains("order-waits conflicts with the target"),
        "{refused:?}"
    );
    place.run("copy shop").ends(3);
}

#[test]
fn repair_and_page_check_refuse_cluster_url() {
    let place = shop();
    let url = "postgres://shop:geheim@127.0.0.1:1/orders";
    for line in ["repair --into new", "verify --pages"] {
        let refused = place.run(&format!("{line} --store {url}")).ends(2);
        assert!(refused.err.contains("needs a directory"), "{refused:?}");
    }
    if !cfg!(feature = "postgres") {
        let refused = place
            .run(&format!("show order-waits --store {url}"))
            .ends(2);
        assert!(refused.err.contains("feature `postgres`"), "{refused:?}");
    }
    assert_eq!(place.names(), ["shop"]);
}

#[test]
fn verify_prints_sound_only_for_sound_store() {
    let place = shop();
    for form in ["table", "jsonl", "csv"] {
        let ran = place.run(&format!("verify --format {form}")).ends(0);
        assert!(ran.err.contains("sound yes"), "{ran:?}");
        assert_eq!(ran.out.contains("sound"), form == "table", "{ran:?}");
    }
    let json = |code| place.run("verify --format json").ends(code).json();
    assert_eq!(json(0)["sound"], true);
    empty_the_anomalies(&place);
    assert_eq!(json(4)["sound"], false);
    let broken = place.run("verify").ends(4);
    assert!(broken.err.contains("sound no"), "{broken:?}");
    assert!(!broken.out.contains("sound"), "{broken:?}");
}

#[test]
fn verify_of_sound_store_exits_0() {
    let place = shop();
    let verified = place.run("verify --pages").ends(0);
    assert_snapshot!("verify", verified.text());
}

/// Damages the store `shop`: deletes a table from its B-tree.
fn lose(place: &Place, table: &str) {
    let store = Store::open(place.path("shop")).unwrap();
    store.checkpoint().wait().unwrap();
    store.shutdown().wait().unwrap();
    let base = Database::open(place.path("shop/base.redb")).unwrap();
    let transaction = base.begin_write().unwrap();
    let mut handles = transaction.list_tables().unwrap();
    let handle = handles.find(|handle| handle.name() == table).unwrap();
    drop(handles);
    assert!(transaction.delete_table(handle).unwrap());
    transaction.commit().unwrap();
}

#[test]
fn lost_event_table_is_reported_and_repaired() {
    let place = shop();
    lose(&place, "events");
    let verified = place.run("verify").ends(4);
    assert_snapshot!("verify_damaged", verified.text());
    assert!(
        verified.err.contains("orderstore repair --into DIR"),
        "{verified:?}"
    );
    let repaired = place.run("repair --into new").ends(1);
    assert_snapshot!("repair", repaired.text());
    place.run("verify --pages --store new").ends(0);
    let order = place
        .run("show order-paid --store new --format json")
        .ends(0);
    assert_eq!(order.json()["payStatus"], "success");
}

#[test]
fn verify_lists_damaged_page_and_affected_entries() {
    let place = shop();
    let store = Store::open(place.path("shop")).unwrap();
    store.checkpoint().wait().unwrap();
    store.shutdown().wait().unwrap();
    let path = place.path("shop/base.redb");
    let mut base = std::fs::read(&path).unwrap();
    let number = b"order-waits";
    let places: Vec<usize> = (0..base.len() - number.len())
        .filter(|at| base[*at..].starts_with(number))
        .collect();
    places.iter().for_each(|at| base[*at] ^= 1);
    std::fs::write(&path, base).unwrap();
    let verified = place.run("verify --format json").ends(4).json();
    let first = verified["rows"][0]["what"].as_str().unwrap();
    assert!(first.contains("of base.redb are corrupt"), "{verified}");
    assert!(verified["broken"].as_u64().unwrap() > 1, "{verified}");
    let shown = place.run("show order-waits").ends(4);
    assert!(shown.err.contains("orderstore repair"), "{shown:?}");
    place.run("repair --into new").ends(1);
    place.run("verify --pages --store new").ends(0);
}

#[test]
fn repair_of_sound_store_loses_nothing() {
    let place = shop();
    let repaired = place.run("repair --into new --format json").ends(0).json();
    assert_eq!(repaired["rows"], serde_json::json!([]));
    assert_eq!(
        (&repaired["records"], &repaired["broken"]),
        (&6.into(), &0.into())
    );
}

/// Damages the store `shop`: deletes all rows from the table of anomalies in its B-tree.
fn empty_the_anomalies(place: &Place) {
    let store = Store::open(place.path("shop")).unwrap();
    store.checkpoint().wait().unwrap();
    store.shutdown().wait().unwrap();
    let base = Database::open(place.path("shop/base.redb")).unwrap();
    let transaction = base.begin_write().unwrap();
    let anomalies = TableDefinition::<&[u8; 14], ()>::new("anomalies");
    let mut table = transaction.open_table(anomalies).unwrap();
    table.retain(|_, ()| false).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

#[test]
fn broken_invariant_is_listed_and_repaired() {
    let place = shop();
    empty_the_anomalies(&place);
    let verified = place.run("verify --pages").ends(4);
    assert_snapshot!("verify_broken", verified.text());
    let backup = place.run("backup backup").ends(4);
    assert!(backup.err.contains("no backup was made"), "{backup:?}");
    let repaired = place.run("repair --into new").ends(0);
    assert_snapshot!("repair_lists", repaired.text());
    place.run("verify --pages --store new").ends(0);
    let anomalies = place.run("anomalies --store new --format jsonl").ends(0);
    assert_eq!(anomalies.out.lines().count(), 3);
}

#[test]
fn mirror_is_accepted_and_detached() {
    let place = shop();
    let books = |flags: &str| place.run(&format!("export {flags}")).ends(0).out;
    let before = place.run("export").ends(0).out;
    let filled = place.run("mirror fill --mirror copy").ends(0);
    assert_snapshot!("mirror_fill", filled.text());
    let stats = place.run("stats --mirror copy").ends(0);
    assert!(stats.out.contains("complete"), "{stats:?}");
    let refused = place.run("stats").ends(6);
    assert!(refused.err.contains("open both"), "{refused:?}");
    assert_eq!(books("--mirror copy"), before);
    std::fs::remove_dir_all(place.path("shop")).unwrap();
    place.run("mirror accept --store shop").ends(6);
    let accepted = place.run("mirror accept --store copy").ends(0);
    assert_snapshot!("mirror_accept", accepted.text());
    assert_eq!(books("--store copy"), before);
    place.run("mirror detach --store copy").ends(6);
    place.run("mirror fill --store copy --mirror shop").ends(0);
    let detached = place
        .run("mirror detach --store copy --mirror shop")
        .ends(0);
    assert_snapshot!("mirror_detach", detached.text());
    assert_eq!(books("--store copy"), before);
}

#[test]
fn archive_is_verified_and_restored() {
    let place = shop();
    let before = place.run("export").ends(0).out;
    let shipped = place.run("archive ship --archive archive").ends(0);
    assert_snapshot!("archive_ship", shipped.text());
    let refused = place.run("stats").ends(6);
    assert_snapshot!("archive_not_named", refused.text());
    assert_eq!(place.run("export --without-archive").ends(0).out, before);
    // Its place and its key may be lost together with the archive.
    let lost = "--archive nowhere://lost --archive-key lost";
    let alone = place.run(&format!("export --without-archive {lost}"));
    assert_eq!(alone.ends(0).out, before);
    place.run("stats --archive archive").ends(0);
    let status = place
        .run("archive status --archive archive --format json")
        .ends(0);
    assert!(status.out.contains("\"snapshots\": 1"), "{status:?}");
    let verified = place
        .run("archive verify --archive archive --format json")
        .ends(0);
    assert!(
        verified.out.contains("\"outcome\": \"verified\""),
        "{verified:?}"
    );
    place.run("archive snapshots --archive archive").ends(0);
    place.run("archive prune --archive archive").ends(0);
    let none = place.run("archive status --archive nothing").ends(5);
    assert!(none.err.contains("no archive at this place"), "{none:?}");
    place.run("archive status").ends(2);
    place
        .run("restore --from archive --into early --until 1999-01-01")
        .ends(0);
    place
        .run("restore backup --from archive --into new")
        .ends(2);
    let restored = place.run("restore --from archive --into new").ends(0);
    assert!(restored.out.contains("made"), "{restored:?}");
    assert_eq!(place.run("export --store new").ends(0).out, before);
    // Another store must not write to the archive.
    let fenced = place.run("stats --store new --archive archive").ends(6);
    assert_snapshot!("archive_fenced", fenced.text());
}

#[test]
fn standby_is_read_and_promoted() {
    let place = shop();
    let before = place.run("export").ends(0).out;
    place.run("archive ship --archive archive").ends(0);
    let followed = place
        .run("follow --once --store standby --archive archive")
        .ends(0);
    assert_snapshot!("follow_once", followed.text());
    let refused = place.run("stats --store standby").ends(2);
    assert!(refused.err.contains("name one"), "{refused:?}");
    let on_standby = |verb: &str| place.run(&format!("{verb} --store standby --archive archive"));
    assert_eq!(on_standby("export").ends(0).out, before);
    on_standby("verify").ends(0);
    let refused = on_standby("number").ends(1);
    assert_snapshot!("standby_refuses", refused.text());
    // A standby is no target of a copy.
    place.run("copy standby --archive archive").ends(6);
    std::fs::rename(place.path("archive"), place.path("away")).unwrap();
    let alone = on_standby("export").ends(0);
    assert_eq!(alone.out, before);
    assert!(alone.err.contains("shows what it had"), "{alone:?}");
    on_standby("promote --old-primary-stopped").ends(5);
    std::fs::rename(place.path("away"), place.path("archive")).unwrap();
    on_standby("promote --wait-for-lease").ends(2);
    on_standby("promote").ends(2);
    let promoted = on_standby("promote --old-primary-stopped").ends(0);
    assert_snapshot!("promote", promoted.text());
    assert_eq!(on_standby("export").ends(0).out, before);
    on_standby("number").ends(0);
    let fenced = place.run("stats --archive archive").ends(6);
    assert!(fenced.err.contains("claimed epoch"), "{fenced:?}");
    on_standby("promote --old-primary-stopped").ends(6);
}

#[test]
fn encrypted_archive_needs_its_key() {
    let place = shop();
    std::fs::write(place.path("key"), "0f".repeat(32)).unwrap();
    std::fs::write(place.path("short"), "0f").unwrap();
    place
        .run("stats --archive archive --archive-key key")
        .ends(0);
    let refused = place.run("archive status --archive archive").ends(5);
    assert!(refused.err.contains("give the key"), "{refused:?}");
    place
        .run("archive status --archive archive --archive-key key")
        .ends(0);
    place
        .run("archive status --archive archive --archive-key short")
        .ends(2);
    place
        .run("archive status --archive archive --archive-key absent")
        .ends(5);
}
