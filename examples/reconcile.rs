//! Reconciles a large daily bill with a store: `cargo run --release --example reconcile [-- LINES]`
//! (default 1,000,000 lines).
//!
//! In every hundred orders one callback was lost; in every thousand one payment is missing in the
//! bill. The comparison must report exactly these differences. After the fixes only the missing
//! ones remain.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use orderstore::wechat::bill::{BillDay, BillReader};
use orderstore::wechat::{BillDifference, BillDifferenceKind, Reconciliation};
use orderstore::{
    AppId, Command, CommandKind, Fen, MchId, NewOrder, OrderNo, Payment, Source, Store, Timestamp,
    TransactionId,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MCH: &str = "1601959334";
const DAY: &str = "2021-01-28";
const TIME: &str = "2021-01-28 15:35:18";

/// Maximum memory in bytes for the comparison, the fixes and the open store together.
const MEMORY: u64 = 200 << 20;

/// Number of commands in one batch.
const PORTION: u64 = 500;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reconcile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => make_and_compare(1_000_000),
        [count] => make_and_compare(count.parse()?),
        [count, dir] => compare_twice(count.parse()?, Path::new(dir)),
        _ => Err("usage: reconcile [LINES]".into()),
    }
}

/// Creates the orders and the bill. Compares them in a child process, so that its peak memory
/// covers only the comparison and an open store.
fn make_and_compare(count: u64) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let began = Instant::now();
    let store = Store::open_or_init(scratch.path().join("orders"))?;
    fill(&store, count)?;
    store.shutdown().wait()?;
    write_bill(&scratch.path().join("bill.csv"), count)?;
    println!(
        "created {count} orders and their bill in {:.1?}",
        began.elapsed()
    );
    let status = std::process::Command::new(std::env::current_exe()?)
        .arg(count.to_string())
        .arg(scratch.path())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err("the comparison failed".into()),
    }
}

fn compare_twice(count: u64, dir: &Path) -> Result<()> {
    // A small cache leaves memory for the bill.
    let builder = Store::builder().cache_bytes(64 << 20);
    let store = builder.open(dir.join("orders"))?;
    let bill = dir.join("bill.csv");
    let of = |is: fn(u64) -> bool| (0..count).filter(|n| is(*n)).count();
    let found = compare(&store, &bill)?;
    found.must_be(of(is_unpaid), of(is_missing))?;
    apply(&store, found.fixes)?;
    println!("applied the fixes; peak memory {} MiB", memory_max() >> 20);
    compare(&store, &bill)?.must_be(0, of(is_missing))?;
    store.shutdown().wait()?;
    let memory = memory_max();
    println!("shut down; peak memory {} MiB", memory >> 20);
    if memory > MEMORY {
        return Err(format!("the process used {} MiB, more than the limit", memory >> 20).into());
    }
    Ok(())
}

/// Returns whether the order's callback was lost.
fn is_unpaid(n: u64) -> bool {
    n % 100 == 7
}

/// Returns whether the bill has no line for the order.
fn is_missing(n: u64) -> bool {
    n % 1000 == 9
}

fn no(n: u64) -> Result<OrderNo> {
    Ok(OrderNo::parse(&format!("S{n:020}"))?)
}

fn fill(store: &Store, count: u64) -> Result<()> {
    for from in (0..count).step_by(usize::try_from(PORTION)?) {
        let mut commands = Vec::new();
        for n in from..count.min(from + PORTION) {
            let new = NewOrder::new(AppId::parse("wx81be3101902f7cb2")?, Fen::new(1)?)?;
            let ask = CommandKind::Create(Box::new(new));
            commands.push(Command {
                no: no(n)?,
                kind: ask,
            });
            if !is_unpaid(n) {
                let ask = CommandKind::Confirm(Box::new(payment(n)?));
                commands.push(Command {
                    no: no(n)?,
                    kind: ask,
                });
            }
        }
        submit(store, commands)?;
    }
    Ok(())
}

fn payment(n: u64) -> Result<Payment> {
    let transaction = TransactionId::parse(&format!("4200{n:024}"))?;
    let time = Timestamp::parse_civil(TIME)?;
    Ok(Payment::new(
        transaction,
        Fen::new(1)?,
        time,
        Source::CALLBACK,
    )?)
}

fn submit(store: &Store, commands: Vec<Command>) -> Result<()> {
    for ticket in store.submit_all(commands)? {
        let _ = ticket.wait()?;
    }
    Ok(())
}

fn write_bill(path: &Path, count: u64) -> Result<()> {
    let mut bill = BufWriter::new(File::create(path)?);
    writeln!(
        bill,
        "交易时间,公众账号ID,商户号,特约商户号,微信订单号,商户订单号,用户标识,交易状态,货币种类,商品名称,手续费,订单金额"
    )?;
    let mut lines = 0;
    for n in (0..count).filter(|n| !is_missing(*n)) {
        lines += 1;
        writeln!(
            bill,
            "`{TIME},`wx81be3101902f7cb2,`{MCH},`0,`4200{n:024},`S{n:020},`oA,`SUCCESS,`CNY,`tea, black,`0.00006,`0.01"
        )?;
    }
    writeln!(bill, "总交易单数,手续费总金额,订单总金额")?;
    let fee = lines * 6;
    writeln!(
        bill,
        "`{lines},`{}.{:05},`{}.{:02}",
        fee / 100_000,
        fee % 100_000,
        lines / 100,
        lines % 100
    )?;
    Ok(bill.flush()?)
}

/// Differences of a comparison: their counts, and the commands that fix them. Keeping every
/// difference in full would need several times as much memory.
#[derive(Default)]
struct Found {
    unpaid: usize,
    missing: usize,
    others: usize,
    fixes: Vec<Command>,
}

impl Found {
    fn take(&mut self, difference: BillDifference) {
        match difference.kind {
            BillDifferenceKind::LocalUnpaid => self.unpaid += 1,
            BillDifferenceKind::MissingInBill => self.missing += 1,
            _ => self.others += 1,
        }
        self.fixes.extend(difference.fix.into_command());
    }

    fn must_be(&self, unpaid: usize, missing: usize) -> Result<()> {
        let is = (self.unpaid, self.missing, self.others);
        if is == (unpaid, missing, 0) {
            return Ok(());
        }
        Err(format!(
            "expected ({unpaid}, {missing}, 0) unpaid, missing and other differences, found {is:?}"
        )
        .into())
    }
}

fn compare(store: &Store, bill: &Path) -> Result<Found> {
    let began = Instant::now();
    let reader = BillReader::new(BufReader::new(File::open(bill)?))?;
    let comparison = Reconciliation::of(BillDay::parse(DAY)?, MchId::parse(MCH)?);
    let mut found = Found::default();
    let counts = comparison
        .kind(reader.kind())
        .run(store, reader, |difference| found.take(difference))?;
    println!(
        "{} lines, {} differences in {:.1?}; peak memory {} MiB",
        counts.lines,
        counts.differences,
        began.elapsed(),
        memory_max() >> 20
    );
    Ok(found)
}

fn apply(store: &Store, fixes: Vec<Command>) -> Result<()> {
    let mut fixes = fixes.into_iter().peekable();
    while fixes.peek().is_some() {
        let portion = fixes.by_ref().take(usize::try_from(PORTION)?).collect();
        submit(store, portion)?;
    }
    Ok(())
}

/// Returns the peak memory of the process in bytes, from Linux's `/proc`; 0 on other systems.
fn memory_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
