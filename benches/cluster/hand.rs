//! The handwritten side: each caller has its own connection and sends a command only after the
//! reply to the previous one.
//!
//! There is one thread for each core, or for each caller if those are fewer, and no extra thread
//! for a connection. A single caller therefore needs no switch between threads.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use orderstore::{Fen, Store, Timestamp};
use tokio::runtime::{Builder, Runtime};

use crate::connected::{Connected, Order};
use crate::latencies::Latencies;
use crate::lifecycle::{Seen, USERS};
use crate::place::Schema;
use crate::rows::Pattern;
use crate::sample::{Checked, Sample, openid};
use crate::statements::Way;

/// All callers.
pub(crate) struct Hand {
    shares: Vec<Share>,
}

/// Callers of one thread.
struct Share {
    runtime: Runtime,
    callers: Vec<Caller>,
}

struct Caller {
    connected: Connected,
    way: Way,
    sample: Sample,
    common: Arc<Common>,
}

/// State that all callers share.
struct Common {
    pattern: Pattern,
    /// Store that generates the order numbers, as for its own orders.
    numbers: Store,
    rows: AtomicI64,
}

impl Hand {
    pub(crate) fn new(
        schema: &Schema<'_>,
        way: Way,
        count: usize,
        pattern: Pattern,
    ) -> Checked<Self> {
        let common = Arc::new(Common {
            pattern,
            numbers: Store::memory()?,
            rows: AtomicI64::new(1),
        });
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let threads = cores.min(count);
        let (url, mut shares) = (schema.url(), Vec::with_capacity(threads));
        for share in 0..threads {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let mut callers = Vec::new();
            for seed in (share..count).step_by(threads) {
                let caller = Caller::new(&url, way, u64::try_from(seed)?, &common);
                callers.push(runtime.block_on(caller)?);
            }
            shares.push(Share { runtime, callers });
        }
        Ok(Self { shares })
    }

    /// Runs all callers for `length`. The clock starts after every caller's first unit, and stops
    /// after every caller's last one.
    pub(crate) fn run(&mut self, length: Duration) -> Checked<Seen> {
        let gate = Barrier::new(self.shares.len() + 1);
        thread::scope(|scope| {
            let gate = &gate;
            let spawn = |share| scope.spawn(move || Share::run(share, gate, length));
            let threads: Vec<_> = self.shares.iter_mut().map(spawn).collect();
            gate.wait();
            let began = Instant::now();
            let mut seen = Seen::default();
            for thread in threads {
                let latencies = thread.join().map_err(|_| "a caller panicked")??;
                seen.latencies.append(latencies);
            }
            seen.elapsed = began.elapsed();
            Ok(seen)
        })
    }
}

impl Share {
    fn run(&mut self, gate: &Barrier, length: Duration) -> Checked<Latencies> {
        let ready = self.work(None);
        gate.wait();
        ready?;
        self.work(Some(Instant::now() + length))
    }

    /// Works until `until`, or for one unit each if it is `None`.
    fn work(&mut self, until: Option<Instant>) -> Checked<Latencies> {
        let callers = self.callers.drain(..);
        let spawn = |caller: Caller| self.runtime.spawn(caller.work(until));
        let tasks: Vec<_> = callers.map(spawn).collect();
        let mut latencies = Latencies::default();
        for task in tasks {
            let (caller, own) = self.runtime.block_on(task)??;
            latencies.append(own);
            self.callers.push(caller);
        }
        Ok(latencies)
    }
}

impl Caller {
    async fn new(url: &str, way: Way, seed: u64, common: &Arc<Common>) -> Checked<Self> {
        Ok(Self {
            connected: Connected::new(url).await?,
            way,
            sample: Sample::new(seed << 32, USERS)?,
            common: Arc::clone(common),
        })
    }

    async fn work(mut self, until: Option<Instant>) -> Checked<(Self, Latencies)> {
        let mut latencies = Latencies::default();
        loop {
            for took in self.unit().await? {
                latencies.push(took);
            }
            if until.is_none_or(|until| Instant::now() >= until) {
                return Ok((self, latencies));
            }
        }
    }

    /// Creates and pays one order; returns the duration of both commands.
    async fn unit(&mut self) -> Checked<[Duration; 2]> {
        let order = self.draw()?;
        let Pattern { new, paid, .. } = &self.common.pattern;
        let connected = &self.connected;
        let asked = Instant::now();
        match self.way {
            Way::Statement | Way::Reading => connected.create(&order, new).await?,
            Way::Pipelined => connected.create_in_a_pipeline(&order, new).await?,
            Way::Plain => connected.create_plainly(&order, new).await?,
        }
        let create = asked.elapsed();
        let asked = Instant::now();
        if self.way == Way::Reading {
            connected.look(&order, new).await?;
        }
        match self.way {
            Way::Statement | Way::Reading => connected.pay(&order, paid).await?,
            Way::Pipelined => connected.pay_in_a_pipeline(&order, paid).await?,
            Way::Plain => connected.pay_plainly(&order, new, paid).await?,
        }
        Ok([create, asked.elapsed()])
    }

    fn draw(&mut self) -> Checked<Order> {
        let no = self.common.numbers.next_order_no().wait()?;
        let openid = openid(self.sample.below(USERS))?;
        let fee = Fen::new(1 + self.sample.below(100_000))?;
        let payment = self.sample.payment(fee)?;
        let at = Timestamp::from_system(SystemTime::now()).as_millis();
        Ok(Order {
            no: no.to_string(),
            row: self.common.rows.fetch_add(1, Ordering::Relaxed),
            openid: openid.as_str().to_owned(),
            fee: i64::try_from(fee.as_u64())?,
            at,
            due: at + self.common.pattern.due_after,
            transaction: payment.transaction_id.as_str().to_owned(),
            paid_at: payment.time_end.as_millis(),
        })
    }
}
