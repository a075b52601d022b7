//! Writes: batches of new orders. The reads use them to fill their stores, too.

use criterion::{BatchSize, Criterion, Throughput};
use orderstore::{Command, CommandKind, Created, OrderNo, Outcome, Store};

use crate::sample::{Checked, Sample};

/// Number of commands in a batch.
const BATCH: usize = 1_024;

/// Creates `count` orders in batches and returns their numbers.
pub(crate) fn filled(store: &Store, count: usize, users: u64) -> Checked<Vec<OrderNo>> {
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
        let ask = CommandKind::Create(Box::new(sample.order()?));
        Ok(Command { no, kind: ask })
    };
    (0..count).map(create).collect()
}

/// Submits a batch and returns the number of created orders.
fn created(store: &Store, commands: Vec<Command>) -> usize {
    let tickets = store.submit_all(commands).unwrap_or_default();
    let answers = tickets.into_iter().filter_map(|ticket| ticket.wait().ok());
    let created = Outcome::Create(Created::Created);
    answers.filter(|answer| answer.outcome == created).count()
}

/// Measures the creation of a batch of orders: mostly encoding and writing.
pub(crate) fn batch(
    criterion: &mut Criterion,
    name: &str,
    store: &Store,
    users: u64,
) -> Checked<()> {
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
