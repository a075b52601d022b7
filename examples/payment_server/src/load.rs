//! Load test: orders and callbacks over HTTP on loopback. The clients and the channel's stand-in
//! run in the server's process and take their share of the machine.
//!
//! There are three parts, with 64 connections each:
//! - orders for the given time; each one is created, then prepaid at the channel;
//! - the first signed callback of every order, without a time limit;
//! - the same callbacks once more, for at most the given time.
//!
//! The test checks every timed answer. At the end the store and the channel must agree on each
//! order.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use orderstore::OrderNo;
use parking_lot::Mutex;

use crate::audit::Audit;
use crate::client::Client;
use crate::config::Config;
use crate::seal::Notification;
use crate::server::{Error, Server};
use crate::stand_in::{Behaviour, Form, StandIn};

/// Number of concurrent requests.
const CALLERS: usize = 64;

/// Maximum number of orders, whatever the duration.
const ORDERS_MAX: usize = 50_000;

/// Runs the load test and prints the result. Returns whether everything was correct.
///
/// # Errors
/// If the server does not start or shut down, or an answer is wrong.
pub async fn run(time: Duration) -> Result<bool, Error> {
    let config = Config {
        // Keep the sweeper from processing the orders, which would change the measurement.
        sweep_every: Duration::from_secs(3600),
        ..Config::anywhere()
    };
    let server = Server::start(config).await?;
    let stand_in = server.stand_in().cloned();
    let stand_in = stand_in.ok_or("a load test needs the stand-in")?;
    let client = Client::new(server.url());
    let (orders, nos) = orders(&client, time).await?;
    println!("orders      {orders}");
    let notices = paid(&stand_in, nos).await?;
    // This part has no time limit. The audit below compares the store with the channel, so the
    // store needs the callback of every paid order.
    let (first, notices) = callbacks(&client, notices, Duration::MAX).await?;
    println!("callbacks   {first}");
    let (again, _) = callbacks(&client, notices, time).await?;
    println!("repeats     {again}");
    let audit = Audit::of(server.store(), &stand_in).await?;
    server.shutdown().await?;
    let (paid, sent) = (audit.paid, first.count);
    println!("{paid} of {} orders were paid exactly once", audit.orders);
    for difference in audit.differences.iter().take(9) {
        println!("  ! {difference}");
    }
    Ok(audit.is_clean() && paid == sent)
}

/// Number, duration and latencies of the requests in one part of the load test.
#[derive(Debug)]
struct Pace {
    count: usize,
    took: Duration,
    p50: Duration,
    p99: Duration,
}

impl Pace {
    fn of(mut each: Vec<Duration>, took: Duration) -> Result<Self, Error> {
        each.sort_unstable();
        let at = |percent: usize| each.get(each.len() * percent / 100).copied();
        let (p50, p99) = at(50).zip(at(99)).ok_or("no request was timed")?;
        Ok(Self {
            count: each.len(),
            took,
            p50,
            p99,
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, took, .. } = self;
        let rate = u128::try_from(*count).unwrap_or(0) * 1000 / took.as_millis().max(1);
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let (p50, p99) = (millis(self.p50), millis(self.p99));
        write!(
            f,
            "{count:>7}, {rate:>6}/s, p50 {p50:.1} ms, p99 {p99:.1} ms"
        )
    }
}

/// Repeats `once` on all connections until the time is over or no work is left. Returns the pace
/// and all results.
async fn timed<T>(
    time: Duration,
    once: impl AsyncFn() -> Result<Option<T>, Error>,
) -> Result<(Pace, Vec<T>), Error> {
    let begun = Instant::now();
    let caller = async || {
        let mut done = Vec::new();
        while begun.elapsed() < time {
            let from = Instant::now();
            let Some(one) = once().await? else { break };
            done.push((from.elapsed(), one));
        }
        Ok(done)
    };
    let callers = join_all((0..CALLERS).map(|_| caller())).await;
    let took = begun.elapsed();
    let done: Result<Vec<_>, Error> = callers.into_iter().collect();
    let (each, brought) = done?.into_iter().flatten().unzip();
    Ok((Pace::of(each, took)?, brought))
}

async fn orders(client: &Client, time: Duration) -> Result<(Pace, Vec<OrderNo>), Error> {
    let wanted = Mutex::new(0..ORDERS_MAX);
    let order = async || {
        let next = wanted.lock().next();
        let Some(n) = next else { return Ok(None) };
        let (openid, cart) = (format!("oLoadCustomer{n}"), format!("cart-{n}"));
        let answer = client.buy(&openid, "stamp", &cart).await?;
        let no = answer
            .order_no()
            .filter(|_| answer.at("/payment").is_object());
        no.map(Some)
            .ok_or_else(|| format!("the server created no order: {}", answer.json).into())
    };
    timed(time, order).await
}

/// Pays all orders and returns their notifications, which are not sent yet. This step is not timed.
async fn paid(stand_in: &StandIn, nos: Vec<OrderNo>) -> Result<VecDeque<Notification>, Error> {
    let mut notices = VecDeque::with_capacity(nos.len());
    for no in nos {
        stand_in.pay(no, Behaviour::Never, Form::V3).await?;
        notices.push_back(stand_in.sealed_notice(no)?);
    }
    Ok(notices)
}

async fn callbacks(
    client: &Client,
    notices: VecDeque<Notification>,
    time: Duration,
) -> Result<(Pace, VecDeque<Notification>), Error> {
    let waiting = Mutex::new(notices);
    let send_one = async || {
        let next = waiting.lock().pop_front();
        let Some(notice) = next else { return Ok(None) };
        let headers = notice.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = notice.body.clone();
        let answer = client.send("/notify/v3", &headers, body).await?;
        if !answer.is_done() {
            return Err(format!("a callback was not acknowledged: HTTP {}", answer.status).into());
        }
        Ok(Some(notice))
    };
    let (pace, sent) = timed(time, send_one).await?;
    Ok((pace, sent.into()))
}
