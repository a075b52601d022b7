//! Conformance cases for order numbers: they are distinct even if the clock goes back, and do not
//! show how many orders exist.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Harness;
use super::tools::{StoreFixture, at_once};
use crate::store::Store;
use crate::types::OrderNo;

/// Number of order numbers that each test draws, enough to use several reserved blocks.
const NUMBERS: usize = 200_000;
const THREADS: usize = 16;

fn draw(store: &Store, count: usize) -> Vec<OrderNo> {
    let draw = |_| store.next_order_no().wait().unwrap();
    (0..count).map(draw).collect()
}

fn drawn_at_once(store: &Store) -> Vec<OrderNo> {
    let drawn = at_once(THREADS, |_| draw(store, NUMBERS / THREADS));
    drawn.into_iter().flatten().collect()
}

fn assert_distinct(mut numbers: Vec<OrderNo>) {
    let count = numbers.len();
    numbers.sort_unstable_by_key(hidden_part);
    numbers.dedup_by_key(|no| hidden_part(no));
    assert_eq!(
        numbers.len(),
        count,
        "the counter alone makes numbers unique"
    );
}

fn hidden_part(no: &OrderNo) -> u64 {
    no.as_str().get(16..).unwrap().parse().unwrap()
}

pub(super) fn order_numbers_are_distinct_if_clock_goes_back(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let mut numbers = drawn_at_once(&fixture.store());
    fixture.clock.turn_back(Duration::from_secs(60 * 60));
    let last_time = |no: &OrderNo| no.as_str().get(..13).map(str::to_owned);
    let before = numbers.iter().map(last_time).max();
    let after = draw(&fixture.store(), 100);
    assert!(
        after
            .iter()
            .all(|no| last_time(no) == before.clone().unwrap())
    );
    assert_eq!(fixture.store().stats().clock_set_back, 100);
    numbers.extend(after);
    assert_distinct(numbers);
    fixture.close();
}

pub(super) fn order_numbers_after_reopen_are_distinct(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let mut numbers = draw(&fixture.store(), 1000);
    for _ in 0..5 {
        fixture.clock.turn_back(Duration::from_secs(60 * 60));
        if !fixture.reopen() {
            return;
        }
        numbers.extend(draw(&fixture.store(), 1000));
    }
    assert_distinct(numbers);
    fixture.close();
}

pub(super) fn consecutive_numbers_hide_the_counter(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let hidden: Vec<u64> = draw(&fixture.store(), 1000)
        .iter()
        .map(hidden_part)
        .collect();
    let pairs = || hidden.iter().zip(hidden.iter().skip(1));
    let steps: BTreeSet<u64> = pairs().map(|(a, b)| a.abs_diff(*b)).collect();
    assert!(steps.len() >= 995, "{} of 999 differ", steps.len());
    let rising = pairs().filter(|(a, b)| a < b).count();
    assert!((400..600).contains(&rising), "{rising} of 999 rise");
    fixture.close();
}

pub(super) fn order_number_contains_time_and_node(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let no = fixture.store().next_order_no().wait().unwrap();
    assert_eq!(no.as_str().len(), 32);
    let expected = format!("{:013}000", fixture.now().as_millis());
    assert_eq!(no.as_str().get(..16), Some(expected.as_str()));
    fixture.close();
    let store = harness.open(Store::builder().node(42));
    let no = store.next_order_no().wait().unwrap();
    assert_eq!(no.as_str().get(13..16), Some("042"));
}
