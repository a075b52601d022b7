//! Fills a real file system to its last byte while a store uses it, and frees it again.
//!
//! The file system is a `tmpfs` in a mount namespace of a child process, so that nothing stays
//! behind. The tests pass with a notice on machines that do not allow such a mount.

mod mount;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use orderstore::testing::{SeededRng, Sizes, fixtures};
use orderstore::{
    Builder, Error, Health, Metadata, NewOrder, OrderNo, OrderQuery, PageRequest, Store,
};

use self::mount::{SIZE_MIB, mounted, on_a_mount};
use crate::flow::rig::within_a_minute;

/// Cache size in bytes: the minimum that a store accepts, so that most reads go to the disk.
const CACHE: usize = 1 << 20;

/// Number of orders in the B-tree before the disk fills up.
const OLD: u64 = 6000;

/// Free space in MiB at which the store just begins a checkpoint. The store leaves 8 MiB to other
/// programs and needs twice the size of its memtable; a segment takes 1 MiB.
const ROOM_MIB: usize = 14;

/// Number of concurrent writers.
const WRITERS: u64 = 4;

fn dir(root: &Path) -> PathBuf {
    root.join("store")
}

fn builder() -> Builder {
    Store::builder().memtable_bytes(1 << 20).cache_bytes(CACHE)
}

const SMALL: Sizes = Sizes {
    memtable: 1 << 20,
    segment: 1 << 20,
};

fn no(n: u64) -> OrderNo {
    fixtures::order_no(n)
}

/// Returns 2,000 bytes of metadata, so that a few thousand orders exceed the cache many times.
fn metadata(n: u64) -> Metadata {
    Metadata::new([n.to_le_bytes(); 250].concat()).unwrap()
}

fn new(n: u64) -> NewOrder {
    fixtures::new(100).metadata(metadata(n))
}

/// Creates a store whose B-tree is more than 16 times as large as its cache.
fn filled(builder: Builder, root: &Path) -> Store {
    let store = builder.init(dir(root)).unwrap();
    for first in (0..OLD).step_by(500) {
        let commands = (first..first + 500).map(|n| fixtures::create(n, new(n)));
        let tickets = store.submit_all(commands.collect()).unwrap();
        tickets.into_iter().for_each(|t| assert!(t.wait().is_ok()));
    }
    store.checkpoint().wait().unwrap();
    let base = fs::metadata(dir(root).join("base.redb")).unwrap().len();
    assert!(base > 16 * CACHE as u64, "{base}");
    store
}

/// File that takes up free space; dropping it frees the space.
struct Ballast(PathBuf);

impl Ballast {
    /// Takes all free space.
    fn fill(root: &Path) -> Self {
        Self::take(root.join("ballast"))
    }

    /// Takes all free space except `mib` MiB.
    fn all_but(root: &Path, mib: usize) -> Self {
        let path = root.join("room");
        fs::write(&path, vec![0; mib << 20]).unwrap();
        let ballast = Self::fill(root);
        fs::remove_file(path).unwrap();
        ballast
    }

    /// Takes all space that another `Ballast` has left free.
    fn rest(root: &Path) -> Self {
        Self::take(root.join("rest"))
    }

    fn take(path: PathBuf) -> Self {
        let mut file = File::create(&path).unwrap();
        // Write ever smaller parts until not one more byte fits.
        for part in [1 << 20, 4096, 1] {
            let zeros = vec![0; part];
            while file.write_all(&zeros).is_ok() {
                assert!(file.metadata().unwrap().len() <= (SIZE_MIB << 20) as u64);
            }
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// Asserts that order `n` exists and has its metadata.
#[track_caller]
fn assert_there(store: &Store, n: u64) {
    let order = store.get(no(n)).wait().unwrap();
    let order = order.unwrap_or_else(|| panic!("order {n} is missing"));
    assert_eq!(order.metadata, metadata(n));
}

#[track_caller]
fn assert_not_there(store: &Store, n: u64) {
    assert_eq!(
        store.get(no(n)).wait().unwrap(),
        None,
        "order {n} was refused but exists"
    );
}

#[track_caller]
fn assert_sound(store: &Store) {
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

/// Numbers of the orders that the writers created, and of those that the store refused.
#[derive(Default)]
struct Orders {
    created: Vec<u64>,
    refused: Vec<u64>,
}

impl Orders {
    fn create(&mut self, store: &Store, n: u64) -> bool {
        match store.create(no(n), new(n)).wait() {
            Ok(_) => self.created.push(n),
            Err(Error::DiskFull) => self.refused.push(n),
            Err(error) => panic!("{n}: {error:?}"),
        }
        self.refused.last() != Some(&n)
    }

    fn merge(all: Vec<Self>) -> Self {
        let mut merged = Self::default();
        for orders in all {
            merged.created.extend(orders.created);
            merged.refused.extend(orders.refused);
        }
        merged
    }

    #[track_caller]
    fn assert_matches_replies(&self, store: &Store) {
        self.created.iter().for_each(|n| assert_there(store, *n));
        self.refused
            .iter()
            .for_each(|n| assert_not_there(store, *n));
    }
}

/// Runs the writers concurrently. Each one stops when `is_over` returns true for its orders.
fn write(store: &Store, is_over: impl Fn(&Orders) -> bool + Sync) -> Orders {
    let is_over = &is_over;
    let write = |writer: u64| {
        let mut orders = Orders::default();
        for n in (writer + 1) * 1_000_000.. {
            if is_over(&orders) {
                break;
            }
            if !orders.create(store, n) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        orders
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        let all = threads.into_iter().map(|thread| thread.join().unwrap());
        Orders::merge(all.collect())
    })
}

/// Reads the orders from before the disk was full: at random, which defeats the cache, then by
/// history and by list.
fn read_everything(store: &Store) {
    let mut rng = SeededRng::new(7);
    for _ in 0..OLD {
        assert_there(store, rng.below(OLD as usize) as u64);
    }
    for n in (0..OLD).step_by(97) {
        assert_eq!(store.history(no(n)).wait().unwrap().len(), 1);
    }
    let (mut seen, mut after) = (0, PageRequest::of(500));
    loop {
        let page = store.list(OrderQuery::all().page(after)).wait().unwrap();
        seen += page.rows.iter().filter(|order| order.no < no(OLD)).count();
        match page.next {
            Some(cursor) => after = PageRequest::of(500).after(cursor),
            None => break,
        }
    }
    assert_eq!(seen as u64, OLD);
    assert!(store.counts().wait().unwrap().orders() >= OLD);
}

/// Creates an order. Retries until the store notices that the disk has space again.
fn create_again(store: &Store, n: u64) {
    while !Orders::default().create(store, n) {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn full_disk_refuses_writes_but_serves_reads() {
    let Some(root) = mounted() else {
        return on_a_mount("disk_full::full_disk_refuses_writes_but_serves_reads");
    };
    within_a_minute(move || {
        let store = filled(builder(), &root);
        let ballast = Ballast::fill(&root);
        let full = write(&store, |orders| orders.refused.len() >= 5);
        assert!(matches!(store.health(), Health::DiskFull));
        read_everything(&store);
        full.assert_matches_replies(&store);
        let before = store.get(no(1)).wait().unwrap();
        let paid = store.confirm(no(1), fixtures::payment(1, 100)).wait();
        assert!(matches!(paid, Err(Error::DiskFull)), "{paid:?}");
        assert_eq!(store.get(no(1)).wait().unwrap(), before);

        drop(ballast);
        create_again(&store, full.refused[0]);
        let flushes = store.stats().checkpoints;
        for n in OLD..OLD + 2000 {
            create_again(&store, n);
        }
        assert!(store.stats().checkpoints > flushes);
        assert!(
            store
                .confirm(no(1), fixtures::payment(1, 100))
                .wait()
                .is_ok()
        );
        assert_sound(&store);
        assert!(!matches!(store.health(), Health::DiskFull));

        store.shutdown().wait().unwrap();
        let store = builder().open_verified(dir(&root)).unwrap();
        full.created.iter().for_each(|n| assert_there(&store, *n));
        (0..OLD + 2000).for_each(|n| assert_there(&store, n));
        assert_not_there(&store, full.refused[1]);
    });
}

/// Fills the disk each time the checkpoint thread writes to the B-tree. The store's own check for
/// space has passed just before, so the write itself fails.
fn fill_disk_during_checkpoints(root: &Path) {
    let mut rng = SeededRng::new(1);
    let base = dir(root).join("base.redb");
    let written = || fs::metadata(&base).unwrap().modified().unwrap();
    for _ in 0..60 {
        let most = Ballast::all_but(root, ROOM_MIB);
        let before = written();
        // Limit this wait, because no checkpoint begins if the journal has taken the space.
        for _ in 0..10_000 {
            if written() != before {
                break;
            }
            thread::sleep(Duration::from_micros(20));
        }
        let rest = Ballast::rest(root);
        thread::sleep(Duration::from_millis(rng.below(50) as u64));
        drop((most, rest));
    }
}

/// Fills the disk during checkpoints and segment creation, and frees the space again.
#[test]
fn varying_free_space_loses_no_acknowledged_order() {
    let Some(root) = mounted() else {
        return on_a_mount("disk_full::varying_free_space_loses_no_acknowledged_order");
    };
    within_a_minute(move || {
        let store = filled(builder().in_small_parts(SMALL), &root);
        let (is_over, reads) = (AtomicBool::new(false), AtomicU64::new(0));
        let orders = thread::scope(|scope| {
            scope.spawn(|| {
                fill_disk_during_checkpoints(&root);
                is_over.store(true, Ordering::SeqCst);
            });
            scope.spawn(|| {
                let mut rng = SeededRng::new(2);
                while !is_over.load(Ordering::SeqCst) {
                    assert_there(&store, rng.below(OLD as usize) as u64);
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            });
            write(&store, |_| is_over.load(Ordering::SeqCst))
        });
        println!(
            "{} created, {} refused, {} reads, {} flushes",
            orders.created.len(),
            orders.refused.len(),
            reads.into_inner(),
            store.stats().checkpoints,
        );
        orders.assert_matches_replies(&store);
        create_again(&store, OLD);
        // The store retries the blocked checkpoint by itself.
        while matches!(store.health(), Health::DiskFull) {
            thread::sleep(Duration::from_millis(10));
        }
        assert_sound(&store);
        store.shutdown().wait().unwrap();
        let store = builder().open_verified(dir(&root)).unwrap();
        orders.assert_matches_replies(&store);
        read_everything(&store);
    });
}
