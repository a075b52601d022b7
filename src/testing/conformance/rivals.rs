//! Conformance cases for two stores that write to one engine at the same time. If both change one
//! record, the later writer must decide again.

use super::Harness;
use super::tools::{assert_sound, at_once};
use crate::order::{Annotated, Confirmed};
use crate::store::Store;
use crate::testing::{SharedEngine, fixtures};
use crate::types::Metadata;

const ORDERS: u64 = 30;
const THREADS: usize = 8;

/// Opens two stores on one engine, with 30 orders of 100 fen.
fn rivals(harness: &dyn Harness) -> [Store; 2] {
    let engine = SharedEngine::new(harness.engine());
    let stores = [engine.again(), engine].map(|engine| Store::builder().engine(engine).unwrap());
    let [first, _] = &stores;
    for n in 0..ORDERS {
        let create = first.create(fixtures::order_no(n), fixtures::new(100));
        let _ = create.wait().unwrap();
    }
    stores
}

fn of(stores: &[Store; 2], thread: usize) -> &Store {
    let [first, second] = stores;
    if thread.is_multiple_of(2) {
        first
    } else {
        second
    }
}

pub(super) fn payment_in_two_stores_is_applied_once(harness: &dyn Harness) {
    let stores = rivals(harness);
    let outcomes = at_once(THREADS, |thread| {
        let confirm = |n| {
            let payment = fixtures::payment(n, 100);
            let call = of(&stores, thread).confirm(fixtures::order_no(n), payment);
            call.wait().unwrap().outcome
        };
        (0..ORDERS).map(confirm).collect::<Vec<_>>()
    });
    let all = || outcomes.iter().flatten();
    let applied = all().filter(|outcome| **outcome == Confirmed::Applied);
    assert_eq!(applied.count(), 30);
    let duplicates = all().filter(|outcome| **outcome == Confirmed::Duplicate);
    assert_eq!(duplicates.count(), 30 * (THREADS - 1));
    assert_sound(of(&stores, 0));
}

pub(super) fn concurrent_stores_lose_no_update(harness: &dyn Harness) {
    let stores = rivals(harness);
    let no = fixtures::order_no(0);
    let won = at_once(THREADS, |thread| {
        let store = of(&stores, thread);
        let annotate = |turn: u64| {
            let version = store.get(no).wait().unwrap().unwrap().version;
            let metadata = Metadata::new(turn.to_le_bytes()).unwrap();
            let call = store.annotate(no, version, metadata);
            u64::from(call.wait().unwrap().outcome == Annotated::Annotated)
        };
        (0..20).map(annotate).sum::<u64>()
    });
    let version = of(&stores, 1).get(no).wait().unwrap().unwrap().version;
    assert_eq!(version, 1 + won.iter().sum::<u64>());
    assert_sound(of(&stores, 1));
}
