//! A large day's bill against a store of that day's orders:
//! `cargo run --release --example reconcile [-- LINES]`; a million where not said.
//!
//! Every hundredth order has not heard of its payment, every thousandth payment is missing
//! in the bill. What is told must be exactly these, before and after the fixes.

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

/// So much memory the comparison, the fixes and the open store may take together.
const MEMORY: u64 = 200 << 20;

/// How many commands are handed over at once.
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

/// Makes the day, and has a process of its own compare it, whose memory is that of the
/// comparison and of an open store.
fn make_and_compare(count: u64) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let began = Instant::now();
    let store = Store::open_or_init(scratch.path().join("orders"))?;
    fill(&store, count)?;
    store.shutdown().wait()?;
    write_bill(&scratch.path().join("bill.csv"), count)?;
    println!(
        "made {count} orders and their bill in {:.1?}",
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
    // A cache that leaves room for the bill.
    let builder = Store::builder().cache_bytes(64 << 20);
    let store = builder.open(dir.join("orders"))?;
    let bill = dir.join("bill.csv");
    let of = |is: fn(u64) -> bool| (0..count).filter(|n| is(*n)).count();
    let found = compare(&store, &bill)?;
    found.must_be(of(is_unpaid), of(is_missing))?;
    apply(&store, found.fixes)?;
    println!("applied; memory at most {} MiB", memory_max() >> 20);
    compare(&store, &bill)?.must_be(0, of(is_missing))?;
    store.shutdown().wait()?;
    let memory = memory_max();
    println!("shut down; memory at most {} MiB", memory >> 20);
    if memory > MEMORY {
        return Err(format!("{} MiB are too much", memory >> 20).into());
    }
    Ok(())
}

/// Its callback was lost.
fn is_unpaid(n: u64) -> bool {
    n % 100 == 7
}

/// The bill has no line for it.
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

/// What a comparison told. Of each difference only the fix is kept: with both its sides it
/// would be several times as large.
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
        Err(format!("{unpaid} unpaid and {missing} missing were expected, and not {is:?}").into())
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
        "{} lines, {} differences in {:.1?}; memory at most {} MiB",
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

/// The most memory that the process has held, in bytes, as Linux counts it; 0 elsewhere.
fn memory_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
