//! A server, its channel's stand-in and a client for one test.

use std::time::Duration;

use orderstore::{OrderNo, Store, Timestamp};
use payment_server::{
    Answer, Audit, Behaviour, Client, Clock, Config, Form, Notification, Server, StandIn, Subject,
};
use serde_json::{Value, json};

/// Time limit for every wait, on a machine that is busy with other work.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const APPID: &str = "wxd2565e6a04246fd1";
pub(crate) const MCH_ID: &str = "1900000109";

pub(crate) struct Shop {
    server: Server,
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) stand_in: StandIn,
    pub(crate) clock: Clock,
}

/// Returns a configuration whose sweeper processes nothing during a test.
pub(crate) fn without_a_sweeper() -> Config {
    Config {
        sweep_every: Duration::from_secs(3600),
        channel_limit: Duration::from_secs(1),
        shorten: 60,
        ..Config::anywhere()
    }
}

/// Returns a configuration whose sweeper processes due items at once.
pub(crate) fn with_a_sweeper() -> Config {
    Config {
        sweep_every: Duration::from_millis(20),
        ..without_a_sweeper()
    }
}

impl Shop {
    pub(crate) async fn open(config: Config) -> Self {
        let clock = config.clock.clone();
        let server = Server::start(config).await.unwrap();
        Self {
            client: Client::new(server.url()),
            store: server.store().clone(),
            stand_in: server.stand_in().unwrap().clone(),
            clock,
            server,
        }
    }

    /// Returns the URL of the server.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Checks that the store and the channel agree, then shuts the server down.
    pub(crate) async fn close(self) {
        let audit = Audit::of(&self.store, &self.stand_in).await.unwrap();
        assert!(audit.is_clean(), "{audit:?}");
        self.server.shutdown().await.unwrap();
    }

    /// Orders the item "stamp" for a customer. Each customer has only one reference, so a second
    /// call returns the same order.
    pub(crate) async fn tap(&self, customer: &str) -> Answer {
        let reference = format!("cart-{customer}");
        let tapped = self.client.buy(customer, "stamp", &reference);
        tapped.await.unwrap()
    }

    /// Creates an order for the item "stamp" that can be paid.
    pub(crate) async fn buy(&self, customer: &str) -> OrderNo {
        let answer = self.tap(customer).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.at("/payment/prepayId").is_string());
        answer.order_no().unwrap()
    }

    /// Creates an order and pays it; returns when the store has recorded the payment.
    pub(crate) async fn sell(&self, customer: &str) -> OrderNo {
        let no = self.buy(customer).await;
        self.pay(no, Behaviour::Usual, Form::V3).await;
        self.becomes(no, "success").await;
        no
    }

    pub(crate) async fn pay(&self, no: OrderNo, behaviour: Behaviour, form: Form) {
        self.stand_in.pay(no, behaviour, form).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.client.post(path, body).await.unwrap()
    }

    pub(crate) async fn order(&self, no: OrderNo) -> Answer {
        let answer = self.get(&format!("/orders/{no}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    pub(crate) async fn status(&self, no: OrderNo) -> String {
        let order = self.order(no).await;
        order.at("/status").as_str().unwrap().to_owned()
    }

    pub(crate) async fn becomes(&self, no: OrderNo, status: &str) {
        let is_so = async || self.status(no).await == status;
        until(&format!("order {no} becomes {status}"), is_so).await;
    }

    /// Waits until the channel has received this number of acknowledgements.
    pub(crate) async fn acknowledges(&self, no: OrderNo, times: u32) {
        let is_so = async || self.stand_in.trade(no).unwrap().acknowledged == times;
        until("the payment is acknowledged", is_so).await;
    }

    /// Sends a signed notification of a payment and returns the HTTP status.
    pub(crate) async fn tell(&self, json: &Value) -> u16 {
        let key = self.stand_in.key();
        let (subject, bytes) = (Subject::Transaction, json.to_string().into_bytes());
        let notice = key.notify(subject, "TRANSACTION.SUCCESS", bytes, self.clock.now());
        self.send(&notice.unwrap()).await
    }

    pub(crate) async fn send(&self, notice: &Notification) -> u16 {
        let headers = notice.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let sent = self
            .client
            .send("/notify/v3", &headers, notice.body.clone());
        sent.await.unwrap().status
    }
}

/// Returns a payment in the channel's JSON.
pub(crate) fn transaction(no: &str, id: &str, customer: &str, fen: u64, at: Timestamp) -> Value {
    json!({
        "appid": APPID,
        "mchid": MCH_ID,
        "out_trade_no": no,
        "transaction_id": id,
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "SUCCESS",
        "bank_type": "OTHERS",
        "success_time": at.to_string(),
        "payer": { "openid": customer },
        "amount": { "total": fen, "payer_total": fen, "currency": "CNY" },
    })
}

/// Waits until the condition is true. Panics after `LIMIT`.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    waited.unwrap_or_else(|_| panic!("timed out before this happened: {what}"));
}
