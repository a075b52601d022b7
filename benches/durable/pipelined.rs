//! Pipelined: a few threads that submit commands without waiting, each with a fixed number in
//! flight. An order is confirmed after the reply to its creation, as in practice.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use orderstore::{Confirmed, Created, Error, Fen, OrderNo, Reply, Store, Ticket};
use serde::Serialize;

use crate::expect::expect;
use crate::latencies::Latencies;
use crate::lifecycle::{Clock, Figures, USERS, check_and_close};
use crate::sample::{Checked, Sample};
use crate::setting::Setting;
use crate::watch::{Watched, watched};

/// Figures of one run.
#[derive(Serialize)]
#[serde(tag = "mode", rename = "pipelined")]
pub(crate) struct Pipelined {
    pipelined: String,
    #[serde(flatten)]
    figures: Figures,
    #[serde(flatten)]
    watched: Watched,
}

pub(crate) fn measure(
    setting: Setting,
    dir: &Path,
    (threads, tickets): (usize, usize),
    length: Duration,
) -> Checked<Pipelined> {
    let store = setting.init(&dir.join("store"))?;
    let (seen, watched) = watched(&store, setting, || {
        let clock = Clock::start(&store);
        clock.stop(run(&store, threads, tickets, length)?)
    })?;
    check_and_close(store, seen.latencies.count() / 2)?;
    Ok(Pipelined {
        pipelined: format!("{threads}x{tickets}"),
        figures: seen.figures(),
        watched,
    })
}

fn run(store: &Store, threads: usize, tickets: usize, length: Duration) -> Checked<Latencies> {
    thread::scope(|scope| {
        let work = |worker: u64| {
            scope.spawn(move || Pipe::new(store, worker << 32)?.work(tickets, length))
        };
        let threads: Vec<_> = (0_u64..).take(threads).map(work).collect();
        let mut latencies = Latencies::default();
        for thread in threads {
            latencies.append(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(latencies)
    })
}

/// A submitted command.
enum UnderWay {
    Create(OrderNo, Fen, Ticket<Reply<Created>>),
    Confirm(Ticket<Reply<Confirmed>>),
}

/// Commands of one thread, the oldest first.
struct Pipe<'s> {
    store: &'s Store,
    sample: Sample,
    under_way: VecDeque<(Instant, UnderWay)>,
    latencies: Latencies,
}

impl<'s> Pipe<'s> {
    fn new(store: &'s Store, seed: u64) -> Checked<Self> {
        Ok(Self {
            store,
            sample: Sample::new(seed, USERS)?,
            under_way: VecDeque::new(),
            latencies: Latencies::default(),
        })
    }

    /// Starts orders for `length`, then completes all of them.
    fn work(mut self, tickets: usize, length: Duration) -> Checked<Latencies> {
        let began = Instant::now();
        while began.elapsed() < length {
            if self.under_way.len() < tickets {
                self.create()?;
            } else {
                self.take_reply()?;
            }
        }
        while !self.under_way.is_empty() {
            self.take_reply()?;
        }
        Ok(self.latencies)
    }

    fn create(&mut self) -> Checked<()> {
        let no = self.store.next_order_no().wait()?;
        let new = self.sample.order()?;
        let fee = new.total_fee();
        let asked = Instant::now();
        let ticket = self.store.create(no, new).submit().map_err(Error::from)?;
        let create = UnderWay::Create(no, fee, ticket);
        self.under_way.push_back((asked, create));
        Ok(())
    }

    /// Waits for the oldest reply; after a creation it submits the payment.
    fn take_reply(&mut self) -> Checked<()> {
        let Some((asked, oldest)) = self.under_way.pop_front() else {
            return Ok(());
        };
        match oldest {
            UnderWay::Create(no, fee, ticket) => {
                expect(&ticket.wait()?.outcome, &Created::Created)?;
                self.latencies.push(asked.elapsed());
                self.confirm(no, fee)
            }
            UnderWay::Confirm(ticket) => {
                expect(&ticket.wait()?.outcome, &Confirmed::Applied)?;
                self.latencies.push(asked.elapsed());
                Ok(())
            }
        }
    }

    fn confirm(&mut self, no: OrderNo, fee: Fen) -> Checked<()> {
        let payment = self.sample.payment(fee)?;
        let asked = Instant::now();
        let ticket = self.store.confirm(no, payment).submit();
        let confirm = UnderWay::Confirm(ticket.map_err(Error::from)?);
        self.under_way.push_back((asked, confirm));
        Ok(())
    }
}
