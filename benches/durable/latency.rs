//! Latency under load. The bench submits commands at equal intervals and does not wait for replies
//! in between. Its rate is half of that of 64 callers, which it measures first.
//!
//! A command's latency counts from the time at which it is due. If the store pauses, the latencies
//! of all commands that become due meanwhile include the rest of the pause.
//!
//! The store has a base of orders. The run lasts until `FLUSHES` checkpoints have ended.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Confirmed, Created, Error, Fen, OrderNo, Reply, Store, Ticket};
use serde::Serialize;

use crate::batch;
use crate::expect::expect;
use crate::figures::to;
use crate::latencies::{Latencies, Percentiles};
use crate::lifecycle::{Callers, USERS};
use crate::sample::{Checked, Sample};
use crate::setting::Setting;
use crate::watch::{Watched, watched};

const CALLERS: usize = 64;

/// Number of checkpoints that must end during the run.
const FLUSHES: u64 = 3;

/// Number of orders that wait for their payment at any time.
const PENDING: usize = 1_024;

/// Maximum duration. If fewer than [`FLUSHES`] checkpoints have ended by then, the run fails.
const PATIENCE: Duration = Duration::from_secs(600);

/// Figures of one run.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "latency")]
pub(crate) struct Late {
    base_orders: u64,
    /// Rate of 64 callers on an empty store, measured just before this run.
    callers_rate: f64,
    /// Due commands per second, and the total number of commands.
    arrivals_rate: f64,
    commands: u64,
    #[serde(flatten)]
    latencies: Percentiles,
    /// Time from a command's due time until the bench has submitted it; part of the latencies.
    handed_over_p999_us: f64,
    /// Commands that a full queue refused.
    overloaded: u64,
    #[serde(flatten)]
    watched: Watched,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (base_orders, users): (u64, u64),
    length: Duration,
) -> Checked<Late> {
    let callers_rate = callers_rate(setting, &dir.join("callers"), length)?;
    let arrivals_rate = callers_rate / 2.0;
    let store = setting.init(&dir.join("store"))?;
    batch::fill(&store, base_orders, users)?;
    let spacing = Duration::from_secs_f64(1.0 / arrivals_rate);
    let mut source = Source::ready(&store, users)?;
    let ((mut late, overloaded), watched) = watched(&store, setting, || {
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            let recording = scope.spawn(move || record_replies(receiver));
            let handed_over = source.arrive(spacing, length, &sender);
            drop(sender);
            let recorded = recording.join().map_err(|_| "a thread panicked")?;
            let (handed_over, overloaded) = handed_over?;
            Ok(((recorded?, handed_over), overloaded))
        })
    })?;
    store.shutdown().wait()?;
    Ok(Late {
        base_orders,
        callers_rate,
        arrivals_rate: to(1.0, arrivals_rate),
        commands: late.0.count(),
        latencies: late.0.percentiles(),
        handed_over_p999_us: late.1.percentiles().p999_us,
        overloaded,
        watched,
    })
}

fn callers_rate(setting: Setting, dir: &Path, length: Duration) -> Checked<f64> {
    let store = setting.init(dir)?;
    let seen = Callers::new(CALLERS, USERS)?.run(&store, length)?;
    store.shutdown().wait()?;
    Ok(seen.rate())
}

/// A submitted command and its due time.
struct Arrived {
    due: Instant,
    ticket: Asked,
}

enum Asked {
    Create(Ticket<Reply<Created>>),
    Confirm(Ticket<Reply<Confirmed>>),
}

/// Source of commands: alternately a new order and the payment of an older one.
struct Source<'s> {
    store: &'s Store,
    sample: Sample,
    pending: VecDeque<(OrderNo, Fen)>,
}

impl<'s> Source<'s> {
    fn ready(store: &'s Store, users: u64) -> Checked<Self> {
        let mut source = Self {
            store,
            sample: Sample::new(1 << 60, users)?,
            pending: VecDeque::new(),
        };
        while source.pending.len() < PENDING {
            if let Some(Asked::Create(ticket)) = source.create()? {
                expect(&ticket.wait()?.outcome, &Created::Created)?;
            }
        }
        Ok(source)
    }

    /// Submits due commands until enough checkpoints have ended. Returns the delays of the submits
    /// and the number of refused commands.
    fn arrive(
        &mut self,
        spacing: Duration,
        length: Duration,
        to: &Sender<Arrived>,
    ) -> Checked<(Latencies, u64)> {
        let (began, flushes) = (Instant::now(), self.store.stats().checkpoints);
        let (mut due, mut handed_over, mut overloaded) = (began, Latencies::default(), 0);
        let mut creates = true;
        loop {
            let now = Instant::now();
            if now < due {
                let flushed = self.store.stats().checkpoints - flushes;
                if now - began >= length && flushed >= FLUSHES {
                    return Ok((handed_over, overloaded));
                }
                thread::sleep(due - now);
            }
            if now - began > PATIENCE {
                return Err("too few checkpoints ended in time".into());
            }
            let asked = if creates {
                self.create()
            } else {
                self.confirm()
            };
            match asked? {
                Some(ticket) => to.send(Arrived { due, ticket })?,
                None => overloaded += 1,
            }
            handed_over.push(due.elapsed());
            creates = !creates;
            due += spacing;
        }
    }

    fn create(&mut self) -> Checked<Option<Asked>> {
        let no = self.store.next_order_no().wait()?;
        let new = self.sample.order()?;
        let fee = new.total_fee();
        let ticket = self.store.create(no, new).submit();
        let ticket = taken(ticket.map_err(Error::from))?;
        if ticket.is_some() {
            self.pending.push_back((no, fee));
        }
        Ok(ticket.map(Asked::Create))
    }

    fn confirm(&mut self) -> Checked<Option<Asked>> {
        let Some((no, fee)) = self.pending.pop_front() else {
            return Ok(None);
        };
        let payment = self.sample.payment(fee)?;
        let ticket = self.store.confirm(no, payment).submit();
        let ticket = taken(ticket.map_err(Error::from))?;
        Ok(ticket.map(Asked::Confirm))
    }
}

/// Returns `None` if the queue was full.
fn taken<T>(ticket: Result<T, Error>) -> Checked<Option<T>> {
    match ticket {
        Ok(ticket) => Ok(Some(ticket)),
        Err(Error::Overloaded) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the replies in the order of their commands, which is also the order of their groups.
fn record_replies(arrived: Receiver<Arrived>) -> Checked<Latencies> {
    let mut latencies = Latencies::default();
    for Arrived { due, ticket } in arrived {
        match ticket {
            Asked::Create(ticket) => expect(&ticket.wait()?.outcome, &Created::Created)?,
            Asked::Confirm(ticket) => expect(&ticket.wait()?.outcome, &Confirmed::Applied)?,
        }
        latencies.push(due.elapsed());
    }
    Ok(latencies)
}
