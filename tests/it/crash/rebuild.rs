//! Power losses while a checkpoint rebuilds a corrupt index or merges the sorted runs of an index.

use orderstore::testing::{Loss, SeededRng, SimulatedDisk, Snapshot, fixtures};
use orderstore::{Builder, Confirmed, Store};

use super::rig::{dir, sizes};

const PAGE: usize = 4096;

/// Number of orders in the closed store.
const OLD: u64 = 60;
/// Total number of orders when the checkpoint begins: the `OLD` orders, and three more that the
/// test creates after it reopened the store.
const ALL: u64 = 63;

fn builder(disk: &SimulatedDisk) -> Builder {
    Store::builder().simulated(disk, sizes(&mut SeededRng::new(14)))
}

fn create(store: &Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let new = fixtures::new(100).openid(fixtures::openid(n % 7));
        let created = store.create(fixtures::order_no(n), new).wait();
        drop(created.unwrap());
    }
}

/// Returns a snapshot of a disk with a closed store whose orders are all in `base.redb`.
fn closed_store() -> Snapshot {
    let disk = SimulatedDisk::new(14);
    let store = builder(&disk).init(dir()).unwrap();
    create(&store, 0..OLD);
    store.checkpoint().wait().unwrap();
    store.shutdown().wait().unwrap();
    disk.snapshot()
}

/// Returns a copy of the disk on which the page at this offset is corrupt.
fn with_corrupt_page(closed: &Snapshot, at: usize) -> SimulatedDisk {
    let disk = closed.kill(14);
    let path = dir().join("base.redb");
    let mut bytes = disk.content(&path).unwrap();
    bytes[at + 8..][..40].fill(0xa5);
    disk.put(&path, &bytes);
    disk
}

/// Whether the file of the B-tree contains a text.
fn base_contains(disk: &SimulatedDisk, text: &[u8]) -> bool {
    let bytes = disk.content(&dir().join("base.redb")).unwrap();
    bytes.windows(text.len()).any(|part| part == text)
}

/// Whether a checkpoint has rebuilt an index. The tables of the old index stay in the file under
/// new names.
fn has_rebuilt(disk: &SimulatedDisk) -> bool {
    base_contains(disk, b".damaged")
}

/// Returns whether a checkpoint on this disk rebuilds an index and leaves a sound store.
fn is_rebuilt(disk: &SimulatedDisk) -> bool {
    let Ok(store) = builder(disk).open(dir()) else {
        return false;
    };
    let new = fixtures::new(100).openid(fixtures::openid(1));
    let created = store.create(fixtures::order_no(OLD), new).wait();
    let is_written = created.is_ok() && store.checkpoint().wait().is_ok();
    is_written && has_rebuilt(disk) && store.verify().wait().unwrap().is_ok()
}

#[test]
fn power_loss_during_index_rebuild_loses_nothing() {
    let closed = closed_store();
    let pages = closed
        .kill(14)
        .content(&dir().join("base.redb"))
        .unwrap()
        .len()
        / PAGE;
    let at = (1..pages).map(|page| page * PAGE);
    let mut at = at.filter(|at| is_rebuilt(&with_corrupt_page(&closed, *at)));
    let at = at.next().expect("no page belongs to an index");

    let disk = with_corrupt_page(&closed, at);
    let store = builder(&disk).open(dir()).unwrap();
    create(&store, OLD..ALL);
    disk.snapshot_one_in(1);
    store.checkpoint().wait().unwrap();
    let snapshots = disk.take_snapshots();
    assert!(
        has_rebuilt(&disk) && snapshots.len() > 20,
        "{}",
        snapshots.len()
    );
    drop(store);
    check_losses(&snapshots, ALL, 0);
}

/// After every kind of power loss at every snapshot, all orders must be there, and the store sound.
/// The first `paid` orders have a payment, whose transaction no other order can claim.
fn check_losses(snapshots: &[Snapshot], orders: u64, paid: u64) {
    for (seed, snapshot) in (0..).zip(snapshots) {
        for loss in Loss::ALL {
            let disk = snapshot.lose_power(loss, seed);
            let store = builder(&disk).open(dir()).unwrap();
            for n in 0..orders {
                let order = store.get(fixtures::order_no(n)).wait().unwrap();
                assert!(order.is_some(), "order {n} after {loss:?} at call {seed}");
            }
            for n in 0..paid {
                let by = fixtures::order_no(n);
                let again = store.confirm(fixtures::order_no(n + 1), fixtures::payment(n, 100));
                let outcome = again.wait().unwrap().outcome;
                let taken = Confirmed::TransactionTaken { by };
                assert_eq!(outcome, taken, "{n} after {loss:?} at call {seed}");
            }
            store.checkpoint().wait().unwrap();
            let report = store.verify().wait().unwrap();
            assert!(report.is_ok(), "{loss:?} at call {seed}: {report:#?}");
        }
    }
}

/// Number of sorted runs of an index that a checkpoint merges into one.
const RUNS: u64 = 8;

#[test]
fn power_loss_during_merge_of_runs_loses_nothing() {
    let disk = SimulatedDisk::new(15);
    let store = builder(&disk).init(dir()).unwrap();
    let pay = |n: u64| {
        let paid = store.confirm(fixtures::order_no(n), fixtures::payment(n, 100));
        assert_eq!(paid.wait().unwrap().outcome, Confirmed::Applied);
    };
    for n in 0..RUNS - 1 {
        create(&store, n..n + 1);
        pay(n);
        store.checkpoint().wait().unwrap();
    }
    // The first of these checkpoints merges the runs of one index, the second those of another.
    for n in [RUNS - 1, RUNS] {
        create(&store, n..n + 1);
        pay(n);
        disk.snapshot_one_in(1);
        store.checkpoint().wait().unwrap();
    }
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 30, "{}", snapshots.len());
    // The index by openid merged its runs 1 to 8 into run 9. The index by transaction waited for
    // one checkpoint, and merged its runs 1 to 9 into run 10.
    for run in [&b"by_openid.9.filter"[..], b"by_transaction.10.filter"] {
        assert!(base_contains(&disk, run));
    }
    drop(store);
    check_losses(&snapshots, RUNS, RUNS - 1);
}

#[test]
fn merge_of_runs_waits_for_disk_space() {
    let disk = SimulatedDisk::new(16);
    let store = builder(&disk).init(dir()).unwrap();
    // Enough for checkpoints, but not for merges.
    disk.set_free(200 << 20);
    for n in 0..=RUNS {
        create(&store, n..n + 1);
        store.checkpoint().wait().unwrap();
    }
    let merged = b"by_openid.10.filter";
    assert!(!base_contains(&disk, merged));
    disk.set_free(u64::MAX);
    create(&store, RUNS + 1..RUNS + 2);
    store.checkpoint().wait().unwrap();
    create(&store, RUNS + 2..RUNS + 3);
    store.checkpoint().wait().unwrap();
    // The runs 1 to 10 became run 11, so the next run is 12.
    assert!(base_contains(&disk, b"by_openid.12.filter"));
    assert!(store.verify().wait().unwrap().is_ok());
}
