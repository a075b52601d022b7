//! Stores with corrupt pages on disk, tested through the public API.

use std::fs;
use std::path::{Path, PathBuf};

use orderstore::testing::{SeededRng, fixtures};
use orderstore::{
    Confirmed, Created, Error, Event, Health, Invariant, Order, OrderNo, OrderQuery, PageRequest,
    StorageErrorKind, Store, Violation,
};
use tempfile::TempDir;

const PAGE: usize = 4096;

/// Closed store in which every third order is unpaid.
struct Shop {
    place: TempDir,
    orders: Vec<(Order, Vec<Event>)>,
    base: Vec<u8>,
}

impl Shop {
    fn of(count: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(place.path().join("old")).unwrap();
        let create = |n| {
            let new = fixtures::new(100).openid(fixtures::openid(n % 50));
            fixtures::create(n, new.reference(fixtures::reference(n)))
        };
        let confirm = |n| fixtures::confirm(n, fixtures::payment(n, 100));
        let paid = (0..count).filter(|n| n % 3 != 0);
        let commands: Vec<_> = (0..count).map(create).chain(paid.map(confirm)).collect();
        for part in commands.chunks(200) {
            for answer in store.submit_all(part.to_vec()).unwrap() {
                let _ = answer.wait().unwrap();
            }
        }
        store.checkpoint().wait().unwrap();
        let order = |n| {
            let no = fixtures::order_no(n);
            let order = store.get(no).wait().unwrap().unwrap();
            let history = store.history(no).wait().unwrap();
            ((*order).clone(), history)
        };
        let orders = (0..count).map(order).collect();
        store.shutdown().wait().unwrap();
        let base = fs::read(place.path().join("old/base.redb")).unwrap();
        Self {
            place,
            orders,
            base,
        }
    }

    fn dir(&self) -> PathBuf {
        self.place.path().join("old")
    }

    /// Copies the closed store and corrupts bytes of `base.redb` in the copy. The journal stays
    /// unchanged.
    fn damage(&self, harm: impl FnOnce(&mut [u8])) -> TempDir {
        let place = tempfile::tempdir().unwrap();
        copy(&self.dir(), &place.path().join("old"));
        let mut base = self.base.clone();
        harm(&mut base);
        fs::write(place.path().join("old/base.redb"), base).unwrap();
        place
    }

    /// Corrupts a branch page that leads to some of the events, but not to the last ones. The test
    /// appends events after the last one, so that path must stay intact.
    fn without_a_branch_of_events(&self) -> TempDir {
        let last = self.orders.last().unwrap().0.no;
        for at in (1..self.base.len() / PAGE).map(|page| page * PAGE) {
            let page = &self.base[at..][..PAGE];
            if !is_branch_of_events(page) {
                continue;
            }
            let place = self.damage(|base| base[at + 8..][..40].fill(0xa5));
            let Ok(store) = Store::open(place.path().join("old")) else {
                continue;
            };
            let is_lost =
                |(order, _): &(Order, Vec<Event>)| is_unreadable(&store.history(order.no).wait());
            let lost = self
                .orders
                .iter()
                .step_by(50)
                .filter(|it| is_lost(it))
                .count();
            // The history of the last order must be readable, because the test appends events after
            // it.
            let is_end_intact = store.history(last).wait().is_ok();
            store.shutdown().wait().unwrap();
            if is_end_intact && lost > 0 {
                return place;
            }
        }
        panic!("no suitable branch page of events found");
    }
}

/// Returns whether a page looks like a branch page of the events table: child pointers, and
/// ascending sequence numbers between them.
fn is_branch_of_events(page: &[u8]) -> bool {
    let keys = usize::from(u16::from_le_bytes([page[2], page[3]]));
    // A branch page of redb begins with 8 bytes of header; bytes 2 and 3 are the number of keys.
    // Then each of the `keys + 1` children has a checksum of 16 bytes and a page number of 8 bytes.
    // The keys come last.
    let start = 8 + 24 * (keys + 1);
    if page[0] != 2 || keys < 20 || start + 8 * keys > PAGE {
        return false;
    }
    let key = |n: usize| u64::from_be_bytes(*page[start + 8 * n..].first_chunk().unwrap());
    (1..keys).all(|n| key(n - 1) < key(n) && key(n) < 100_000)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Shuts a store down. redb cannot close the file when its internal pages are corrupt.
fn end(store: &Store) {
    let ended = store.shutdown().wait();
    assert!(
        matches!(ended, Ok(()) | Err(Error::Unclosed(_))),
        "{ended:?}"
    );
}

fn is_unreadable<T>(read: &Result<T, Error>) -> bool {
    matches!(read, Err(Error::Unreadable(_)))
}

/// Number of orders with which the events table has more than one branch page.
#[cfg(unix)]
const MANY: u64 = 8000;

/// Runs in a child process limited to 2 GB of memory. If a corrupt page reference were followed
/// without a check, redb would allocate 4 GiB and more.
#[cfg(unix)]
#[test]
fn corrupt_branch_page_affects_only_entries_below_it() {
    const NAME: &str = "damage::corrupt_branch_page_affects_only_entries_below_it";
    if std::env::var_os("ORDERSTORE_SMALL").is_none() {
        let limited = "ulimit -v 2000000 && exec \"$0\" --exact \"$1\" --nocapture";
        let child = std::process::Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().unwrap())
            .arg(NAME)
            .env("ORDERSTORE_SMALL", "1")
            .status();
        assert!(child.unwrap().success());
        return;
    }
    let shop = Shop::of(MANY);
    let place = shop.without_a_branch_of_events();
    let old = place.path().join("old");
    let store = Store::open(&old).unwrap();
    assert!(matches!(store.health(), Health::Ok));
    let (mut lost, mut pending) = (0, None);
    for (n, (order, history)) in (0..).zip(&shop.orders) {
        assert_eq!(*store.get(order.no).wait().unwrap().unwrap(), *order);
        match store.history(order.no).wait() {
            Ok(found) => {
                assert_eq!(found, *history);
                pending = pending.or((n % 3 == 0).then_some(n));
            }
            found => {
                assert!(is_unreadable(&found), "{found:?}");
                lost += 1;
            }
        }
    }
    assert!(lost > 100 && lost < MANY - 100, "{lost}");
    // The store reports the corrupt page. No failed read made the store reopen the B-tree.
    assert!(matches!(store.health(), Health::Damaged { pages: 1 }));
    let stats = store.stats();
    assert_eq!((stats.damaged_pages, stats.reopened), (1, 0));
    assert_confirms_and_creates(&store, pending.unwrap());
    store.checkpoint().wait().unwrap();
    // The checkpoint found no index to rebuild. The search left the open B-tree as it is.
    assert_eq!(store.stats().reopened, 0);
    let report = store.verify().wait().unwrap();
    let twice = |found: &Violation| found.what.contains("two of its runs");
    assert!(!report.violations.iter().any(twice), "{report:#?}");
    let first = &report.violations[0];
    assert_eq!(first.invariant, Invariant::I18);
    assert!(first.what.contains("base.redb"), "{first}");
    assert_eq!(report.records, MANY + 1);
    assert!(report.violation_count > 100);
    store.shutdown().wait().unwrap();
    assert_repair_keeps_orders(&shop, &old);
}

#[cfg(unix)]
fn assert_confirms_and_creates(store: &Store, pending: u64) {
    let confirmed = store
        .confirm(fixtures::order_no(pending), fixtures::payment(pending, 100))
        .wait();
    assert_eq!(confirmed.unwrap().outcome, Confirmed::Applied);
    let no = fixtures::order_no(MANY + 1);
    let created = store.create(no, fixtures::new(100)).wait();
    assert_eq!(created.unwrap().outcome, Created::Created);
    let confirmed = store.confirm(no, fixtures::payment(MANY + 1, 100)).wait();
    assert_eq!(confirmed.unwrap().outcome, Confirmed::Applied);
}

/// Repairs the store. Every order must survive, even if its history is lost.
#[cfg(unix)]
fn assert_repair_keeps_orders(shop: &Shop, old: &Path) {
    let new = old.with_file_name("new");
    let report = Store::repair(old, &new).unwrap();
    assert!(
        report.verified.is_ok() && report.events_lost > 100,
        "{report:#?}"
    );
    assert!(report.is_every_record_read);
    assert_eq!(report.records, MANY + 1);
    let store = Store::open_verified(&new).unwrap();
    let mut as_before = 0;
    for (order, history) in &shop.orders {
        let found = store.get(order.no).wait().unwrap().unwrap();
        assert!(order.payment.is_none() || found.payment == order.payment);
        as_before += usize::from(store.history(order.no).wait().unwrap() == *history);
    }
    assert!(as_before > 100, "{as_before}");
}

#[test]
fn flipped_bit_never_makes_an_order_missing() {
    let shop = Shop::of(80);
    let mut rng = SeededRng::new(19);
    let (mut unreadable, mut unopened) = (0, 0);
    for trial in 0..150 {
        // Pick a random byte from the pages that are not all zeros.
        let at = loop {
            let at = PAGE + rng.below(shop.base.len() - PAGE);
            let page = &shop.base[at / PAGE * PAGE..][..PAGE];
            if page.iter().any(|byte| *byte != 0) {
                break at;
            }
        };
        let place = shop.damage(|base| base[at] ^= 1 << rng.below(8));
        let Ok(store) = Store::open(place.path().join("old")) else {
            unopened += 1;
            continue;
        };
        for (n, (order, _)) in (0..).zip(&shop.orders) {
            match store.get(order.no).wait() {
                Ok(found) => assert_eq!(found.as_deref(), Some(order), "byte {at}"),
                found => {
                    assert!(is_unreadable(&found), "{found:?}");
                    unreadable += 1;
                }
            }
            if n % 10 == trial % 10 {
                assert_not_created_again(&store, order.no, at);
            }
        }
        let mine = OrderQuery::by_openid(&fixtures::openid(7)).page(PageRequest::of(100));
        match store.list(mine).wait() {
            Ok(page) => assert_eq!(page.rows.len(), 2, "byte {at}"),
            found => assert!(is_unreadable(&found), "{found:?}"),
        }
        end(&store);
    }
    // The test would prove nothing if no read ever hit the corruption.
    assert!(
        unreadable > 20 && unopened < 100,
        "{unreadable} unreadable, {unopened} unopened"
    );
}

/// Number of checkpoints, each with a new sorted run: enough to merge the new runs of two indexes.
const CHECKPOINTS: u64 = 10;

/// Corrupts each page in use in turn: every acknowledged command must be found after the store is
/// opened again.
#[test]
fn corrupt_page_loses_no_acknowledged_command() {
    let shop = Shop::of(100);
    let (mut taken, mut refused, mut repaired) = (0, 0, 0);
    let (mut unflushed, mut rebuilt) = (0, 0);
    for at in (1..shop.base.len() / PAGE).map(|page| page * PAGE) {
        if shop.base[at..][..PAGE].iter().all(|byte| *byte == 0) {
            continue;
        }
        let place = shop.damage(|base| base[at + 8..][..40].fill(0xa5));
        let old = place.path().join("old");
        if let Ok(store) = Store::open(&old) {
            let mut acknowledged = Vec::new();
            for n in 1000..1000 + CHECKPOINTS {
                let no = fixtures::order_no(n);
                let new = fixtures::new(100).openid(fixtures::openid(n));
                let created = store.create(no, new).wait();
                let confirmed = store.confirm(no, fixtures::payment(n, 100)).wait();
                // Ignore a failure: the checkpoint below fails again if the page still blocks it.
                drop(store.checkpoint().wait());
                assert!(created.is_ok() || is_unreadable(&created), "{created:?}");
                match confirmed {
                    Ok(answer) if answer.outcome == Confirmed::Applied => acknowledged.push(n),
                    Ok(_) => {}
                    confirmed => assert!(is_unreadable(&confirmed), "{confirmed:?}"),
                }
            }
            assert_transactions_stay_taken(&store, &shop, at);
            taken += acknowledged.len();
            refused += usize::try_from(CHECKPOINTS).unwrap() - acknowledged.len();
            let is_flushed = store.checkpoint().wait().is_ok();
            unflushed += usize::from(!is_flushed);
            let report = store.verify().wait().unwrap();
            if is_flushed && has_rebuilt(&old) {
                assert!(report.is_ok(), "page at {at}: {report:#?}");
                rebuilt += 1;
            }
            // If the verification finds violations, the health must show them. It finds none if no
            // tree refers to the corrupt page.
            assert!(report.is_ok() || !matches!(store.health(), Health::Ok));
            end(&store);
            let store = Store::open(&old).unwrap();
            for n in &acknowledged {
                let order = store.get(fixtures::order_no(*n)).wait().unwrap();
                assert!(
                    order.unwrap().payment.is_some(),
                    "page at {at}: order {n} is lost"
                );
            }
            end(&store);
        }
        if at % (8 * PAGE) == 0
            && let Ok(report) = Store::repair(&old, place.path().join("new"))
        {
            assert!(report.verified.is_ok(), "page at {at}: {report:#?}");
            repaired += 1;
        }
    }
    assert!(
        taken > 60 && rebuilt > 2,
        "{taken} accepted, {refused} refused, {rebuilt} rebuilt"
    );
    // The last page of the events and redb's internal pages cannot be rebuilt.
    assert!(
        (1..=3).contains(&unflushed),
        "{unflushed} blocked, {rebuilt} rebuilt"
    );
    assert!(repaired > 2, "{repaired}");
}

/// Whether a checkpoint of this store has rebuilt an index. The tables of the old index stay in the
/// file under new names.
fn has_rebuilt(store: &Path) -> bool {
    let bytes = fs::read(store.join("base.redb")).unwrap();
    bytes.windows(8).any(|part| part == b".damaged")
}

/// Asserts that no order is paid by the transaction of another one.
fn assert_transactions_stay_taken(store: &Store, shop: &Shop, at: usize) {
    let is_paid = |order: &Order| order.payment.is_some();
    let unpaid = shop.orders.iter().find(|(order, _)| !is_paid(order));
    let (unpaid, _) = unpaid.unwrap();
    let paid = (0..).zip(&shop.orders);
    let paid = paid.filter(|(_, (order, _))| is_paid(order));
    for (n, (order, _)) in paid.step_by(16) {
        let again = store.confirm(unpaid.no, fixtures::payment(n, 100));
        match again.wait() {
            Ok(answer) => {
                let taken = Confirmed::TransactionTaken { by: order.no };
                assert_eq!(answer.outcome, taken, "page at {at}");
            }
            again => assert!(is_unreadable(&again), "{again:?}"),
        }
    }
}

/// Corrupts the last page of the events, which blocks every checkpoint. Once the memtable is full,
/// the store refuses every command as stalled. It must not report a fault of a single order.
#[test]
fn checkpoint_blocked_by_corruption_stalls_commands() {
    let shop = Shop::of(100);
    let open = |place: &TempDir| {
        let builder = Store::builder().memtable_bytes(1 << 20);
        builder.open(place.path().join("old"))
    };
    let stops = |at: &usize| {
        let place = shop.damage(|base| base[at + 8..][..40].fill(0xa5));
        let Ok(store) = open(&place) else {
            return None;
        };
        let created = store.create(fixtures::order_no(1000), fixtures::new(100));
        let is_stopped = created.wait().is_ok() && store.checkpoint().wait().is_err();
        end(&store);
        is_stopped.then_some(place)
    };
    let mut pages = (1..shop.base.len() / PAGE).map(|page| page * PAGE);
    let place = pages.find_map(|at| stops(&at)).unwrap();
    let store = open(&place).unwrap();
    let mut acknowledged = 1000..1001;
    let refusal = loop {
        let n = acknowledged.end;
        match store
            .create(fixtures::order_no(n), fixtures::new(100))
            .wait()
        {
            Ok(_) => acknowledged.end += 1,
            Err(error) => break error,
        }
        assert!(n < 20_000, "no command was refused");
    };
    assert!(!refusal.is_retryable(), "{refusal:?}");
    let Error::NotApplied(cause) = &refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(cause.kind(), StorageErrorKind::Stalled);
    assert!(cause.to_string().contains("repair"), "{cause}");
    assert!(matches!(store.health(), Health::Damaged { .. }));
    end(&store);
    let store = open(&place).unwrap();
    for n in acknowledged {
        assert!(store.get(fixtures::order_no(n)).wait().unwrap().is_some());
    }
    end(&store);
}

/// Corrupts a leaf of the transactions that no checkpoint meets. After a read has found it, the next
/// checkpoint must rebuild the index.
#[test]
fn index_is_rebuilt_after_a_read_found_its_corrupt_page() {
    // The transactions need several leaves.
    let shop = Shop::of(900);
    let is_paid = |order: &Order| order.payment.is_some();
    let unpaid = shop.orders.iter().find(|(order, _)| !is_paid(order));
    let (unpaid, _) = unpaid.unwrap();
    let checkpoint = |store: &Store, n: u64| {
        let no = fixtures::order_no(n);
        let created = store.create(no, fixtures::new(100)).wait();
        created.is_ok() && store.checkpoint().wait().is_ok()
    };
    let is_index = |at: &usize| {
        let page = &shop.base[*at..][..PAGE];
        !page.windows(6).any(|part| part == b"ORDER-")
    };
    let pages = (1..shop.base.len() / PAGE).map(|page| page * PAGE);
    let is_healed = pages.filter(is_index).any(|at| {
        let place = shop.damage(|base| base[at + 8..][..40].fill(0xa5));
        let old = place.path().join("old");
        let Ok(store) = Store::open(&old) else {
            return false;
        };
        // Skip pages that a checkpoint meets, or that are found when the store opens.
        if !checkpoint(&store, 1000) || has_rebuilt(&old) || store.stats().damaged_pages > 0 {
            end(&store);
            return false;
        }
        let paid = (0..).zip(&shop.orders);
        let paid = paid.filter(|(_, (order, _))| is_paid(order));
        let taken = |(n, _): (u64, _)| store.confirm(unpaid.no, fixtures::payment(n, 100));
        // At most 60 anomalies, because a record keeps 64.
        let is_found = paid
            .step_by(4)
            .any(|order| is_unreadable(&taken(order).wait()));
        let is_healed = is_found && checkpoint(&store, 1001) && has_rebuilt(&old);
        if is_healed {
            assert_eq!(store.stats().damaged_pages, 0);
            let report = store.verify().wait().unwrap();
            assert!(report.is_ok(), "page at {at}: {report:#?}");
        }
        end(&store);
        is_healed
    });
    assert!(is_healed);
}

/// Corrupts all pages of the indexes at once. The rebuild must clear exactly these pages from the
/// store's health.
#[test]
fn index_rebuild_with_several_corrupt_pages_restores_health() {
    let shop = Shop::of(300);
    let write = |place: &TempDir| {
        let store = Store::open(place.path().join("old")).ok()?;
        let is_written = (1000..1000 + CHECKPOINTS).all(|n| {
            let no = fixtures::order_no(n);
            let created = store.create(no, fixtures::new(100).openid(fixtures::openid(1)));
            // The checkpoint comes before the payment: while both the index by transaction and its
            // filter are corrupt, no payment is accepted.
            let is_written = created.wait().is_ok() && store.checkpoint().wait().is_ok();
            is_written && store.confirm(no, fixtures::payment(n, 100)).wait().is_ok()
        });
        let is_rebuilt = is_written && has_rebuilt(&place.path().join("old"));
        if !is_rebuilt {
            end(&store);
        }
        is_rebuilt.then_some(store)
    };
    let corrupt = |pages: &[usize]| {
        shop.damage(|base| {
            for at in pages {
                base[at + 8..][..40].fill(0xa5);
            }
        })
    };
    let pages = (1..shop.base.len() / PAGE).map(|page| page * PAGE);
    let is_of_index = |at: &usize| {
        let store = write(&corrupt(&[*at]));
        store.is_some_and(|store| {
            end(&store);
            true
        })
    };
    let pages: Vec<usize> = pages.filter(is_of_index).collect();
    assert!(pages.len() >= 5, "{pages:?}");
    let place = corrupt(&pages);
    let store = write(&place).unwrap();
    assert!(store.verify().wait().unwrap().is_ok());
    assert!(matches!(store.health(), Health::Ok), "{:?}", store.health());
    assert_eq!(store.stats().damaged_pages, 0);
    end(&store);
}

/// Asserts that the store does not create an existing order again.
fn assert_not_created_again(store: &Store, no: OrderNo, at: usize) {
    let created = store.create(no, fixtures::new(100)).wait();
    let outcome = created.map(|answer| answer.outcome);
    assert!(
        !matches!(outcome, Ok(Created::Created)),
        "byte {at}: {no} was created again"
    );
}
