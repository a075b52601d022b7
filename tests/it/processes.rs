//! The local engine across processes: killed processes, two on one directory, and another time
//! zone.

use std::collections::HashSet;
use std::io::{Read, stdin};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use orderstore::{Builder, Error, OpenError, OrderNo, Store, Timestamp};
use tempfile::TempDir;

use crate::flow::rig::{new, no, payment, within_a_minute};
use crate::process::{Process, tell};

/// Environment variable with the child's role; unset in an ordinary test run.
const ROLE: &str = "ORDERSTORE_TEST_ROLE";
const DIR: &str = "ORDERSTORE_TEST_DIR";
/// Environment variable with the number of hours that the child's clock is behind. The number also
/// determines the child's first order number.
const ROUND: &str = "ORDERSTORE_TEST_ROUND";

/// Entry point of the child processes that other tests start; not a test by itself.
#[test]
fn entry_point_of_child_processes() {
    match std::env::var(ROLE).as_deref() {
        Ok("numbers") => print_numbers(),
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

/// Returns a builder whose clock is `round` hours behind.
fn set_back(round: u64) -> Builder {
    let behind = Duration::from_secs(3600 * round);
    let clock = move || Timestamp::from_system(SystemTime::now()).saturating_sub(behind);
    Store::builder().clock(clock)
}

fn print_numbers() {
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

/// Reports every order to the parent after its creation and again after its payment.
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
    // Wait until the parent closes its end of the pipe.
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
    Process::start("processes::entry_point_of_child_processes", &variables)
}

fn fresh() -> TempDir {
    let dir = TempDir::new().unwrap();
    Store::init(dir.path()).unwrap();
    dir
}

/// Kills a child after it has sent `after` lines. Returns all of its lines.
fn killed(role: &str, dir: &Path, round: u64, after: usize) -> Vec<String> {
    let mut process = start(role, dir, round);
    let mut words: Vec<String> = process.words.by_ref().take(after).collect();
    assert_eq!(words.len(), after, "the child ended by itself");
    process.kill();
    words.extend(process.words.by_ref());
    words
}

#[test]
fn order_numbers_stay_unique_across_kills_and_clock_rollback() {
    within_a_minute(|| {
        let dir = fresh();
        let mut seen = HashSet::new();
        for round in 0..20 {
            // Kill the process at a time between its first number and the start of its second
            // block.
            let after = 1 + usize::try_from(round * 7919 % 70_000).unwrap();
            for number in killed("numbers", dir.path(), round, after) {
                let number = OrderNo::parse(&number).unwrap();
                assert!(
                    seen.insert(number.as_str()[16..].to_owned()),
                    "{number} was issued twice"
                );
            }
        }
        let store = set_back(20).open(dir.path()).unwrap();
        for _ in 0..100_000 {
            let number = store.next_order_no().wait().unwrap();
            assert!(
                seen.insert(number.as_str()[16..].to_owned()),
                "{number} was issued twice"
            );
        }
    });
}

#[test]
fn acknowledged_command_survives_a_kill() {
    within_a_minute(|| {
        let dir = fresh();
        let mut acknowledged = vec![];
        for round in 0..8 {
            let after = 1 + usize::try_from(round * 37).unwrap();
            acknowledged.extend(killed("commands", dir.path(), round, after));
            let store = Store::open(dir.path()).unwrap();
            for word in &acknowledged {
                assert_acknowledged_version(&store, word);
            }
            let report = store.verify().wait().unwrap();
            assert!(report.is_ok(), "{report:?}");
        }
    });
}

/// Asserts that an order has at least the acknowledged version. `word` contains the order number
/// and the version.
fn assert_acknowledged_version(store: &Store, word: &str) {
    let (number, version) = word.split_once(' ').unwrap();
    let order = store.get(OrderNo::parse(number).unwrap()).wait().unwrap();
    let order = order.unwrap_or_else(|| panic!("{number} was acknowledged and is gone"));
    let version: u64 = version.parse().unwrap();
    assert!(order.version >= version, "{word}, now {}", order.version);
}

#[test]
fn second_process_is_refused_while_locked() {
    within_a_minute(|| {
        let dir = fresh();
        let mut holder = start("hold", dir.path(), 0);
        assert_eq!(holder.words.next().unwrap(), "open");
        let refused = Store::open(dir.path());
        assert!(
            matches!(refused, Err(OpenError::Locked { .. })),
            "{refused:?}"
        );
        let refused = Store::open_or_init(dir.path());
        assert!(
            matches!(refused, Err(OpenError::Locked { .. })),
            "{refused:?}"
        );
        let brief = Duration::from_millis(50);
        let refused = Store::builder().lock_wait(brief).open(dir.path());
        assert!(
            matches!(refused, Err(OpenError::Locked { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn second_process_waits_until_first_closes() {
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
fn second_process_opens_after_first_is_killed() {
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
fn second_handle_is_refused_until_first_shuts_down() {
    within_a_minute(|| {
        let dir = fresh();
        let first = Store::open(dir.path()).unwrap();
        let refused = Store::open(dir.path());
        assert!(
            matches!(refused, Err(OpenError::Locked { .. })),
            "{refused:?}"
        );
        first.shutdown().wait().unwrap();
        let second = Store::open(dir.path()).unwrap();
        assert!(matches!(first.counts().wait(), Err(Error::ShutDown)));
        assert!(second.counts().wait().is_ok());
        drop(second);
        assert!(Store::open(dir.path()).is_ok());
    });
}

/// Compact times are Beijing times, whatever the time zone of the server.
#[test]
fn compact_time_ignores_the_local_time_zone() {
    within_a_minute(|| {
        let dir = TempDir::new().unwrap();
        let mut process = start("zone", dir.path(), 0);
        assert_eq!(process.words.next().unwrap(), "2022-03-21T05:20:07.000Z");
    });
}
