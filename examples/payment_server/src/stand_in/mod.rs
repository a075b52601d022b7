//! A payment channel on loopback that takes no real money and otherwise behaves like a real one.
//!
//! Invariants:
//! - An order number is paid at most once. The tests compare the store's orders with the records of
//!   the stand-in.
//! - A notification is repeated until it is acknowledged. The intervals are the documented ones,
//!   shortened.
//! - The records are in memory only.

mod books;
mod delivery;
mod routes;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use orderstore::OrderNo;
use orderstore_server::{Limits, serve_connections};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use books::{Refusal, Trade};

use crate::channel::Point;
use crate::clock::Clock;
use crate::http::Http;
use crate::seal::{Notification, PlatformKey, Seal, SealError, Subject};
use books::Books;
use delivery::Notice;

/// Simulated payment channel (stand-in). All clones share the same records.
#[derive(Clone)]
pub struct StandIn {
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    key: PlatformKey,
    clock: Clock,
    shorten: u32,
    http: Http,
    books: Mutex<Books>,
    plans: Mutex<HashMap<String, Plan>>,
    faults: Mutex<HashMap<Point, Fault>>,
    /// Simulated faults for single orders or refunds, by their number.
    faults_of: Mutex<HashMap<String, Fault>>,
    /// Limits the number of notifications that are sent concurrently.
    sending: Semaphore,
    ended: CancellationToken,
    tasks: TaskTracker,
}

/// When and how often the merchant is notified of a payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behaviour {
    /// Notifies at once, and repeatedly until the merchant acknowledges.
    #[default]
    Usual,
    /// Notifies twice at the same time.
    Twice,
    /// Notifies long after the payment.
    Late,
    /// Notifies before the payment request is answered.
    Early,
    /// Never notifies.
    Never,
}

/// Format of a notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Signed and encrypted; sent to `/notify/v3`.
    #[default]
    V3,
    /// Event of the cloud for containers, without a signature; sent to `/payCallBack`.
    Cloud,
}

/// Planned behaviour for the prepays of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The order is paid and notified before the prepay is answered.
    Early,
    /// The prepay request fails.
    Fails(Fault),
}

/// Kind of failure that the stand-in simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers with an error and does nothing.
    Down,
    /// Carries out the request but loses the answer.
    Mute,
    /// Rejects the request with this status and code and does nothing.
    Refuses(Refusal),
}

/// Maximum number of notifications that are sent concurrently.
const SENDING: usize = 64;

/// Maximum number of connections from merchants.
const CONNECTIONS: usize = 256;

/// Time limit for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(5);

impl StandIn {
    /// Starts the stand-in on a free loopback port.
    ///
    /// # Errors
    /// If no port is free or no key can be generated.
    pub async fn start(clock: Clock, shorten: u32) -> Result<Self, crate::Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let stand_in = Self {
            inner: Arc::new(Inner {
                address: listener.local_addr()?,
                key: PlatformKey::generate()?,
                shorten: shorten.max(1),
                http: Http::new(PATIENCE),
                books: Mutex::new(Books::new(clock.now())),
                clock,
                plans: Mutex::default(),
                faults: Mutex::default(),
                faults_of: Mutex::default(),
                sending: Semaphore::new(SENDING),
                ended: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        };
        let router = routes::router(stand_in.clone());
        let limits = Limits {
            connections: CONNECTIONS,
            header: PATIENCE,
            // At shutdown, pending requests get no answer, as if the channel had failed.
            request: Duration::ZERO,
            ..Limits::default()
        };
        let ended = stand_in.inner.ended.clone();
        let serving = serve_connections(listener, router, limits, ended);
        stand_in.inner.tasks.spawn(serving);
        Ok(stand_in)
    }

    /// Returns the URL of the stand-in.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Returns the keys with which a merchant checks notifications.
    #[must_use]
    pub fn seal(&self) -> Seal {
        self.inner.key.seal()
    }

    /// Returns the platform's key.
    #[must_use]
    pub fn key(&self) -> &PlatformKey {
        &self.inner.key
    }

    /// Sets the plan for this user's prepays.
    pub fn plan(&self, openid: &str, plan: Plan) {
        self.inner.plans.lock().insert(openid.to_owned(), plan);
    }

    /// Removes the planned behaviour for this user's prepays.
    pub fn forget_plan(&self, openid: &str) {
        self.inner.plans.lock().remove(openid);
    }

    /// Makes this kind of request fail from now on.
    pub fn break_at(&self, point: Point, fault: Fault) {
        self.inner.faults.lock().insert(point, fault);
    }

    /// Ends the failure of this kind of request.
    pub fn mend(&self, point: Point) {
        self.inner.faults.lock().remove(&point);
    }

    /// Makes every request for this order or refund number fail from now on.
    pub fn break_number(&self, number: &str, fault: Fault) {
        let mut faults = self.inner.faults_of.lock();
        faults.insert(number.to_owned(), fault);
    }

    /// Ends the failure of requests for this number.
    pub fn mend_number(&self, number: &str) {
        self.inner.faults_of.lock().remove(number);
    }

    fn fault_at(&self, point: Point, number: &str) -> Option<Fault> {
        let fault = self.inner.faults.lock().get(&point).copied();
        fault.or_else(|| self.inner.faults_of.lock().get(number).copied())
    }

    /// Pays, as the user does by entering the password, and notifies the merchant.
    ///
    /// # Errors
    /// [`Refusal`] if nothing can be paid under this number.
    pub async fn pay(&self, no: OrderNo, behaviour: Behaviour, form: Form) -> Result<(), Refusal> {
        let now = self.inner.clock.now();
        let trade = self.inner.books.lock().pay(no, now)?;
        let notice = || Notice::of_trade(&trade, form);
        match behaviour {
            Behaviour::Usual => self.tell(notice(), Duration::ZERO),
            Behaviour::Twice => {
                self.tell(notice(), Duration::ZERO);
                self.tell(notice(), Duration::ZERO);
            }
            Behaviour::Late => self.tell(notice(), self.shortened(delivery::LATE)),
            Behaviour::Early => {
                let telling = self
                    .inner
                    .tasks
                    .spawn(self.clone().deliver(notice(), Duration::ZERO));
                drop(tokio::time::timeout(PATIENCE, telling).await);
            }
            Behaviour::Never => {}
        }
        Ok(())
    }

    /// Cancels, as the user does by closing the password sheet. Nothing changes.
    ///
    /// # Errors
    /// [`Refusal`] if nothing can be paid under this number.
    pub fn cancel(&self, no: OrderNo) -> Result<(), Refusal> {
        self.inner
            .books
            .lock()
            .payable(no, self.inner.clock.now())
            .map(|_| ())
    }

    /// Returns a sealed notification of a payment without sending it, for load tests.
    ///
    /// # Errors
    /// [`SealError`] if there is no such payment or the key fails.
    pub fn sealed_notice(&self, no: OrderNo) -> Result<Notification, SealError> {
        let trade = self
            .inner
            .books
            .lock()
            .trade(no)
            .ok_or(SealError::Malformed)?;
        let now = self.inner.clock.now();
        let json = trade.to_json().to_string().into_bytes();
        self.inner
            .key
            .notify(Subject::Transaction, delivery::PAID, json, now)
    }

    /// Returns all trades: the orders as the channel knows them.
    #[must_use]
    pub fn trades(&self) -> Vec<Trade> {
        self.inner.books.lock().trades()
    }

    /// Returns the trade of an order.
    #[must_use]
    pub fn trade(&self, no: OrderNo) -> Option<Trade> {
        self.inner.books.lock().trade(no)
    }

    /// Returns the total of all refunds, in fen.
    #[must_use]
    pub fn given_back(&self) -> u64 {
        self.inner.books.lock().given_back()
    }

    /// Returns the number of acknowledged payments.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.inner.books.lock().acknowledged()
    }

    /// Ends the stand-in. Undelivered notifications are dropped.
    pub async fn end(&self) {
        self.inner.ended.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn shortened(&self, interval: Duration) -> Duration {
        interval / self.inner.shorten
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.inner.address;
        f.debug_struct("StandIn")
            .field("address", &address)
            .finish_non_exhaustive()
    }
}
