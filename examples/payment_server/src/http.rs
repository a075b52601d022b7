//! Requests to others: every one ends within a time limit, and no answer is read without end.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// No answer of a channel is longer.
const ANSWER_MAX: usize = 64 << 10;

/// A client with a pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    limit: Duration,
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer. Whether the request was worked on is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No whole answer came in time.
    #[error("no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// Nobody is there, or the connection broke.
    #[error("the connection failed")]
    Broken,
    /// The answer is no HTTP, or too long.
    #[error("the answer cannot be read")]
    Unreadable,
    /// There is no such address.
    #[error("the address is malformed")]
    BadAddress,
}

impl Http {
    /// A client whose every request ends within `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(limit));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, limit }
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// [`HttpError`] where there was no answer. A status of 400 or 500 is one.
    pub async fn get(&self, url: &str) -> Result<Reply, HttpError> {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// Sends JSON to `url`, with some more headers.
    ///
    /// # Errors
    /// [`HttpError`] where there was no answer. A status of 400 or 500 is one.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes> + Send,
    ) -> Result<Reply, HttpError> {
        self.send(Method::POST, url, headers, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Reply, HttpError> {
        let mut request = Request::builder().method(method).uri(url);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| HttpError::BadAddress)?;
        let limit = self.limit;
        let answer = tokio::time::timeout(limit, self.exchange(request)).await;
        answer.unwrap_or(Err(HttpError::TimedOut { limit }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, HttpError> {
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|_| HttpError::Broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|_| HttpError::Unreadable)?.to_bytes();
        Ok(Reply { status, body })
    }
}
