//! Callers of several stores change few orders concurrently. The checker must accept all answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orderstore::testing::{SeededRng, fixtures};
use orderstore::{Annotated, Metadata, Store};

use crate::checker::{Seen, check};
use crate::conformance::{fresh_url, shared};

const ORDERS: usize = 3;
const CALLERS: u64 = 8;
const CALLS: u64 = 400;

/// One answer: the index of its order, the call with the version in the answer, and the text of an
/// annotation.
type Shown = (usize, Seen, Option<String>);

fn call(
    store: &Store,
    ticks: &AtomicU64,
    rng: &mut SeededRng,
    known: &mut [u64],
    words: &str,
) -> Shown {
    let tick = || ticks.fetch_add(1, Ordering::SeqCst);
    let which = rng.below(ORDERS);
    let no = fixtures::order_no(which as u64);
    let asked = tick();
    let (order, wrote) = if rng.below(3) == 0 {
        (store.get(no).wait().unwrap(), false)
    } else {
        let metadata = Metadata::new(words).unwrap();
        let answer = store.annotate(no, known[which], metadata).wait().unwrap();
        (answer.order, answer.outcome == Annotated::Annotated)
    };
    let answered = tick();
    let version = order.map_or(0, |order| order.version);
    known[which] = version;
    let seen = Seen {
        asked,
        answered,
        version,
        wrote,
    };
    (which, seen, wrote.then(|| words.to_owned()))
}

#[test]
fn postgres_history_of_three_stores_is_linearizable() {
    let Some(server) = shared() else { return };
    let url = fresh_url(server);
    let stores = [(); 3].map(|()| Store::connect(&url).unwrap());
    let ticks = AtomicU64::new(0);
    let mut shown: Vec<Shown> = Vec::new();
    for n in 0..ORDERS {
        let asked = ticks.fetch_add(1, Ordering::SeqCst);
        let made = stores[0].create(fixtures::order_no(n as u64), fixtures::new(100));
        let version = made.wait().unwrap().order.unwrap().version;
        let answered = ticks.fetch_add(1, Ordering::SeqCst);
        let seen = Seen {
            asked,
            answered,
            version,
            wrote: true,
        };
        shown.push((n, seen, None));
    }
    let (stores, ticks) = (&stores, &ticks);
    let caller = |id: u64| {
        let (mut rng, mut known) = (SeededRng::new(id), [1; ORDERS]);
        let store = &stores[usize::try_from(id).unwrap() % stores.len()];
        let turn = |turn| call(store, ticks, &mut rng, &mut known, &format!("{id}-{turn}"));
        (0..CALLS).map(turn).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS)
            .map(|id| scope.spawn(move || caller(id)))
            .collect();
        shown.extend(
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap()),
        );
    });
    for which in 0..ORDERS {
        let own = || shown.iter().filter(|(order, ..)| *order == which);
        let seen: Vec<Seen> = own().map(|(_, seen, _)| *seen).collect();
        let history = stores[1]
            .history(fixtures::order_no(which as u64))
            .wait()
            .unwrap();
        check(&seen, history.len() as u64).unwrap();
        for (_, seen, words) in own().filter(|(_, _, words)| words.is_some()) {
            let event = &history[usize::try_from(seen.version - 1).unwrap()];
            let shown_event = format!("{:?}", event.what);
            let written = Metadata::new(words.as_ref().unwrap()).unwrap();
            assert_eq!(
                event.what,
                orderstore::EventKind::Annotated(written),
                "{shown_event}"
            );
        }
    }
}
