//! Order numbers, generated on one thread and on sixteen threads together.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use orderstore::{OrderNo, Store};

use crate::sample::Checked;

pub(crate) fn numbers(criterion: &mut Criterion) -> Checked<()> {
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

/// Draws a number and checks that it differs from the last one and is not older.
fn draw(store: &Store, last: Option<OrderNo>) -> Option<OrderNo> {
    let no = store.next_order_no().wait().ok();
    let time = |no: Option<OrderNo>| no.map(|no| no.as_bytes().first_chunk::<13>().copied());
    assert!(no.is_some() && no != last && time(no) >= time(last));
    no
}

/// Returns the time that sixteen threads need to draw `iterations` numbers together.
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
