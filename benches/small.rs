//! The small paths, one core each: rules, order numbers, reads, and handing a batch over.
//!
//! Everything that is timed asserts that its answer is right: a path that was broken into
//! speed fails instead of winning.
//!
//! A store on the disk is read from its base, after a flush, and from its memtable, which has
//! the orders that were written after that. `ORDERSTORE_BENCH_ORDERS=1000000` has the base
//! of docs/performance.md; without it there are few orders, for which caches are kinder.

#[path = "support/sample.rs"]
mod sample;

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use orderstore::rules::{Context, Decision, UniqueKey, decide, evolve};
use orderstore::testing::through_the_codec;
use orderstore::{
    Asked, Channel, Command, Confirmed, Created, Listing, Order, OrderNo, Outcome, PageOf, Policy,
    Record, Status, Store, Timestamp,
};
use sample::{Checked, Sample};

/// Names how many orders there are in a store that is read.
const ORDERS: &str = "ORDERSTORE_BENCH_ORDERS";

/// How many there are where that is not said.
const ORDERS_USUALLY: usize = 100_000;

/// How many orders each user has, on average: nobody has less than a page of them.
const ORDERS_PER_USER: usize = 100;

/// How many orders at most are written last, into the memtable.
const NEW: usize = 65_536;

/// What the store on the disk may hold in memory: all of a million orders.
const MEMTABLE_BYTES: usize = 256 << 20;
const CACHE_BYTES: usize = 1 << 30;

/// How many commands a batch hands over at once.
const BATCH: usize = 1_024;

fn main() -> Checked<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let orders = orders_asked_for()?;
    rules(&mut criterion)?;
    numbers(&mut criterion)?;
    in_memory(&mut criterion, orders)?;
    on_disk(&mut criterion, orders)?;
    criterion.final_summary();
    Ok(())
}

fn orders_asked_for() -> Checked<usize> {
    let Ok(asked) = std::env::var(ORDERS) else {
        return Ok(ORDERS_USUALLY);
    };
    let orders = asked
        .parse()
        .ok()
        .filter(|n| (1_000..=50_000_000).contains(n));
    Ok(orders.ok_or(format!("{ORDERS}={asked} is not within 1000 to 50000000"))?)
}

fn in_memory(criterion: &mut Criterion, orders: usize) -> Checked<()> {
    let store = Store::memory()?;
    let users = users_of(orders)?;
    let all = filled(&store, orders, users)?;
    get(criterion, "memory", &store, &all)?;
    page(criterion, "memory", &store, users)?;
    batch(criterion, "memory", &store, users)?;
    Ok(store.shutdown().wait()?)
}

fn on_disk(criterion: &mut Criterion, orders: usize) -> Checked<()> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let builder = Store::builder().memtable_bytes(MEMTABLE_BYTES);
    let store = builder
        .cache_bytes(CACHE_BYTES)
        .init(dir.path().join("store"))?;
    let users = users_of(orders)?;
    let all = filled(&store, orders, users)?;
    store.flush().wait()?;
    get(criterion, "base_hit", &store, &all)?;
    page(criterion, "base", &store, users)?;

    let flushes = store.stats().flushes;
    let new = filled(&store, orders.min(NEW), users)?;
    get(criterion, "memtable_hit", &store, &new)?;
    page(criterion, "memtable_and_base", &store, users)?;
    assert_eq!(
        store.stats().flushes,
        flushes,
        "a memtable that is not flushed"
    );
    batch(criterion, "disk", &store, users)?;
    Ok(store.shutdown().wait()?)
}

fn users_of(orders: usize) -> Checked<u64> {
    Ok(u64::try_from(orders / ORDERS_PER_USER)?)
}

/// One order's way through the rules.
struct Steps {
    now: Timestamp,
    policy: Policy,
    create: Command,
    confirm: Command,
    /// The transaction that confirms.
    key: UniqueKey,
}

impl Steps {
    fn draw() -> Checked<Self> {
        let mut sample = Sample::new(1, 1)?;
        let no = OrderNo::parse("16478392893980420123456789012345")?;
        let new = sample.order()?;
        let payment = sample.payment(new.total_fee())?;
        let key = UniqueKey::Transaction(Channel::WECHAT, payment.transaction_id.clone());
        let create = Asked::Create(Box::new(new));
        let confirm = Asked::Confirm(Box::new(payment));
        Ok(Self {
            now: Timestamp::from_millis(1_647_839_289_398)?,
            policy: Policy::default(),
            create: Command { no, ask: create },
            confirm: Command { no, ask: confirm },
            key,
        })
    }

    fn decide(
        &self,
        record: Option<&Record>,
        command: &Command,
        owners: &[(UniqueKey, Option<Record>)],
    ) -> Decision {
        let context = Context {
            now: self.now,
            policy: &self.policy,
            owners,
        };
        decide(black_box(record), black_box(command), &context)
    }
}

fn rules(criterion: &mut Criterion) -> Checked<()> {
    let steps = Steps::draw()?;
    let free = [(steps.key.clone(), None)];
    let created = steps.decide(None, &steps.create, &[]);
    let pending = created.after.as_ref();
    let applied = steps.decide(pending, &steps.confirm, &free);
    let paid = applied.after.as_ref();
    let taken = [(steps.key.clone(), paid.cloned())];

    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    group.bench_function("create", |bencher| {
        bencher.iter(|| {
            let decision = steps.decide(None, &steps.create, &[]);
            assert_eq!(decision.outcome, Outcome::Create(Created::Created));
            decision
        });
    });
    group.bench_function("confirm", |bencher| {
        bencher.iter(|| {
            let decision = steps.decide(pending, &steps.confirm, &free);
            assert_eq!(decision.outcome, Outcome::Confirm(Confirmed::Applied));
            decision
        });
    });
    group.bench_function("duplicate", |bencher| {
        bencher.iter(|| {
            let decision = steps.decide(paid, &steps.confirm, &taken);
            assert_eq!(decision.outcome, Outcome::Confirm(Confirmed::Duplicate));
            decision
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for (name, record) in [("pending", pending), ("paid", paid)] {
        let record = record.ok_or("no record")?;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let stored = through_the_codec(black_box(record));
                assert!(stored.as_ref().is_ok_and(|(_, read)| read == record));
                stored
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("evolve");
    group.throughput(Throughput::Elements(1));
    let folds = [("created", None, &created), ("paid", pending, &applied)];
    for (name, before, decision) in folds {
        let event = decision.events.first().ok_or("nothing happened")?;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let after = evolve(black_box(before), black_box(event));
                assert_eq!(after.version(), event.version);
                after
            });
        });
    }
    group.finish();
    Ok(())
}

fn numbers(criterion: &mut Criterion) -> Checked<()> {
    let store = Store::memory()?;
    let mut group = criterion.benchmark_group("order_no");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_thread", |bencher| {
        let mut last = None;
        bencher.iter(|| last = draw(&store, last));
    });
    group.bench_function("sixteen_threads", |bencher| {
        bencher.iter_custom(|iterations| drawn_by_many(&store, iterations));
    });
    group.finish();
    Ok(())
}

/// One more number, which is another than the last one and no older.
fn draw(store: &Store, last: Option<OrderNo>) -> Option<OrderNo> {
    let no = store.next_order_no().wait().ok();
    let time = |no: Option<OrderNo>| no.map(|no| no.as_bytes().first_chunk::<13>().copied());
    assert!(no.is_some() && no != last && time(no) >= time(last));
    no
}

/// How long sixteen threads take to draw so many numbers together.
fn drawn_by_many(store: &Store, iterations: u64) -> Duration {
    const THREADS: u64 = 16;
    let each = iterations.div_ceil(THREADS);
    let start = Barrier::new(17);
    let began = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                (0..each).fold(None, |last, _| draw(store, last))
            });
        }
        start.wait();
        Instant::now()
    });
    let drawn = each.saturating_mul(THREADS);
    began.elapsed().mul_f64(ratio(iterations, drawn))
}

#[expect(clippy::cast_precision_loss, reason = "a timing is rounded anyway")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Creates so many orders, in batches, and gives their numbers.
fn filled(store: &Store, count: usize, users: u64) -> Checked<Vec<OrderNo>> {
    let mut sample = Sample::new(2, users)?;
    let mut orders = Vec::with_capacity(count);
    while orders.len() < count {
        let batch = (count - orders.len()).min(4_096);
        let commands = creates(store, &mut sample, batch)?;
        orders.extend(commands.iter().map(|command| command.no));
        assert_eq!(created(store, commands), batch);
    }
    Ok(orders)
}

fn creates(store: &Store, sample: &mut Sample, count: usize) -> Checked<Vec<Command>> {
    let create = |_| {
        let no = store.next_order_no().wait()?;
        let ask = Asked::Create(Box::new(sample.order()?));
        Ok(Command { no, ask })
    };
    (0..count).map(create).collect()
}

/// Hands the batch over, and counts the orders that it created.
fn created(store: &Store, commands: Vec<Command>) -> usize {
    let tickets = store.submit_all(commands).unwrap_or_default();
    let answers = tickets.into_iter().filter_map(|ticket| ticket.wait().ok());
    let created = Outcome::Create(Created::Created);
    answers.filter(|answer| answer.outcome == created).count()
}

/// Any of the orders by its number, once all of them were read.
fn get(criterion: &mut Criterion, name: &str, store: &Store, orders: &[OrderNo]) -> Checked<()> {
    for no in orders {
        assert!(is_pending(store.get(*no).wait()?.as_ref(), *no));
    }
    let mut sample = Sample::new(3, 1)?;
    let all = u64::try_from(orders.len())?;
    let mut any = || {
        let place = usize::try_from(sample.below(all)).unwrap_or_default();
        orders.get(place).copied()
    };
    let mut group = criterion.benchmark_group("get");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let (no, found) = any().map(|no| (no, store.get(no).wait())).unzip();
            let found = found.and_then(Result::ok).flatten();
            assert!(no.is_some_and(|no| is_pending(found.as_ref(), no)));
        });
    });
    group.finish();
    Ok(())
}

fn is_pending(order: Option<&Arc<Order>>, no: OrderNo) -> bool {
    order.is_some_and(|order| order.no == no && order.status == Status::Pending)
}

fn page(criterion: &mut Criterion, name: &str, store: &Store, users: u64) -> Checked<()> {
    let mut sample = Sample::new(4, 1)?;
    let all: Checked<Vec<_>> = (0..users).map(sample::openid).collect();
    let all = all?;
    let mut any = || all.get(usize::try_from(sample.below(users)).unwrap_or_default());
    let mut group = criterion.benchmark_group("page_of_20_by_openid");
    group.throughput(Throughput::Elements(20));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let user = any();
            let listing = user.map(|user| Listing::by_openid(user).page(PageOf::of(20)));
            let page = listing.and_then(|listing| store.list(listing).wait().ok());
            let page = page.map(|page| page.rows).unwrap_or_default();
            assert_eq!(page.len(), 20);
            let of_user = |order: &Arc<Order>| order.openid.as_ref() == user;
            assert!(page.iter().all(of_user));
            assert!(page.is_sorted_by(|newer, older| newer.create_time >= older.create_time));
        });
    });
    group.finish();
    Ok(())
}

/// Creating a batch of orders: encoding and writing them, most of all.
fn batch(criterion: &mut Criterion, name: &str, store: &Store, users: u64) -> Checked<()> {
    let mut sample = Sample::new(5, users)?;
    let mut group = criterion.benchmark_group("batch_of_1024_creates");
    group.throughput(Throughput::Elements(u64::try_from(BATCH)?));
    group.sample_size(20);
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            || creates(store, &mut sample, BATCH).unwrap_or_default(),
            |commands| assert_eq!(created(store, commands), BATCH),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    Ok(())
}
