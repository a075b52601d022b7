//! Reads: an order by its number, and a page of a user's latest orders.

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use orderstore::{Order, OrderNo, OrderQuery, PageRequest, Status, Store};

use crate::sample::{self, Checked, Sample};

/// Reads a random order by its number, after all of them were read once.
pub(crate) fn get(
    criterion: &mut Criterion,
    name: &str,
    store: &Store,
    orders: &[OrderNo],
) -> Checked<()> {
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

pub(crate) fn page(
    criterion: &mut Criterion,
    name: &str,
    store: &Store,
    users: u64,
) -> Checked<()> {
    let mut sample = Sample::new(4, 1)?;
    let all: Checked<Vec<_>> = (0..users).map(sample::openid).collect();
    let all = all?;
    let mut any = || all.get(usize::try_from(sample.below(users)).unwrap_or_default());
    let mut group = criterion.benchmark_group("page_of_20_by_openid");
    group.throughput(Throughput::Elements(20));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let user = any();
            let listing = user.map(|user| OrderQuery::by_openid(user).page(PageRequest::of(20)));
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
