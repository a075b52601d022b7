//! Shutdown under load: no thread hangs, and every call is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use orderstore::engine::Engine;
use orderstore::{Error, Metadata, Store};

use super::rig::{Rig, new, no, payment, within_a_minute};
use super::verbs;

/// Xorshift generator of random choices; each thread has its own seed.
struct SmallRng(u64);

impl SmallRng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Asserts that an answer is allowed during a shutdown.
fn expected<T: std::fmt::Debug>(answer: &Result<T, Error>) {
    assert!(matches!(answer, Ok(_) | Err(Error::ShutDown)), "{answer:?}");
}

fn run_commands(store: Store, seed: u64, turns: u64, acknowledged: &AtomicU64) {
    let mut rng = SmallRng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut tickets = vec![];
    for turn in 0..turns {
        let target = no(rng.below(500));
        match rng.below(8) {
            0 => {
                let answer = store
                    .create(no(1_000_000 + seed * turns + turn), new())
                    .wait();
                acknowledged.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
                expected(&answer);
            }
            1 => tickets.extend(store.confirm(target, payment(rng.below(400))).submit()),
            2 => tickets.extend(store.confirm(target, payment(rng.below(400))).submit()),
            3 => expected(&store.next_order_no().wait()),
            4 => expected(&store.begin_close(target).wait()),
            5 => {
                let metadata = Metadata::new("x").unwrap();
                expected(&store.annotate(target, 1 + rng.below(3), metadata).wait());
            }
            6 => expected(&store.create(target, new()).wait()),
            _ => {
                let mut verbs = verbs::all(&store);
                let verb = rng.below(verbs.len() as u64) as usize;
                let (_, call) = verbs.swap_remove(verb);
                drop(verbs);
                if rng.below(2) == 0 {
                    expected(&call.wait_for_it());
                } else {
                    expected(&call.submit_it());
                }
            }
        }
    }
    for ticket in tickets {
        expected(&ticket.wait());
    }
}

/// Runs 16 threads, shuts the store down while they run, and checks that every call returns.
fn shut_down_under_load(rig: Rig) {
    const TURNS: u64 = 1500;
    let (rig, store) = rig.open();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (1..=16)
        .map(|seed| {
            let (store, count) = (store.clone(), Arc::clone(&acknowledged));
            thread::spawn(move || run_commands(store, seed, TURNS, &count))
        })
        .collect();
    while acknowledged.load(Ordering::Relaxed) < 500 {
        thread::yield_now();
    }
    let report = store.verify().wait().unwrap();
    assert!(report.is_ok(), "{report:?}");
    store.shutdown().wait().unwrap();
    assert!(rig.memory.counts().is_err());
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn shutdown_under_load_answers_sixteen_threads() {
    within_a_minute(|| shut_down_under_load(Rig::default()));
}

#[test]
fn shutdown_under_load_answers_threads_of_remote_engine() {
    within_a_minute(|| shut_down_under_load(Rig::far()));
}

#[test]
fn dropping_last_clone_answers_waiting_tickets() {
    within_a_minute(|| {
        for _ in 0..200 {
            let (_rig, store) = Rig::default().open();
            let tickets: Vec<_> = (0..4)
                .map(|place| {
                    let store = store.clone();
                    thread::spawn(move || store.create(no(place), new()).submit().unwrap())
                })
                .collect();
            drop(store);
            for ticket in tickets {
                assert!(ticket.join().unwrap().wait().is_ok());
            }
        }
    });
}
