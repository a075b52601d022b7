//! Comparison of a store with the ledger of a client, after the server was killed several times.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use orderstore::{Currency, EventKind, OrderNo, Status, Timestamp};

use crate::languages::{Language, succeeded};
use crate::served::{self, Served};

/// Orders of one run. Each has two commands: create and confirm.
const ORDERS: usize = 5000;

/// Number of times that the server is restarted: by SIGTERM once, and by SIGKILL otherwise.
const RESTARTS: usize = 6;

/// Restart by SIGTERM.
const PLANNED: usize = 3;

/// Maximum number of commands that wait for a reply: those of a batch on each of four connections.
const WAITING: usize = 4 * 25;

const LEDGER: &str = "ledger";

/// Kills the server while the client works, and compares the client's ledger with the store.
pub(crate) fn kills(language: &'static Language) {
    let Some(program) = language.program() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let place = language.place();
    let mut served = Served::start(dir.path(), &place, true);
    let orders = ORDERS.to_string();
    let arguments = ["load", &served.address, LEDGER, &orders];
    let mut client = program.start(dir.path(), "driver", &arguments);
    for restart in 1..=RESTARTS {
        let count = restart * 2 * ORDERS / (RESTARTS + 1);
        let told = until_told(&mut client, dir.path(), count);
        assert!(
            told < 2 * ORDERS,
            "the client ended before restart {restart}"
        );
        match restart {
            PLANNED => served.stop(),
            _ => served.kill(),
        }
        served = Served::start(dir.path(), &place, false);
    }
    succeeded(&client.wait_with_output().unwrap());
    served.stop();
    compare(dir.path());
}

/// Waits until the ledger has so many outcomes, and returns their number.
fn until_told(client: &mut Child, dir: &Path, count: usize) -> usize {
    let begun = Instant::now();
    loop {
        let ledger = std::fs::read(dir.join(LEDGER)).unwrap_or_default();
        let told = ledger.iter().filter(|&&byte| byte == b'\n').count();
        if told >= count || client.try_wait().unwrap().is_some() {
            return told;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{told} outcomes"
        );
        sleep(Duration::from_millis(2));
    }
}

/// Fee of an order, and its outcomes in the ledger.
#[derive(Default)]
struct Told {
    fee: u64,
    created: usize,
    paid: usize,
}

/// Asserts that each outcome of the ledger is in the store, and that the store has nothing else.
fn compare(dir: &Path) {
    let ledger = std::fs::read_to_string(dir.join(LEDGER)).unwrap();
    let mut orders: BTreeMap<OrderNo, Told> = BTreeMap::new();
    let mut repeated = 0;
    for line in ledger.lines() {
        let [no, fee, step, outcome] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let told = orders.entry(no.parse().unwrap()).or_default();
        told.fee = fee.parse().unwrap();
        match (step, outcome) {
            ("create", "created" | "exists") => told.created += 1,
            ("confirm", "applied" | "duplicate") => told.paid += 1,
            _ => panic!("{line}"),
        }
        repeated += usize::from(matches!(outcome, "exists" | "duplicate"));
    }
    assert_eq!(orders.len(), ORDERS);
    // Only a command that lost its reply was applied before.
    assert!(repeated <= RESTARTS * WAITING, "{repeated}");

    // Every number of the store is exact, and its indexes agree with its orders.
    let store = served::open(dir);
    assert!(store.verify().wait().unwrap().is_ok());
    let counts = store.counts().wait().unwrap();
    let paid = u64::try_from(ORDERS).unwrap();
    assert_eq!((counts.orders(), counts.of(Status::Success)), (paid, paid));
    assert_eq!((counts.unclaimed, counts.open_anomalies), (0, 0));
    let totals = store.totals(Timestamp::EPOCH..Timestamp::MAX).wait();
    let totals = totals.unwrap().paid[&Currency::CNY];
    let sum: u64 = orders.values().map(|told| told.fee).sum();
    assert_eq!((totals.count, totals.minor_units), (paid, sum.into()));

    for (no, told) in orders {
        assert_eq!((told.created, told.paid), (1, 1), "{no}");
        let order = store.get(no).wait().unwrap().unwrap();
        let payment = order.payment.as_ref().unwrap();
        assert_eq!(order.total_fee.as_u64(), told.fee);
        assert_eq!(payment.paid_fee.as_u64(), told.fee);
        let transaction = format!("4200{}", &no.as_str()[8..]);
        assert_eq!(payment.transaction_id.as_str(), transaction);
        let events = store.history(no).wait().unwrap();
        let [created, paid] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(matches!(created.what, EventKind::Created(_)), "{created:?}");
        assert!(matches!(paid.what, EventKind::Paid(_)), "{paid:?}");
    }
    println!(
        "{} outcomes, {repeated} of them from a repeat",
        ledger.lines().count()
    );
}
