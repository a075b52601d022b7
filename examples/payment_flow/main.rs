//! Life cycle of WeChat mini-program orders, with the local engine and a real callback event:
//! `cargo run --release --example payment_flow [-- DIR [EVENT.json]]`.
//!
//! The example checks every answer; the exit status is 0 only if all are correct. A second run on
//! the same directory finds the order and the payment of the first one.

mod event;
mod journal;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use event::Event;
use journal::{Expected, Journal};
use orderstore::{
    ChannelState, CloseOutcome, Confirmed, Counts, Created, OrderNo, OrderQuery, PageRequest,
    Prepaid, Prepay, PrepayKind, PrepayValue, Queried, Reply, Status, Store,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Number of times that the channel repeats a notification without an acknowledgement.
const REPEATS: usize = 15;

/// Number of threads that send the same notification at the same time.
const AT_ONCE: usize = 16;

/// Expected state: the order is pending, and the reply may be acknowledged.
const PENDING: Expected = (Some(Status::Pending), true);

/// Expected state: the order is paid, and the notification is acknowledged.
const PAID: Expected = (Some(Status::Success), true);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("payment_flow: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
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

    let before = store.counts().wait()?;
    let mut journal = Journal::default();
    let own_is_new = play(&store, &event, &mut journal)?;
    journal.print();
    let ok = journal.is_all_expected()
        & lists_them_all(&store, &event, &journal)?
        & counts_them(&store, &before, own_is_new)?
        & verifies(&store)?;
    store.shutdown().wait()?;
    Ok(ok)
}

/// Runs all scenarios; returns whether the event's own order was created in this run.
fn play(store: &Store, event: &Event, journal: &mut Journal) -> Result<bool> {
    let own_is_new = pay_order_of_the_event(store, event, journal)?;
    many_at_once(store, event, journal)?;
    wrong_amount(store, event, journal)?;
    before_its_order(store, event, journal)?;
    after_a_close(store, event, journal)?;
    Ok(own_is_new)
}

/// Creates, prepays and pays an order under the event's own number, then repeats the notification
/// 15 times. In a second run the order exists, and even the first notification is a duplicate.
fn pay_order_of_the_event(store: &Store, event: &Event, journal: &mut Journal) -> Result<bool> {
    let no = event.no()?;
    journal.begin(no, "the event's own order");
    let created = store.create(no, event.new_order()?).wait()?;
    let is_new = created.outcome == Created::Created;
    let is_old = created.outcome == Created::Exists;
    journal.note(
        "create",
        &created,
        is_new | is_old,
        if is_new { PENDING } else { PAID },
    );

    let prepaid = prepay(store, no)?;
    if is_new {
        journal.note(
            "prepay",
            &prepaid,
            prepaid.outcome == Prepaid::Recorded,
            PENDING,
        );
    } else {
        let paid = prepaid.outcome == Prepaid::AlreadyPaid;
        journal.note("prepay", &prepaid, paid, (Some(Status::Success), false));
    }
    let first = event.confirm(store, no)?;
    let applied = (first.outcome == Confirmed::Applied) == is_new;
    journal.note("callback", &first, applied, PAID);
    for _ in 0..REPEATS {
        let again = event.confirm(store, no)?;
        let duplicate = again.outcome == Confirmed::Duplicate;
        journal.note("callback again", &again, duplicate, PAID);
    }
    Ok(is_new)
}

/// Sends the same callback from many threads at once: exactly one is applied.
fn many_at_once(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let (no, event) = begin_scenario(store, event, journal, "many callbacks at once")?;
    create(store, no, &event, journal)?;
    let prepaid = prepay(store, no)?;
    journal.note(
        "prepay",
        &prepaid,
        prepaid.outcome == Prepaid::Recorded,
        PENDING,
    );
    let answers = at_once(store, no, &event)?;
    let applied = |answer: &&Reply<Confirmed>| answer.outcome == Confirmed::Applied;
    let one = answers.iter().filter(applied).count() == 1;
    for answer in answers {
        let known = matches!(answer.outcome, Confirmed::Applied | Confirmed::Duplicate);
        journal.note("concurrent callback", &answer, one && known, PAID);
    }
    Ok(())
}

fn at_once(store: &Store, no: OrderNo, event: &Event) -> Result<Vec<Reply<Confirmed>>> {
    thread::scope(|scope| {
        let call = || event.confirm(store, no).map_err(|error| error.to_string());
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(call)).collect();
        let answers = threads.into_iter().map(thread::ScopedJoinHandle::join);
        answers
            .map(|answer| Ok(answer.map_err(|_| "a caller panicked")??))
            .collect()
    })
}

/// Sends a payment of one fen too much: the store records an anomaly, and the order stays unpaid.
/// Then sends the correct amount, which pays the order.
fn wrong_amount(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let (no, event) = begin_scenario(store, event, journal, "a wrong amount, then the right one")?;
    create(store, no, &event, journal)?;
    let wrong = event.with_one_fen_more()?.confirm(store, no)?;
    let is_mismatch = matches!(wrong.outcome, Confirmed::AmountMismatch { .. });
    journal.note("callback, 1 fen more", &wrong, is_mismatch, PENDING);
    let right = event.confirm(store, no)?;
    journal.note(
        "callback",
        &right,
        right.outcome == Confirmed::Applied,
        PAID,
    );
    Ok(())
}

/// Sends a callback before its order exists. The payment waits as unclaimed, and the channel
/// receives no acknowledgement.
fn before_its_order(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let (no, event) = begin_scenario(store, event, journal, "a callback before its order")?;
    let early = event.confirm(store, no)?;
    let waits = early.outcome == Confirmed::Unclaimed;
    journal.note("callback", &early, waits, (None, false));
    let created = store.create(no, event.new_order()?).wait()?;
    let paid = created.outcome == Created::CreatedAndPaid;
    journal.note("create", &created, paid, PAID);
    Ok(())
}

/// Pays a closed order: the payment is kept and becomes an anomaly for the operator.
fn after_a_close(store: &Store, event: &Event, journal: &mut Journal) -> Result<()> {
    let (no, event) = begin_scenario(store, event, journal, "a callback after a close")?;
    create(store, no, &event, journal)?;
    let closing = store.begin_close(no).wait()?;
    let begun = closing.outcome == CloseOutcome::Closing;
    journal.note(
        "begin close",
        &closing,
        begun,
        (Some(Status::Closing), true),
    );
    let closed = store.record_query(no, ChannelState::Closed).wait()?;
    let to = Status::Closed;
    let moved = closed.outcome == Queried::Moved { to };
    journal.note("channel: CLOSED", &closed, moved, (Some(to), true));
    let late = event.confirm(store, no)?;
    let is_late = late.outcome == Confirmed::Late;
    journal.note("callback", &late, is_late, (Some(Status::LatePaid), true));
    Ok(())
}

/// Starts a scenario: returns a new order number and the event addressed to it.
fn begin_scenario(
    store: &Store,
    event: &Event,
    journal: &mut Journal,
    title: &'static str,
) -> Result<(OrderNo, Event)> {
    let no = store.next_order_no().wait()?;
    journal.begin(no, title);
    Ok((no, event.addressed_to(no)))
}

fn create(store: &Store, no: OrderNo, event: &Event, journal: &mut Journal) -> Result<()> {
    let created = store.create(no, event.new_order()?).wait()?;
    journal.note(
        "create",
        &created,
        created.outcome == Created::Created,
        PENDING,
    );
    Ok(())
}

fn prepay(store: &Store, no: OrderNo) -> Result<Reply<Prepaid>> {
    let value = PrepayValue::parse("wx201410272009395522657a690389285100")?;
    let prepay = Prepay::new(PrepayKind::Jsapi, value);
    Ok(store.record_prepay(no, prepay).wait()?)
}

/// Checks that the user's list contains every order that this run created.
fn lists_them_all(store: &Store, event: &Event, journal: &Journal) -> Result<bool> {
    println!("\nthe user's newest orders:");
    let listing = OrderQuery::by_openid(&event.openid()?).page(PageRequest::of(PageRequest::MAX));
    let orders = store.list(listing).wait()?.rows;
    for order in orders.iter().take(5) {
        let paid = order.paid_at().map(|at| at.beijing().to_string());
        let paid = paid.unwrap_or_else(|| "-".to_owned());
        let fee = order.total_fee.yuan();
        println!(
            "  {:<32}  {:<8}  {fee} yuan  {paid}",
            order.no, order.status
        );
    }
    let listed = |no| orders.iter().any(|order| order.no == no);
    // Skip the first order, which belongs to the whole event: after many runs, it is not among the
    // user's newest thousand orders.
    let all = journal.numbers().skip(1).all(listed);
    Ok(check(all, "an order is missing in the user's list"))
}

/// Checks what a run adds to the counts: three paid orders besides the event's own, one late
/// payment and one open anomaly.
fn counts_them(store: &Store, before: &Counts, own_is_new: bool) -> Result<bool> {
    let counts = store.counts().wait()?;
    let all = Status::ALL.map(|status| format!("{status} {}", counts.of(status)));
    let open = counts.open_anomalies;
    println!("\ncounts: {}, open anomalies {open}", all.join(", "));
    let more = |status| counts.of(status).checked_sub(before.of(status));
    let paid = more(Status::Success) == Some(3 + u64::from(own_is_new));
    let late = more(Status::LatePaid) == Some(1);
    let waits = open.checked_sub(before.open_anomalies) == Some(1);
    Ok(check(
        paid && late && waits,
        "the counts do not match the scenarios",
    ))
}

/// Verifies the whole store, and returns whether it has no violation.
fn verifies(store: &Store) -> Result<bool> {
    let report = store.verify().wait()?;
    for violation in &report.violations {
        println!("  {violation}");
    }
    println!("verify: {}", if report.is_ok() { "ok" } else { "BROKEN" });
    Ok(report.is_ok())
}

fn check(is_expected: bool, message: &str) -> bool {
    if !is_expected {
        println!("  <- UNEXPECTED: {message}");
    }
    is_expected
}
