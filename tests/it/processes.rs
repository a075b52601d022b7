//! The local engine and whole processes: killed, racing for one directory, in another
//! zone.

use std::collections::HashSet;
use std::io::{Read, stdin};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use orderstore::{Builder, Error, OrderNo, Store, Timestamp};
use tempfile::TempDir;

use crate::flow::rig::{new, no, payment, within_a_minute};
use crate::process::{Process, tell};

/// What a child is to do; unset in an ordinary run of the tests.
const ROLE: &str = "ORDERSTORE_TEST_ROLE";
const DIR: &str = "ORDERSTORE_TEST_DIR";
/// How many hours the child's clock is behind, and where its numbers begin.
const ROUND: &str = "ORDERSTORE_TEST_ROUND";

/// Not a test of its own: what the other tests start in another process.
#[test]
fn child() {
    match std::env::var(ROLE).as_deref() {
        Ok("numbers") => hand_out_numbers(),
        Ok("commands") => confirm_for_ever(),
        Ok("hold") => hold_the_store(),
        Ok("zone") => tell_the_time(),
        _ => {}
    }
}

fn dir() -> String {
    std::env::var(DIR).unwrap()
}

fn round() -> u64 {
    std::env::var(ROUND).unwrap().parse().unwrap()
}

/// A store whose clock is set back by an hour in every round.
fn set_back(round: u64) -> Builder {
    let behind = Duration::from_secs(3600 * round);
    let clock = move || Timestamp::from_system(SystemTime::now()).saturating_sub(behind);
    Store::builder().clock(clock)
}

fn hand_out_numbers() {
    let store = set_back(round()).open(dir()).unwrap();
    loop {
        let text = store.next_order_no().wait().unwrap();
        tell(text);
    }
}

fn confirm_for_ever() {
    let store = set_back(round()).open(dir()).unwrap();
    thread::scope(|scope| {
        for caller in 0..4 {
            let store = &store;
            scope.spawn(move || confirm_from(store, (round() * 4 + caller) * 1_000_000));
        }
    });
}

/// Every order is told of when it was made, and again when it was paid.
fn confirm_from(store: &Store, first: u64) {
    for place in first.. {
        let made = store.create(no(place), new()).wait().unwrap();
        tell(format!("{} {}", no(place), made.order.unwrap().version));
        let paid = store.confirm(no(place), payment(place)).wait().unwrap();
        tell(format!("{} {}", no(place), paid.order.unwrap().version));
    }
}

fn hold_the_store() {
    let store = Store::open(dir()).unwrap();
    tell("open");
    // Until the parent lets go of the other end.
    drop(stdin().read_to_end(&mut vec![]));
    store.shutdown().wait().unwrap();
    drop(store);
    tell("closed");
}

fn tell_the_time() {
    tell(Timestamp::parse_compact("20220321132007").unwrap());
}

fn start(role: &str, dir: &Path, round: u64) -> Process {
    let variables = [
        (ROLE, role.to_owned()),
        (DIR, dir.to_str().unwrap().to_owned()),
        (ROUND, round.to_string()),
        ("TZ", "America/New_York".to_owned()),
    ];
    Process::start("processes::child", &variables)
}

fn fresh() -> TempDir {
    let dir = TempDir::new().unwrap();
    Store::init(dir.path()).unwrap();
    dir
}

/// Everything that a child said before it was killed, somewhere behind its `after`th word.
fn killed(role: &str, dir: &Path, round: u64, after: usize) -> Vec<String> {
    let mut process = start(role, dir, round);
    let mut words: Vec<String> = process.words.by_ref().take(after).collect();
    assert_eq!(words.len(), after, "the child ended by itself");
    process.kill();
    words.extend(process.words.by_ref());
    words
}

#[test]
fn no_number_is_repeated_by_kills_and_a_clock_that_is_set_back() {
    within_a_minute(|| {
        let dir = fresh();
        let mut seen = HashSet::new();
        for round in 0..20 {
            // From before the first block's half to well into the second.
            let after = 1 + usize::try_from(round * 7919 % 70_000).unwrap();
            for number in killed("numbers", dir.path(), round, after) {
                let number = OrderNo::parse(&number).unwrap();
                assert!(
                    seen.insert(number.as_str()[16..].to_owned()),
                    "{number} again"
                );
            }
        }
        let store = set_back(20).open(dir.path()).unwrap();
        for _ in 0..100_000 {
            let number = store.next_order_no().wait().unwrap();
            assert!(
                seen.insert(number.as_str()[16..].to_owned()),
                "{number} again"
            );
        }
    });
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    within_a_minute(|| {
        let dir = fresh();
        let mut acknowledged = vec![];
        for round in 0..8 {
            let after = 1 + usize::try_from(round * 37).unwrap();
            acknowledged.extend(killed("commands", dir.path(), round, after));
            let store = Store::open(dir.path()).unwrap();
            for word in &acknowledged {
                is_there(&store, word);
            }
            let report = store.verify().wait().unwrap();
            assert!(report.is_ok(), "{report:?}");
        }
    });
}

/// `word` is a number and the version that was acknowledged.
fn is_there(store: &Store, word: &str) {
    let (number, version) = word.split_once(' ').unwrap();
    let order = store.get(OrderNo::parse(number).unwrap()).wait().unwrap();
    let order = order.unwrap_or_else(|| panic!("{number} was acknowledged and is gone"));
    let version: u64 = version.parse().unwrap();
    assert!(order.version >= version, "{word}, now {}", order.version);
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    within_a_minute(|| {
        let dir = fresh();
        let mut holder = start("hold", dir.path(), 0);
        assert_eq!(holder.words.next().unwrap(), "open");
        let refused = Store::open(dir.path());
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        let refused = Store::open_or_init(dir.path());
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        let brief = Duration::from_millis(50);
        let refused = Store::builder().lock_wait(brief).open(dir.path());
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    });
}

#[test]
fn a_second_process_that_waits_gets_in_when_the_first_ends() {
    within_a_minute(|| {
        let dir = fresh();
        let mut holder = start("hold", dir.path(), 0);
        assert_eq!(holder.words.next().unwrap(), "open");
        let path = dir.path().to_owned();
        let waiting = thread::spawn(move || {
            let builder = Store::builder().lock_wait(Duration::from_secs(50));
            builder.open(path).unwrap()
        });
        drop(holder.stdin.take());
        let store = waiting.join().unwrap();
        assert!(store.create(no(1), new()).wait().is_ok());
        assert_eq!(holder.words.next().unwrap(), "closed");
    });
}

#[test]
fn a_second_process_gets_in_after_the_first_was_killed() {
    within_a_minute(|| {
        let dir = fresh();
        let mut holder = start("hold", dir.path(), 0);
        assert_eq!(holder.words.next().unwrap(), "open");
        holder.kill();
        drop(holder);
        assert!(Store::open(dir.path()).is_ok());
    });
}

#[test]
fn two_handles_of_one_process_share_no_directory_until_the_first_is_shut_down() {
    within_a_minute(|| {
        let dir = fresh();
        let first = Store::open(dir.path()).unwrap();
        let refused = Store::open(dir.path());
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        first.shutdown().wait().unwrap();
        let second = Store::open(dir.path()).unwrap();
        assert!(matches!(first.counts().wait(), Err(Error::ShutDown)));
        assert!(second.counts().wait().is_ok());
        drop(second);
        assert!(Store::open(dir.path()).is_ok());
    });
}

/// Beijing time is meant, wherever the server stands.
#[test]
fn the_zone_of_the_machine_plays_no_part() {
    within_a_minute(|| {
        let dir = TempDir::new().unwrap();
        let mut process = start("zone", dir.path(), 0);
        assert_eq!(process.words.next().unwrap(), "2022-03-21T05:20:07.000Z");
    });
}
