//! Steps of a command: deciding, folding events, and encoding a record.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use orderstore::rules::{Context, Decision, UniqueKey, decide, evolve};
use orderstore::testing::through_the_codec;
use orderstore::{
    Channel, Command, CommandKind, Confirmed, Created, OrderNo, Outcome, Policy, Record, Timestamp,
};

use crate::sample::{Checked, Sample};

/// Inputs for the rules, from one order.
struct Steps {
    now: Timestamp,
    policy: Policy,
    create: Command,
    confirm: Command,
    /// Key of the confirming transaction.
    key: UniqueKey,
}

impl Steps {
    fn draw() -> Checked<Self> {
        let mut sample = Sample::new(1, 1)?;
        let no = OrderNo::parse("16478392893980420123456789012345")?;
        let new = sample.order()?;
        let payment = sample.payment(new.total_fee())?;
        let key = UniqueKey::Transaction(Channel::WECHAT, payment.transaction_id.clone());
        let create = CommandKind::Create(Box::new(new));
        let confirm = CommandKind::Confirm(Box::new(payment));
        Ok(Self {
            now: Timestamp::from_millis(1_647_839_289_398)?,
            policy: Policy::default(),
            create: Command { no, kind: create },
            confirm: Command { no, kind: confirm },
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

pub(crate) fn rules(criterion: &mut Criterion) -> Checked<()> {
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
                let after = evolve(black_box(before).cloned(), black_box(event));
                assert_eq!(after.version(), event.version);
                after
            });
        });
    }
    group.finish();
    Ok(())
}
