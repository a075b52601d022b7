//! Many callers change few orders concurrently. The checker must accept all answers.
//!
//! `HISTORY_COMMANDS` is the total number of calls (200,000). A failure prints the seed, and
//! `HISTORY_SEED` sets it. A seed repeats the calls but not their timing.

mod checker;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orderstore::testing::{SeededRng, Sizes, fixtures};
use orderstore::{
    Annotated, CloseOutcome, Confirmed, Created, Error, EventKind, Metadata, Order, OrderNo,
    OrderQuery, PageRequest, Reply, Store, Ticket,
};
use tempfile::TempDir;

use self::checker::{Seen, check};
use crate::environment::figure;
use crate::flow::rig::Rig;

/// Number of orders, which all callers change.
const ORDERS: u64 = 5;

/// Number of callers.
const CALLERS: u64 = 8;

/// Logical clock: every reading is greater than all readings before it.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Answer to one call, for one order.
struct Shown {
    no: OrderNo,
    seen: Seen,
    order: Option<Arc<Order>>,
    /// Text of the annotation, if the call wrote one.
    text: Option<String>,
}

struct Caller<'a> {
    store: &'a Store,
    counter: &'a Counter,
    id: u64,
    rng: SeededRng,
    shown: Vec<Shown>,
    /// Last version of each order in this caller's answers.
    versions: HashMap<OrderNo, u64>,
}

impl Caller<'_> {
    fn run(mut self, calls: u64) -> Vec<Shown> {
        for n in 0..ORDERS {
            self.create(fixtures::order_no(n));
        }
        for turn in 0..calls {
            self.turn(turn);
        }
        self.shown
    }

    fn turn(&mut self, turn: u64) {
        let no = fixtures::order_no(self.rng.below(ORDERS as usize) as u64);
        match self.rng.below(1000) {
            0..=1 => self.history(no),
            2..=30 => self.list(),
            31..=400 => self.get(no),
            401..=430 => self.create(no),
            431..=435 => {
                let payment = fixtures::payment(self.id * 1_000_000 + turn, 100);
                let call = self.store.confirm(no, payment);
                let wrote = [
                    Confirmed::Applied,
                    Confirmed::DoublePayment,
                    Confirmed::Late,
                ];
                self.run_call(no, call, |paid| wrote.contains(paid));
            }
            436..=470 => {
                let call = self.store.begin_close(no);
                self.run_call(no, call, |answer| *answer == CloseOutcome::Closing);
            }
            471..=505 => {
                let call = self.store.abort_close(no);
                self.run_call(no, call, |answer| *answer == CloseOutcome::Reopened);
            }
            506..=600 => self.annotate_twice(no, turn),
            _ => self.annotate(no, turn),
        }
    }

    fn create(&mut self, no: OrderNo) {
        let call = self.store.create(no, fixtures::new(100));
        self.run_call(no, call, |made| *made == Created::Created);
    }

    fn run_call<O: Send + 'static>(
        &mut self,
        no: OrderNo,
        call: orderstore::Call<Reply<O>>,
        wrote: impl Fn(&O) -> bool,
    ) {
        let asked = self.counter.tick();
        let answered = call.wait().unwrap();
        let wrote = wrote(&answered.outcome);
        self.record(no, asked, wrote, answered.order, None);
    }

    fn record(
        &mut self,
        no: OrderNo,
        asked: u64,
        wrote: bool,
        order: Option<Arc<Order>>,
        text: Option<String>,
    ) {
        let version = order.as_ref().map_or(0, |order| order.version);
        let answered = self.counter.tick();
        let seen = Seen {
            asked,
            answered,
            version,
            wrote,
        };
        self.versions.insert(no, version);
        self.shown.push(Shown {
            no,
            seen,
            order,
            text,
        });
    }

    fn get(&mut self, no: OrderNo) {
        let asked = self.counter.tick();
        let order = self.store.get(no).wait().unwrap();
        self.record(no, asked, false, order, None);
    }

    /// Records each order of a page as a read, because a page must be as current as a single read.
    fn list(&mut self) {
        let asked = self.counter.tick();
        let page = OrderQuery::all().with_hidden().page(PageRequest::of(100));
        let page = self.store.list(page).wait().unwrap();
        for order in page.rows {
            self.record(order.no, asked, false, Some(order), None);
        }
    }

    fn history(&mut self, no: OrderNo) {
        let asked = self.counter.tick();
        let events = self.store.history(no).wait().unwrap();
        let seen = Seen {
            asked,
            answered: self.counter.tick(),
            version: events.last().map_or(0, |event| event.version),
            wrote: false,
        };
        let (order, text) = (None, None);
        self.shown.push(Shown {
            no,
            seen,
            order,
            text,
        });
    }

    fn ask_to_annotate(
        &self,
        no: OrderNo,
        version: u64,
        text: &str,
    ) -> Result<Ticket<Reply<Annotated>>, Error> {
        let metadata = Metadata::new(text).unwrap();
        Ok(self.store.annotate(no, version, metadata).submit()?)
    }

    fn annotate(&mut self, no: OrderNo, turn: u64) {
        let version = self.versions.get(&no).copied().unwrap_or_default();
        let text = format!("{}-{turn}", self.id);
        let metadata = Metadata::new(&text).unwrap();
        let asked = self.counter.tick();
        let answered = self.store.annotate(no, version, metadata).wait().unwrap();
        self.heard_annotation(no, asked, answered, text);
    }

    fn heard_annotation(
        &mut self,
        no: OrderNo,
        asked: u64,
        answered: Reply<Annotated>,
        text: String,
    ) {
        let wrote = answered.outcome == Annotated::Annotated;
        self.record(no, asked, wrote, answered.order, wrote.then_some(text));
    }

    /// Submits two annotations without waiting. The second one expects the version that the first
    /// one creates, so it succeeds only if the first one does.
    fn annotate_twice(&mut self, no: OrderNo, turn: u64) {
        let version = self.versions.get(&no).copied().unwrap_or_default();
        let texts = ["a", "b"].map(|which| format!("{}-{turn}-{which}", self.id));
        let asked = [self.counter.tick(), self.counter.tick()];
        let tickets = [0, 1].map(|place| {
            self.ask_to_annotate(no, version + place as u64, &texts[place])
                .unwrap()
        });
        for ((ticket, asked), text) in tickets.into_iter().zip(asked).zip(texts) {
            let answered = ticket.wait().unwrap();
            self.heard_annotation(no, asked, answered, text);
        }
    }
}

/// Runs all callers concurrently and returns their answers.
fn rush(store: &Store, seed: u64, calls: u64) -> Vec<Shown> {
    let counter = Counter::default();
    let caller = |id| Caller {
        store,
        counter: &counter,
        id,
        rng: SeededRng::new(seed.wrapping_mul(1000) + id),
        shown: vec![],
        versions: HashMap::new(),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS)
            .map(|id| scope.spawn(move || caller(id).run(calls / CALLERS)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect()
    })
}

/// Checks all answers about one order and compares them with the order's history.
fn check_order(store: &Store, no: OrderNo, shown: &[Shown]) -> Result<(), String> {
    let own = || shown.iter().filter(|shown| shown.no == no);
    let seen: Vec<Seen> = own().map(|shown| shown.seen).collect();
    let history = store.history(no).wait().unwrap();
    check(&seen, history.len() as u64)?;
    let mut orders: HashMap<u64, &Arc<Order>> = HashMap::new();
    for order in own().filter_map(|shown| shown.order.as_ref()) {
        let known = *orders.entry(order.version).or_insert(order);
        if known != order {
            return Err(format!(
                "different orders with one version: {known:?} and {order:?}"
            ));
        }
    }
    for (event, version) in history.iter().zip(1..) {
        if event.version != version {
            return Err(format!("{event:?} at the position of version {version}"));
        }
    }
    for shown in own() {
        if let Some(text) = &shown.text {
            let what = &history[shown.seen.version as usize - 1].what;
            let is_it =
                matches!(what, EventKind::Annotated(found) if found.as_bytes() == text.as_bytes());
            if !is_it {
                return Err(format!(
                    "{:?} wrote {text}, but the history has {what:?}",
                    shown.seen
                ));
            }
        }
    }
    let last = store.get(no).wait().unwrap();
    match last.map_or(0, |order| order.version) == history.len() as u64 {
        true => Ok(()),
        false => Err(format!("{no} is not at version {}", history.len())),
    }
}

/// Runs the configured number of calls divided by `part`, checks the answers and returns them.
fn checked(store: &Store, part: u64) -> Vec<Shown> {
    let seed = figure("HISTORY_SEED", 1);
    let shown = rush(store, seed, figure("HISTORY_COMMANDS", 200_000) / part);
    assert_sound(store, &shown);
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:?}");
    let wrote = shown.iter().filter(|shown| shown.seen.wrote).count();
    println!("{} answers, {wrote} changes", shown.len());
    shown
}

#[track_caller]
fn assert_sound(store: &Store, shown: &[Shown]) {
    for no in (0..ORDERS).map(fixtures::order_no) {
        if let Err(why) = check_order(store, no, shown) {
            panic!("{no}: {why}\nHISTORY_SEED={}", figure("HISTORY_SEED", 1));
        }
    }
}

#[test]
fn history_of_memory_engine_is_linearizable() {
    checked(&Store::memory().unwrap(), 2);
}

/// The test engine runs its calls only on the store's own threads, like a remote engine.
#[test]
fn history_of_remote_engine_is_linearizable() {
    let (_rig, store) = Rig::far().open();
    checked(&store, 4);
}

#[test]
fn history_of_local_engine_is_linearizable_after_reopen() {
    let place = TempDir::new().unwrap();
    let builder = || {
        Store::builder().in_small_parts(Sizes {
            memtable: 1 << 20,
            segment: 1 << 20,
        })
    };
    let store = builder().init(place.path()).unwrap();
    let shown = checked(&store, 4);
    assert!(store.stats().checkpoints > 0);
    drop(store);
    assert_sound(&builder().open(place.path()).unwrap(), &shown);
}

/// Changes a single answer. The checker must find the change.
#[test]
fn checker_finds_one_altered_answer() {
    let store = Store::memory().unwrap();
    let mut shown = rush(&store, 1, 4000);
    assert_sound(&store, &shown);
    let change = |shown: &Shown| shown.seen.wrote && shown.seen.version > 1;
    let place = shown.iter().position(change).unwrap();
    let no = shown[place].no;
    shown[place].seen.version -= 1;
    assert!(check_order(&store, no, &shown).is_err());
    shown[place].seen.version += 1;
    shown[place].text = Some("something else".to_owned());
    assert!(check_order(&store, no, &shown).is_err());
    shown.remove(place);
    assert!(check_order(&store, no, &shown).is_err());
}
