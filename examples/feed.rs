//! Ships orders from the event feed, across restarts:
//! `cargo run --release --example feed [-- DIR]`.
//!
//! The program sells some orders, ships a part of the paid ones and stops. It starts again with
//! nothing but the files on disk and ships the rest. Each paid order is shipped once, however often
//! its payment was notified. A second run on the same directory ships only its own orders.

#[path = "feed/ledger.rs"]
mod ledger;
#[path = "feed/shipping.rs"]
mod shipping;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use ledger::Ledger;
use orderstore::{
    AppId, Fen, NewOrder, OrderNo, Payment, Source, Status, Store, Timestamp, TransactionId,
};
use shipping::work_off;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Number of orders that a run sells; every third one stays unpaid.
const SOLD: u32 = 30;

/// Maximum number of events that one call of `work_off` reads: so few that the program stops in the
/// middle of the feed.
const PORTION: usize = 7;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("feed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let dir = match std::env::args_os().nth(1) {
        Some(dir) => PathBuf::from(dir),
        None => scratch.path().to_owned(),
    };
    std::fs::create_dir_all(&dir)?;
    let store = Store::open_or_init(dir.join("orders"))?;
    sell(&store)?;

    let mut ledger = Ledger::open(&dir.join("shipped"))?;
    for _ in 0..3 {
        let _ = work_off(&store, &mut ledger, PORTION)?;
    }
    println!(
        "stopped at feed position {}: {} orders shipped",
        ledger.place(),
        ledger.shipped()
    );
    drop(ledger);
    store.shutdown().wait()?;

    ship_the_rest(&dir)
}

/// Ships the paid orders that are not shipped yet. A server does this at every start.
fn ship_the_rest(dir: &Path) -> Result<()> {
    let store = Store::open(dir.join("orders"))?;
    let mut ledger = Ledger::open(&dir.join("shipped"))?;
    println!("started again at feed position {}", ledger.place());
    while work_off(&store, &mut ledger, PORTION)? {}
    println!(
        "ended at {}: {} orders shipped",
        ledger.place(),
        ledger.shipped()
    );
    let paid = store.counts().wait()?.of(Status::Success);
    store.shutdown().wait()?;
    if usize::try_from(paid)? != ledger.shipped() {
        return Err(format!(
            "{paid} orders are paid, but {} were shipped",
            ledger.shipped()
        )
        .into());
    }
    Ok(())
}

fn sell(store: &Store) -> Result<()> {
    for n in 0..SOLD {
        let no = store.next_order_no().wait()?;
        let new = NewOrder::new(
            AppId::parse("wxd2565e6a04246fd1")?,
            Fen::parse_yuan("19.90")?,
        )?;
        let _ = store.create(no, new).wait()?;
        if n % 3 != 2 {
            let payment = payment(&no)?;
            // Simulate a channel that reports the payment twice. The order must still be shipped
            // once.
            let _ = store.confirm(no, payment.clone()).wait()?;
            let _ = store.confirm(no, payment).wait()?;
        }
    }
    Ok(())
}

fn payment(no: &OrderNo) -> Result<Payment> {
    let transaction = TransactionId::parse(&format!("T{no}"))?;
    let now = Timestamp::from_system(SystemTime::now());
    let fee = Fen::parse_yuan("19.90")?;
    Ok(Payment::new(transaction, fee, now, Source::Query)?)
}
