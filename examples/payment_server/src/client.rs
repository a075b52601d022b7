//! HTTP client of the payment server, for the demonstration, the load test and the tests.

use std::time::Duration;

use orderstore::OrderNo;
use serde_json::{Value, json};

use crate::http::{Http, HttpError, Reply};

/// Time limit for an answer, the same as in the web pages.
const PATIENCE: Duration = Duration::from_secs(20);

/// Client of one server. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    url: String,
}

/// Status and parsed body of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body; `null` if it is not JSON.
    pub json: Value,
}

impl Client {
    /// Creates a client of the server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            http: Http::new(PATIENCE),
            url: url.into(),
        }
    }

    /// Sends a GET request to a path.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer, HttpError> {
        let answer = self.http.get(&format!("{}{path}", self.url)).await;
        answer.map(Answer::from)
    }

    /// Sends a POST request with JSON to a path.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer, HttpError> {
        self.send(path, &[], body.to_string()).await
    }

    /// Sends a POST request with a body and headers to a path.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer.
    pub async fn send(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> Result<Answer, HttpError> {
        let url = format!("{}{path}", self.url);
        self.http.post(&url, headers, body).await.map(Answer::from)
    }

    /// Orders an item, as a tap on "buy" does.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer.
    pub async fn buy(&self, openid: &str, sku: &str, reference: &str) -> Result<Answer, HttpError> {
        let body = json!({ "openid": openid, "sku": sku, "reference": reference });
        self.post("/wxPay", body).await
    }
}

impl Answer {
    /// Returns whether the request succeeded.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.status, 200 | 204)
    }

    /// Returns the value at a JSON pointer such as `/orders/0/status`; `null` if there is none.
    #[must_use]
    pub fn at(&self, place: &str) -> &Value {
        self.json.pointer(place).unwrap_or(&Value::Null)
    }

    /// Returns the order number in the body.
    #[must_use]
    pub fn order_no(&self) -> Option<OrderNo> {
        OrderNo::parse(self.at("/outTradeNo").as_str()?).ok()
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            status: reply.status,
            json: serde_json::from_slice(&reply.body).unwrap_or_default(),
        }
    }
}
