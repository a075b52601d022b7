//! Property test: a store on the local engine and a store in memory return the same results, for
//! random commands and checkpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;

use super::fixture::{NOW, new, no, openid, options, payment, reference};
use crate::engine::{LocalEngine, MemoryEngine};
use crate::order::{CloseReply, NewOrder, Order, Status};
use crate::query::{OrderQuery, PageRequest};
use crate::store::Store;
use crate::types::Timestamp;

/// Store on the local engine and store on the memory engine, with the same clock.
struct Pair {
    clock: Arc<AtomicI64>,
    local: Store,
    memory: Store,
    _place: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut options = options();
        options.memtable_bytes = 24 << 10;
        let local = LocalEngine::init(place.path().join("shop"), &options).unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let builder = || {
            let clock = Arc::clone(&clock);
            let now = move || Timestamp::from_millis(clock.load(Ordering::SeqCst)).unwrap();
            Store::builder().clock(now)
        };
        Self {
            local: builder().engine(local).unwrap(),
            memory: builder().engine(MemoryEngine::new().unwrap()).unwrap(),
            clock,
            _place: place,
        }
    }

    /// Asserts that a call returns the same result on both stores.
    fn both<T: std::fmt::Debug + PartialEq>(&self, call: impl Fn(&Store) -> T) {
        assert_eq!(call(&self.local), call(&self.memory));
    }

    fn act(&self, action: &Action) {
        self.clock.fetch_add(1, Ordering::SeqCst);
        let order = no(action.order);
        let id = format!("T{}", action.value);
        self.both(|store| match action.kind {
            0..=3 => text(store.create(order, made(action)).wait()),
            4..=6 => text(store.confirm(order, payment(&id)).wait()),
            7 => text(store.begin_close(order).wait()),
            8 => text(store.record_close(order, CloseReply::Closed).wait()),
            _ => text(store.abort_close(order).wait()),
        });
        if action.kind == 10 {
            self.local.checkpoint().wait().unwrap();
        }
    }

    fn compare(&self) {
        let lists = [
            OrderQuery::all(),
            OrderQuery::all().statuses(&[Status::Pending]),
            OrderQuery::all().statuses(&[Status::Success]),
            OrderQuery::by_openid(&openid("oUser-of-ours-1")),
        ];
        for list in &lists {
            self.both(|store| pages(store, list));
        }
        self.both(|store| {
            let due = store
                .due(Timestamp::MAX, PageRequest::of(1000))
                .wait()
                .unwrap();
            due.rows
                .iter()
                .map(|due| (due.no, due.at))
                .collect::<Vec<_>>()
        });
        self.both(|store| store.counts().wait().unwrap());
        self.both(|store| {
            let start = crate::FeedCursor::START;
            let feed = store.events(start, 1000).wait().unwrap();
            feed.into_iter().map(|e| e.event).collect::<Vec<_>>()
        });
        for n in 0..ORDERS {
            self.both(|store| store.get(no(n)).wait().unwrap());
            self.both(|store| store.history(no(n)).wait().unwrap());
        }
    }
}

/// Debug output of a reply.
fn text<T: std::fmt::Debug>(reply: Result<T, crate::Error>) -> String {
    format!("{reply:?}")
}

fn made(action: &Action) -> NewOrder {
    let new = new().openid(openid(&format!("oUser-of-ours-{}", action.value % 3)));
    if action.value.is_multiple_of(2) {
        new.reference(reference(&format!("R{}", action.value)))
    } else {
        new
    }
}

/// All orders of a list, read in pages of three.
fn pages(store: &Store, list: &OrderQuery) -> Vec<Arc<Order>> {
    let (mut page, mut found) = (PageRequest::of(3), Vec::new());
    loop {
        let rows = store.list(list.clone().page(page)).wait().unwrap();
        found.extend(rows.rows);
        match rows.next {
            Some(next) => page = page.after(next),
            None => return found,
        }
    }
}

const ORDERS: usize = 24;

#[derive(Debug, Clone)]
struct Action {
    kind: u8,
    order: usize,
    value: u8,
}

fn action() -> impl Strategy<Value = Action> {
    let parts = (0..=10_u8, 0..ORDERS, 0..12_u8);
    parts.prop_map(|(kind, order, value)| Action { kind, order, value })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn local_and_memory_engine_return_same_results(
        actions in proptest::collection::vec(action(), 1..160)
    ) {
        let pair = Pair::new();
        for action in &actions {
            pair.act(action);
        }
        pair.compare();
        pair.local.checkpoint().wait().unwrap();
        pair.compare();
        let report = pair.local.verify().wait().unwrap();
        prop_assert!(report.is_ok(), "{report:?}");
    }
}
