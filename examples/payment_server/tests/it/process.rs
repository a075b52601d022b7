//! The server as a process: killed during work, restarted, and shut down by a signal.
//!
//! The test process runs the channel's stand-in, so the stand-in outlives the server.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::StreamExt;
use futures_util::stream;
use orderstore::{OrderNo, Store};
use payment_server::{Audit, Behaviour, Client, Clock, Fault, Form, Point, StandIn};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::until;

/// Factor by which the channel's intervals are shorter than documented.
const SHORTEN: u32 = 60;

/// Number of concurrent requests.
const AT_ONCE: usize = 64;

struct Place {
    scratch: TempDir,
    stand_in: StandIn,
    port: u16,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Place {
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let stand_in = StandIn::start(Clock::default(), SHORTEN).await.unwrap();
        stand_in.key().write_for_merchant(scratch.path()).unwrap();
        let port = free_port();
        Self {
            scratch,
            stand_in,
            port,
        }
    }

    fn dir(&self) -> &Path {
        self.scratch.path()
    }

    fn client(&self) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.port))
    }

    /// Starts the server and waits until it prints its address.
    fn start(&self, log_level: &str) -> Process {
        let log = self.dir().join("log");
        let log = File::options().append(true).create(true).open(log).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_payment_server"))
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .arg("--data")
            .arg(self.dir().join("orders"))
            .args(["--channel", &self.stand_in.url()])
            .arg("--keys")
            .arg(self.dir())
            .args(["--log", log_level])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines
            .next()
            .expect("the server printed no address")
            .unwrap();
        assert!(said.ends_with(&self.port.to_string()), "{said}");
        std::thread::spawn(move || lines.for_each(drop));
        Process(child)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap()
    }

    /// Creates `count` orders of different customers that can be paid.
    async fn buy(&self, from: usize, count: usize) -> Vec<OrderNo> {
        let client = &self.client();
        let buy = |n| async move {
            let customer = format!("oSecretCustomer{n:06}");
            let reference = format!("cart-{n}");
            let answer = client.buy(&customer, "stamp", &reference).await.unwrap();
            answer.order_no().unwrap()
        };
        let orders = stream::iter(from..from + count).map(buy);
        orders.buffer_unordered(AT_ONCE).collect().await
    }

    async fn pay(&self, nos: &[OrderNo], behaviour: Behaviour, form: Form) {
        for no in nos {
            self.stand_in.pay(*no, behaviour, form).await.unwrap();
        }
    }

    /// Waits until `count` payments are acknowledged.
    async fn all_acknowledged(&self, count: usize) {
        let all = async || self.stand_in.acknowledged() == count;
        until("every payment is acknowledged", all).await;
    }

    /// Compares the store with the channel's records while no server runs.
    async fn audit(&self) -> Audit {
        let store = Store::open(self.dir().join("orders")).unwrap();
        let audit = Audit::of(&store, &self.stand_in).await.unwrap();
        store.shutdown().await.unwrap();
        audit
    }

    /// Returns the orders whose payment the server acknowledged.
    fn acknowledged(&self) -> HashSet<OrderNo> {
        let trades = self.stand_in.trades().into_iter();
        let acknowledged_orders = trades.filter(|trade| trade.acknowledged > 0);
        acknowledged_orders.map(|trade| trade.no).collect()
    }
}

/// Returns a port on which no process listens, outside the range that the system assigns to
/// outgoing connections. A client could otherwise connect to itself before the server listens.
fn free_port() -> u16 {
    let drawn = RandomState::new().build_hasher().finish();
    let first = u16::try_from(drawn % 10_000).unwrap();
    let ports = (20_000 + first..31_000).chain(20_000..20_000 + first);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("no port is free")
}

fn end(process: &mut Process, signal: Signal) {
    kill_process(Pid::from_child(&process.0), signal).unwrap();
    let status = process.0.wait().unwrap();
    assert_eq!(status.success(), signal == Signal::TERM, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_killed_during_callbacks_applies_each_payment_once() {
    const ORDERS: usize = 5_000;
    let place = Place::new().await;
    let mut server = place.start("info");
    let nos = place.buy(0, ORDERS).await;
    assert_eq!(nos.iter().collect::<HashSet<_>>().len(), ORDERS);
    let paying = place.pay(&nos, Behaviour::Twice, Form::V3);
    let killing = async {
        for killed_at in [ORDERS / 5, ORDERS / 2] {
            let so_many = async || place.stand_in.acknowledged() >= killed_at;
            until("callbacks are being sent", so_many).await;
            let before = place.acknowledged();
            tokio::task::block_in_place(|| end(&mut server, Signal::KILL));
            // While the server is down, notifications fail. The simulated channel must repeat them.
            server = tokio::task::block_in_place(|| place.start("info"));
            assert!(before.len() < ORDERS, "the server was killed too late");
            let client = &place.client();
            let paid = |no| async move {
                let order = client.get(&format!("/orders/{no}")).await.unwrap();
                *order.at("/status") == "success"
            };
            let looked = stream::iter(before).map(paid).buffer_unordered(AT_ONCE);
            let lost = looked.filter(|paid| std::future::ready(!paid)).count();
            assert_eq!(lost.await, 0, "acknowledged but missing");
        }
    };
    tokio::join!(paying, killing);
    place.all_acknowledged(ORDERS).await;
    let sent: u32 = place.stand_in.trades().iter().map(|trade| trade.sent).sum();
    assert!(usize::try_from(sent).unwrap() >= 2 * ORDERS);
    end(&mut server, Signal::TERM);
    let audit = place.audit().await;
    assert!(audit.is_clean(), "{:?}", &audit.differences[..5]);
    assert_eq!((audit.orders, audit.paid), (ORDERS, ORDERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_pending_requests_and_loses_nothing() {
    const ORDERS: usize = 600;
    let place = Place::new().await;
    let mut server = place.start("info");
    let nos = place.buy(0, ORDERS).await;
    place.pay(&nos, Behaviour::Usual, Form::V3).await;
    let some = async || place.stand_in.acknowledged() > 10;
    until("callbacks are being sent", some).await;
    tokio::task::block_in_place(|| end(&mut server, Signal::TERM));
    let acknowledged_orders = place.acknowledged();
    let store = Store::open(place.dir().join("orders")).unwrap();
    assert!(store.recovery().was_closed);
    for no in &acknowledged_orders {
        assert!(store.get(*no).await.unwrap().unwrap().status.is_paid());
    }
    store.shutdown().await.unwrap();
    let mut server = place.start("info");
    place.all_acknowledged(ORDERS).await;
    end(&mut server, Signal::TERM);
    let audit = place.audit().await;
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(audit.paid, ORDERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_and_errors_contain_no_customer_or_key() {
    let place = Place::new().await;
    let mut server = place.start("debug");
    let nos = place.buy(0, 3).await;
    let client = place.client();
    let openid = "oSecretCustomer000000";
    place.stand_in.break_at(Point::Query, Fault::Down);
    place.stand_in.break_at(Point::Prepay, Fault::Down);
    let mut refusals = Vec::new();
    for (openid, reference) in [
        ("oSecretCustomer000009", "cart"),
        ("oSecret Customer", "cart"),
    ] {
        let refused = client.buy(openid, "stamp", reference).await.unwrap();
        assert_ne!(refused.status, 200);
        refusals.push(refused.json.to_string());
    }
    let unsigned = format!("{{\"payer\":{{\"openid\":\"{openid}\"}}}}");
    let refused = client.send("/notify/v3", &[], unsigned).await.unwrap();
    refusals.push(refused.json.to_string());
    let refused = client
        .get(&format!("/orders?openid={openid}&cursor=x"))
        .await;
    refusals.push(refused.unwrap().json.to_string());
    let event = serde_json::json!({
        "returnCode": "SUCCESS", "resultCode": "SUCCESS", "openid": openid,
        "totalFee": 1, "cashFee": 1, "transactionId": "4200000000000001",
        "outTradeNo": nos[0], "timeEnd": "20260101120000",
    });
    let refused = client.post("/payCallBack", event).await.unwrap();
    assert_ne!(*refused.at("/errcode"), 0);
    refusals.push(refused.json.to_string());
    end(&mut server, Signal::TERM);
    let (said, key) = (
        place.log() + &refusals.concat(),
        place.dir().join("api_v3_key"),
    );
    for expected in [
        "checking an event at the channel failed",
        "command",
        "verb=\"create\"",
    ] {
        assert!(said.contains(expected), "the log is written: {said}");
    }
    assert!(!said.contains("oSecret"), "{said}");
    let key = std::fs::read(key).unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.contains(&hex) && !said.contains(&format!("{key:?}")));
}
