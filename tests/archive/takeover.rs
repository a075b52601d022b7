//! Kills or stops the process that serves, and promotes its standby. The archive is a directory or a
//! bucket. A process that is only stopped may go on later, so its lease must be over before the standby
//! serves.

use std::collections::HashSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use orderstore::testing::SeededRng;
use orderstore::{OldStore, OpenError, RestorePoint, Store};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::kills::{CALLERS, LEASE, Running, archive, builder, check};
use crate::server::on_s3;
use crate::stores::{assert_same, close, events};

/// Longest time for the first snapshot, and for a report of the child.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Follows the archive of a running store until it has a snapshot, and then for some time. The standby
/// is opened again in between.
fn follow(url: &str, dir: &PathBuf, rng: &mut SeededRng) -> Store {
    let began = Instant::now();
    let open = || builder().archive(archive(url)).follow(dir);
    let mut standby = loop {
        match open() {
            Ok(standby) => break standby,
            Err(error @ OpenError::Archive(_)) => {
                assert!(began.elapsed() < WAIT_MAX, "{error:?}");
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    for _ in 0..rng.below(4) {
        thread::sleep(Duration::from_millis(rng.below(200) as u64));
        if rng.one_in(2) {
            drop(standby);
            standby = open().unwrap();
        }
    }
    standby
}

#[test]
fn standby_of_killed_or_stopped_process_takes_over() {
    let place = TempDir::new().unwrap();
    take_over(place.path().join("archive").to_str().unwrap(), 10);
}

#[test]
fn standby_that_follows_bucket_takes_over() {
    let name = "takeover::standby_that_follows_bucket_takes_over";
    on_s3(name, |url| take_over(url, 2));
}

/// Kills or stops a process several times in a row. Each time, its standby takes over and serves in the
/// next round.
fn take_over(url: &str, rounds: usize) {
    let rounds = std::env::var("TAKEOVERS").map_or(rounds, |rounds| rounds.parse().unwrap());
    let mut rng = SeededRng::new(9);
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    let (mut dir, mut numbers) = (at("shop"), HashSet::new());
    let (mut all, mut lost, mut archived, mut slowest) = (0, 0, 0, Duration::ZERO);
    for round in 0..rounds {
        let running = Running::start(&dir, url);
        let standby_dir = at(&format!("standby{round}"));
        let standby = follow(url, &standby_dir, &mut rng);
        let began = Instant::now();
        while !running.has_reported() {
            assert!(began.elapsed() < WAIT_MAX, "the child reports nothing");
            thread::sleep(Duration::from_millis(10));
        }
        let is_stopped = rng.one_in(2);
        let mut running = Some(running);
        let mut told = None;
        if is_stopped {
            running.as_ref().unwrap().signal(Signal::STOP);
        } else {
            told = running.take().map(Running::kill);
        }
        let old = match is_stopped {
            true => OldStore::MayServe,
            false => OldStore::Stopped,
        };
        let began = Instant::now();
        close(standby);
        let promoted = builder().archive(archive(url)).promote(&standby_dir, old);
        let promoted = promoted.unwrap();
        let store = builder().archive(archive(url)).open(&standby_dir).unwrap();
        if !is_stopped {
            slowest = slowest.max(began.elapsed());
        }
        let found = events(&store);
        assert_eq!(promoted.continued.place.seq, found.len() as u64);
        if let Some(running) = running.take() {
            // The old process goes on. Only replies that were under way when it was stopped can follow.
            let before = running.replies();
            running.signal(Signal::CONT);
            thread::sleep(LEASE);
            let late = running.replies() - before;
            assert!(late <= CALLERS, "{late} replies after the takeover");
            told = Some(running.kill());
        }
        let told = told.unwrap();
        let local = builder().open_without_archive().open(&dir).unwrap();
        let held = events(&local);
        close(local);
        check(&told, &held, &found);
        let returned = builder().archive(archive(url)).open(&dir);
        assert!(
            matches!(returned, Err(OpenError::Fenced(_))),
            "{returned:?}"
        );
        for _ in 0..20 {
            assert!(numbers.insert(store.next_order_no().wait().unwrap()));
        }
        assert_same(&events(&store), &found);
        close(store);
        let restored_dir = at(&format!("restored{round}"));
        let archive = archive(url);
        let _ = builder()
            .restore_from(&archive, &restored_dir, RestorePoint::Newest)
            .unwrap();
        let restored = builder().open(&restored_dir).unwrap();
        assert_same(&events(&restored), &found);
        close(restored);
        all += held.len();
        lost += held.len() - found.len();
        archived += told.archived;
        dir = standby_dir;
    }
    println!(
        "{rounds} takeovers, {all} commands, {lost} in the windows, {archived} told as archived, \
         slowest takeover {slowest:?}"
    );
    assert!(archived > 0, "no child told that commands were archived");
}
