//! The life of WeChat mini-program orders, on the local engine and a real callback event:
//! `cargo run --release --example payment_flow [-- DIR [EVENT.json]]`.
//!
//! Every answer is compared with what it must be; the exit status is 0 only if all are.
//! Run it twice on one directory: the second run finds the order and the payment there.

mod event;
mod journal;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use event::Event;
use journal::Journal;
use orderstore::{
    ChannelState, CloseAnswer, Confirmed, Created, Listing, OrderNo, PageOf, Prepaid, Prepay,
    PrepayKind, PrepayValue, Queried, Status, Store,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often WeChat sends a notification that nobody acknowledged, beside the first time.
const REPEATS: usize = 15;

/// How many notifications arrive at the same moment where the network is at its worst.
const AT_ONCE: usize = 16;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("payment_flow: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let scratch = tempfile::tempdir()?;
    let (dir, file) = match arguments.as_slice() {
        [] => (scratch.path().join("orders"), None),
        [dir] => (dir.clone(), None),
        [dir, file] => (dir.clone(), Some(file.as_path())),
        _ => return Err("usage: payment_flow [DIR [EVENT.json]]".into()),
    };
    let event = Event::read(file)?;
    let store = Store::open_or_init(&dir)?;
    println!("store: {} ({:?})\n", dir.display(), store.opened());

    let mut journal = Journal::default();
    play(&store, &event, &mut journal)?;
    journal.print();
    let ok = conclude(&store, &event, &dir)? && journal.is_as_it_must_be();
    store.shutdown().wait()?;
    println!(
        "{}",
        if ok {
            "all as it must be"
        } else {
            "NOT as it must be"
        }
    );
    Ok(ok)
}

fn play(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    the_event_itself(store, event, journal)?;
    many_at_once(store, event, journal)?;
    wrong_amount(store, event, journal)?;
    before_its_order(store, event, journal)?;
    after_a_close(store, event, journal)
}

/// An order under the event's own number: created, prepaid, paid, and told fifteen times
/// more. On a second run it exists, and the payment is a duplicate from the first time on.
fn the_event_itself(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let no = event.no()?;
    journal.begin(no, "the event as it came");
    let created = store.create(no, event.new_order()?).wait()?;
    let is_new = created.outcome == Created::Created;
    let known = [Created::Created, Created::Exists];
    journal.note("create", &created, known.contains(&created.outcome));

    let prepaid = prepay(store, no)?;
    let expected = if is_new {
        Prepaid::Recorded
    } else {
        Prepaid::AlreadyPaid
    };
    journal.note("prepay", &prepaid, prepaid.outcome == expected);

    let confirmed = event.confirm(store, no)?;
    let expected = if is_new {
        Confirmed::Applied
    } else {
        Confirmed::Duplicate
    };
    journal.note("callback", &confirmed, confirmed.outcome == expected);
    for _ in 0..REPEATS {
        let again = event.confirm(store, no)?;
        journal.note(
            "callback again",
            &again,
            again.outcome == Confirmed::Duplicate,
        );
    }
    Ok(())
}

/// The same callback on many threads at the same moment: one of them is applied.
fn many_at_once(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let no = store.next_order_no().wait()?;
    let event = event.addressed_to(no);
    journal.begin(no, "many callbacks at once");
    let created = store.create(no, event.new_order()?).wait()?;
    journal.note("create", &created, created.outcome == Created::Created);
    let prepaid = prepay(store, no)?;
    journal.note("prepay", &prepaid, prepaid.outcome == Prepaid::Recorded);

    let answers = thread::scope(|scope| -> Result<Vec<_>> {
        let call = || event.confirm(store, no).map_err(|error| error.to_string());
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(call)).collect();
        let answers = threads.into_iter().map(|thread| thread.join());
        answers
            .map(|answer| Ok(answer.map_err(|_| "a caller panicked")??))
            .collect()
    })?;
    let applied = answers
        .iter()
        .filter(|a| a.outcome == Confirmed::Applied)
        .count();
    for answer in answers {
        let one = applied == 1;
        let label = "callback, in a crowd";
        let known = [Confirmed::Applied, Confirmed::Duplicate];
        journal.note(label, &answer, one && known.contains(&answer.outcome));
    }
    Ok(())
}

/// One fen too much is kept as an anomaly and pays nothing; the right amount then does.
fn wrong_amount(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let no = store.next_order_no().wait()?;
    let event = event.addressed_to(no);
    journal.begin(no, "a wrong amount, then the right one");
    let created = store.create(no, event.new_order()?).wait()?;
    journal.note("create", &created, created.outcome == Created::Created);
    let wrong = event.with_one_fen_more()?.confirm(store, no)?;
    let is_mismatch = matches!(wrong.outcome, Confirmed::AmountMismatch { .. });
    journal.note("callback, 1 fen more", &wrong, is_mismatch);
    let right = event.confirm(store, no)?;
    journal.note("callback", &right, right.outcome == Confirmed::Applied);
    Ok(())
}

/// A callback that overtakes its order waits for it, and the channel is not told "received".
fn before_its_order(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let no = store.next_order_no().wait()?;
    let event = event.addressed_to(no);
    journal.begin(no, "a callback before its order");
    let early = event.confirm(store, no)?;
    let waits = early.outcome == Confirmed::Unclaimed && !early.should_acknowledge();
    journal.note("callback", &early, waits);
    let created = store.create(no, event.new_order()?).wait()?;
    journal.note(
        "create",
        &created,
        created.outcome == Created::CreatedAndPaid,
    );
    Ok(())
}

/// Money for a closed order is money all the same: kept, and shown to a person.
fn after_a_close(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let no = store.next_order_no().wait()?;
    let event = event.addressed_to(no);
    journal.begin(no, "a callback after a close");
    let created = store.create(no, event.new_order()?).wait()?;
    journal.note("create", &created, created.outcome == Created::Created);
    let closing = store.begin_close(no).wait()?;
    journal.note(
        "begin close",
        &closing,
        closing.outcome == CloseAnswer::Closing,
    );
    let closed = store.record_query(no, ChannelState::Closed).wait()?;
    let to = Status::Closed;
    journal.note(
        "channel: CLOSED",
        &closed,
        closed.outcome == Queried::Moved { to },
    );
    let late = event.confirm(store, no)?;
    journal.note("callback", &late, late.outcome == Confirmed::Late);
    Ok(())
}

fn prepay(store: &Store, no: OrderNo) -> Result<orderstore::Answered<Prepaid>> {
    let value = PrepayValue::parse("wx201410272009395522657a690389285100")?;
    Ok(store
        .record_prepay(no, Prepay::new(PrepayKind::Jsapi, value))
        .wait()?)
}

/// The user's list, the counts, and a look at everything that is kept.
fn conclude(store: &Store, event: &Event, dir: &Path) -> Result<bool> {
    println!("\nthe user's newest orders:");
    let listing = Listing::by_openid(&event.openid()?).page(PageOf::of(5));
    for order in store.list(listing).wait()?.rows {
        let paid = order.paid_at().map(|at| at.beijing().to_string());
        let paid = paid.unwrap_or_else(|| "-".to_owned());
        let fee = order.total_fee.yuan();
        println!(
            "  {:<32}  {:<8}  {fee:>6} yuan  {paid}",
            order.no, order.status
        );
    }
    let open = store
        .open_anomalies(PageOf::of(PageOf::MAX))
        .wait()?
        .rows
        .len();
    println!("\nanomalies that wait for a person: {open}");
    let counts = store.counts().wait()?;
    let all = Status::ALL.map(|status| format!("{status} {}", counts.of(status)));
    println!("counts: {}", all.join(", "));
    let report = store.verify().wait()?;
    for violation in &report.violations {
        println!("  {violation}");
    }
    let verdict = if report.is_ok() { "ok" } else { "BROKEN" };
    let (records, events) = (report.records, report.events);
    println!(
        "verify: {verdict} ({records} records, {events} events in {})",
        dir.display()
    );
    Ok(report.is_ok())
}
