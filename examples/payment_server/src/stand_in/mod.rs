//! A payment channel on loopback that takes no real money, and otherwise behaves like one.
//!
//! Invariants:
//! - A number is paid once at most, whoever asks how often: its books are what a server's
//!   orders are compared with.
//! - A notification is repeated at the documented intervals, shortened, until it was
//!   acknowledged, and not once after that.
//! - Its books live as long as it does.

mod books;
mod delivery;
mod routes;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use orderstore::OrderNo;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use books::{Refusal, Trade};

use crate::channel::Point;
use crate::clock::Clock;
use crate::connections::{self, Limits};
use crate::http::Http;
use crate::seal::{Notification, PlatformKey, Seal, SealError, Subject};
use crate::server::CONNECTION_LIFETIME;
use books::Books;
use delivery::Notice;

/// The stand-in. Clones are the same one.
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
    /// Faults of single numbers, of orders or of refunds.
    faults_of: Mutex<HashMap<String, Fault>>,
    /// As many notifications are under way at once, and no more.
    sending: Semaphore,
    ended: CancellationToken,
    tasks: TaskTracker,
}

/// How a payment is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behaviour {
    /// At once, and again until it was acknowledged.
    #[default]
    Usual,
    /// Twice at the same moment.
    Twice,
    /// Long after the payment.
    Late,
    /// Before whoever paid hears of it: with a plan, before the prepay is answered.
    Early,
    /// Not at all.
    Never,
}

/// In which form a payment is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Signed and encrypted, at `/notify/v3`.
    #[default]
    V3,
    /// As the cloud tells its containers, without a signature, at `/payCallBack`.
    Cloud,
}

/// What is to happen when a user's order is prepaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It is paid and told before the prepay is answered.
    Early,
    /// The question fails.
    Fails(Fault),
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error is answered, and nothing was done.
    Down,
    /// It is done, and the answer gets lost.
    Mute,
    /// It is refused with this status and code, and nothing was done.
    Refuses(Refusal),
}

/// How many notifications are under way at once.
const SENDING: usize = 64;

/// Maximum number of connections from merchants.
const CONNECTIONS: usize = 256;

/// How long it waits for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(5);

impl StandIn {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// Where there is no port, or no key.
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
            count: CONNECTIONS,
            header: PATIENCE,
            lifetime: CONNECTION_LIFETIME,
            // What is asked when it ends gets no answer, as of a channel that went down.
            grace: Duration::ZERO,
        };
        let ended = stand_in.inner.ended.clone();
        let serving = connections::serve(listener, router, limits, ended);
        stand_in.inner.tasks.spawn(serving);
        Ok(stand_in)
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// What a merchant is given to check its notifications.
    #[must_use]
    pub fn seal(&self) -> Seal {
        self.inner.key.seal()
    }

    /// The key that it signs with.
    #[must_use]
    pub fn key(&self) -> &PlatformKey {
        &self.inner.key
    }

    /// What is to happen when an order of this user's is prepaid.
    pub fn plan(&self, openid: &str, plan: Plan) {
        self.inner.plans.lock().insert(openid.to_owned(), plan);
    }

    /// Takes the plan for this user back.
    pub fn forget_plan(&self, openid: &str) {
        self.inner.plans.lock().remove(openid);
    }

    /// Fails at this question from now on.
    pub fn break_at(&self, point: Point, fault: Fault) {
        self.inner.faults.lock().insert(point, fault);
    }

    /// Answers this question again.
    pub fn mend(&self, point: Point) {
        self.inner.faults.lock().remove(&point);
    }

    /// Fails from now on at every question about this order or this refund.
    pub fn break_number(&self, number: &str, fault: Fault) {
        let mut faults = self.inner.faults_of.lock();
        faults.insert(number.to_owned(), fault);
    }

    /// Answers questions about this number again.
    pub fn mend_number(&self, number: &str) {
        self.inner.faults_of.lock().remove(number);
    }

    fn fault_at(&self, point: Point, number: &str) -> Option<Fault> {
        let fault = self.inner.faults.lock().get(&point).copied();
        fault.or_else(|| self.inner.faults_of.lock().get(number).copied())
    }

    /// The user enters the password: the money is taken, and the merchant is told.
    ///
    /// # Errors
    /// [`Refusal`] where there is nothing to pay under this number.
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

    /// The user puts the password sheet away: nothing happens.
    ///
    /// # Errors
    /// [`Refusal`] where there is nothing to pay under this number.
    pub fn cancel(&self, no: OrderNo) -> Result<(), Refusal> {
        self.inner
            .books
            .lock()
            .payable(no, self.inner.clock.now())
            .map(|_| ())
    }

    /// A notification of a payment, sealed and not sent: for a load test.
    ///
    /// # Errors
    /// [`SealError`] where there is no such payment, or the key does not work.
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

    /// Its books: every trade that it knows.
    #[must_use]
    pub fn trades(&self) -> Vec<Trade> {
        self.inner.books.lock().trades()
    }

    /// One trade.
    #[must_use]
    pub fn trade(&self, no: OrderNo) -> Option<Trade> {
        self.inner.books.lock().trade(no)
    }

    /// How much went back in all, in fen.
    #[must_use]
    pub fn given_back(&self) -> u64 {
        self.inner.books.lock().given_back()
    }

    /// How many payments were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.inner.books.lock().acknowledged()
    }

    /// Ends it; what was not delivered is not.
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
