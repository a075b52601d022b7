//! The page: the machine, the systems, the meaning of every figure, and all figures.

use std::fmt::Write;

use super::{OURS, Run, float, targets, thousands};
use crate::measure::{BATCH, BATCH_THREADS, Called, NUMBERS_THREADS, PAGE, THREADS, TICKETS};
use crate::record::Sizes;
use crate::sample::Checked;

const HEAD: &str = "\
# Performance

Durable orders on one machine. These commands measure the figures and write this page:

    cargo bench --bench durable -- --all --json > durable.jsonl
    cargo run --release --manifest-path benches/rivals/Cargo.toml -- --durable durable.jsonl

Run them to check the figures. Figures that were not measured are absent.

![Durable commands per second](performance.svg)
";

const MEANING: &str = "
## What is measured

All systems do the same work, called *lifecycle*: they create an order, then confirm it with a
random transaction. An order has a number of 32 digits, one of 100,000 users with an openid of 28
bytes, and a description. This makes two commands. Each is durable by itself: after its reply a
power loss loses nothing.

All systems keep the same rows: the order, a user's orders newest first, the orders of a status, the
unique transactions, and one event for each command. All systems check the same rules: a duplicate
order number, a duplicate transaction, a payment that does not fit. Afterwards the benchmark counts
all rows and reads orders back.

- **Callers**: threads that each wait for each reply, on an empty database.
- **Pipelined**: threads that submit commands without waiting, with a fixed number in flight. Only
  this store supports that.
- **Batches**: threads that submit many commands at a time, on an empty database. Another system
  makes each batch one transaction. This store replies to each command separately. *Settled* is the
  same, but the clock stops only after the data has left the log and the memory.
- **get**: any settled order by its number, read completely, in its own transaction. **get, new**:
  the same for the orders that were written last, which this store still has in its memtable.
  **page**: a user's latest orders, each read completely. One thread, all data in memory.
- **Numbers**: identifiers as text, each of them used. No system allocates a text on the heap.
- **Bytes on disk**: the size of the directory, with logs and free space. **In use**: the same
  without free space inside the files, if the system reports it.
- **fsync**: appends of one page into a file with allocated blocks, each synced, right before the
  run. With one caller, a system that syncs every reply cannot be faster.
";

pub(super) fn write(run: &Run) -> Checked<String> {
    let mut page = String::from(HEAD);
    targets::table(&mut page, run)?;
    place(&mut page, run)?;
    machine(&mut page, run)?;
    systems(&mut page, run)?;
    page.push_str(MEANING);
    rates(&mut page, run)?;
    ratios(&mut page, run)?;
    latencies(&mut page, run)?;
    pipelined(&mut page, run)?;
    batches(&mut page, run)?;
    reads(&mut page, run)?;
    numbers(&mut page, run)?;
    run.alone.table(&mut page)?;
    Ok(page)
}

pub(super) fn row(page: &mut String, cells: &[String]) -> Checked<()> {
    Ok(writeln!(page, "| {} |", cells.join(" | "))?)
}

pub(super) fn head(page: &mut String, names: &[String]) -> Checked<()> {
    row(page, names)?;
    let mut rule = vec!["---:".to_owned(); names.len()];
    if let Some(first) = rule.first_mut() {
        "---".clone_into(first);
    }
    row(page, &rule)
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn place(page: &mut String, run: &Run) -> Checked<()> {
    let [first, last] = &run.when;
    let when = if first == last {
        first.clone()
    } else {
        format!("{first} to {last}")
    };
    let Sizes { seconds, .. } = run.sizes;
    let often = match run.rounds {
        1 => "once".to_owned(),
        rounds => format!("in {rounds} rounds, the systems in turn; figures are medians"),
    };
    writeln!(
        page,
        "\n## Where and who\n\n{when}; {seconds} s each, {often}."
    )?;
    if run.sizes != Sizes::WHOLE {
        writeln!(
            page,
            "\n**This run was shorter than usual, so its figures are less reliable.**"
        )?;
    }
    writeln!(page)?;
    Ok(())
}

fn machine(page: &mut String, run: &Run) -> Checked<()> {
    writeln!(page, "| | |\n|---|---|")?;
    for (name, value) in run.machine.as_object().into_iter().flatten() {
        let value = value.as_str().map_or(value.to_string(), ToOwned::to_owned);
        row(page, &[name.replace('_', " "), value])?;
    }
    Ok(())
}

fn systems(page: &mut String, run: &Run) -> Checked<()> {
    writeln!(page, "\n| system | version | set up |\n|---|---|---|")?;
    for who in &run.systems {
        let name = who.name.clone();
        row(page, &[name, who.version.clone(), who.setting.clone()])?;
    }
    Ok(())
}

/// Writes a table with the cell of each system and each number of callers.
fn by_callers(
    page: &mut String,
    run: &Run,
    cell: impl Fn(&str, usize) -> Option<String>,
) -> Checked<()> {
    let callers = run.callers();
    let mut titles = vec!["callers".to_owned()];
    titles.extend(callers.iter().map(ToString::to_string));
    head(page, &titles)?;
    for who in &run.systems {
        let mut cells = vec![who.name.clone()];
        cells.extend(
            callers
                .iter()
                .map(|n| cell(&who.name, *n).unwrap_or_default()),
        );
        if cells.iter().skip(1).any(|cell| !cell.is_empty()) {
            row(page, &cells)?;
        }
    }
    Ok(())
}

fn rates(page: &mut String, run: &Run) -> Checked<()> {
    if run.called().next().is_none() {
        return Ok(());
    }
    writeln!(page, "\n## Callers\n\nDurable commands per second.\n")?;
    by_callers(page, run, |name, callers| {
        run.of(name, callers).map(|called| thousands(called.rate))
    })?;
    let rates: Vec<f64> = run.called().map(|(_, called)| called.fsync_rate).collect();
    let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let (lowest, highest) = (thousands(lowest), thousands(highest));
    writeln!(page, "\nfsync: {lowest} to {highest} per second.")?;
    let groups = run.called().filter_map(|(name, called)| {
        let mean = called.group_mean.filter(|_| name == OURS)?;
        Some(format!("{mean} with {}", called.callers))
    });
    let groups: Vec<_> = groups.collect();
    if !groups.is_empty() {
        let groups = groups.join(", ");
        writeln!(page, "Commands of the store that shared a write: {groups}.")?;
    }
    Ok(())
}

fn ratios(page: &mut String, run: &Run) -> Checked<()> {
    if !run.called().any(|(name, _)| name == OURS) || run.systems.len() < 2 {
        return Ok(());
    }
    writeln!(page, "\nHow many times as much the store does.\n")?;
    by_callers(page, run, |name, callers| {
        let (ours, theirs) = (run.of(OURS, callers)?, run.of(name, callers)?);
        let other = name != OURS;
        other.then(|| format!("{:.2}", ours.rate / theirs.rate))
    })
}

fn latencies(page: &mut String, run: &Run) -> Checked<()> {
    if run.called().next().is_none() {
        return Ok(());
    }
    writeln!(
        page,
        "\nHow long a command takes: p50 / p99 / p99.9 in µs.\n"
    )?;
    let three = |called: &Called| {
        let parts = [called.p50_us, called.p99_us, called.p999_us];
        parts.map(thousands).join(" / ")
    };
    by_callers(page, run, |name, callers| run.of(name, callers).map(three))
}

fn pipelined(page: &mut String, run: &Run) -> Checked<()> {
    if run.pipelined().next().is_none() {
        return Ok(());
    }
    writeln!(
        page,
        "\n## Pipelined\n\n{THREADS} threads, each with {TICKETS} commands under way.\n"
    )?;
    let titles = [
        "system",
        "per second",
        "of the best blocking rate of",
        "ratio",
    ];
    head(page, &names(&titles))?;
    for (name, pipelined) in run.pipelined() {
        for who in &run.systems {
            let Some(best) = run.best(&who.name) else {
                continue;
            };
            let cells = [
                name.to_owned(),
                thousands(pipelined.rate),
                who.name.clone(),
                format!("{:.2}", pipelined.rate / best),
            ];
            row(page, &cells)?;
        }
    }
    Ok(())
}

fn batches(page: &mut String, run: &Run) -> Checked<()> {
    let Some((_, first)) = run.batched().next() else {
        return Ok(());
    };
    let batch = thousands(float(u64::try_from(BATCH)?));
    let commands = thousands(float(first.commands));
    writeln!(
        page,
        "\n## Batches\n\n{commands} commands, {batch} at a time from each of \
         {BATCH_THREADS} threads.\n"
    )?;
    let titles = [
        "system",
        "per second",
        "settled",
        "the store: times its settled rate",
        "the store: times its best blocking rate",
    ];
    head(page, &names(&titles))?;
    let ours = run.batched().find(|(name, _)| *name == OURS);
    let ours = ours.map(|(_, ours)| ours.rate_settled);
    for (name, batched) in run.batched() {
        let times = |theirs: Option<f64>| {
            let (ours, theirs) = ours.filter(|_| name != OURS).zip(theirs)?;
            Some(format!("{:.2}", ours / theirs))
        };
        let cells = [
            name.to_owned(),
            thousands(batched.rate),
            thousands(batched.rate_settled),
            times(Some(batched.rate_settled)).unwrap_or_default(),
            times(run.best(name)).unwrap_or_default(),
        ];
        row(page, &cells)?;
    }
    Ok(())
}

fn reads(page: &mut String, run: &Run) -> Checked<()> {
    let Some((_, first)) = run.read().next() else {
        return Ok(());
    };
    let counts = [first.orders, first.users, first.new_orders];
    let [orders, users, new] = counts.map(|count| thousands(float(count)));
    writeln!(
        page,
        "\n## Reads and space\n\n{orders} paid orders of {users} users; pages of {PAGE}; then {new} \
         orders more, which are the new ones. \
         Bytes are those of an order with its lists and events.\n"
    )?;
    let titles = [
        "system",
        "get, ns",
        "get, new, ns",
        "page, µs",
        "bytes in use",
        "bytes on disk",
    ];
    head(page, &names(&titles))?;
    for (name, read) in run.read() {
        let each = |bytes: u64| thousands(float(bytes) / float(read.stored()));
        let cells = [
            name.to_owned(),
            thousands(read.get_ns),
            thousands(read.get_new_ns),
            format!("{:.2}", read.page_us),
            read.bytes_in_use.map_or_else(String::new, each),
            each(read.bytes_on_disk),
        ];
        row(page, &cells)?;
    }
    Ok(())
}

fn numbers(page: &mut String, run: &Run) -> Checked<()> {
    let Some(numbered) = run.numbered() else {
        return Ok(());
    };
    writeln!(page, "\n## Order numbers\n")?;
    let together = format!("{NUMBERS_THREADS} threads together, per second");
    let titles = ["kind", "ns each", "1 thread, per second", &together];
    head(page, &names(&titles))?;
    let kinds = [
        ("order number, 32 digits", &numbered.order_no),
        ("uuid v7", &numbered.uuid_v7),
        ("ulid", &numbered.ulid),
    ];
    for (name, kind) in kinds {
        let cells = [
            name.to_owned(),
            format!("{:.1}", kind.number_ns),
            thousands(kind.rate_1),
            thousands(kind.rate_16),
        ];
        row(page, &cells)?;
    }
    Ok(())
}
