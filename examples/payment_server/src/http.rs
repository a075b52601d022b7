//! HTTP client: every request has a time limit, and every answer a size limit.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// Maximum size of an answer in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// HTTP client with a pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    limit: Duration,
}

/// HTTP answer with any status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body of the answer.
    pub body: Bytes,
}

/// Reason why there is no answer. Except for [`HttpError::BadAddress`], it is unknown whether the
/// server processed the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No complete answer came in time.
    #[error("no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// Time limit of the request.
        limit: Duration,
    },
    /// The connection was refused or broke.
    #[error("the connection failed")]
    Broken,
    /// The answer is not HTTP or is too long.
    #[error("the answer is not HTTP or too long")]
    Unreadable,
    /// The URL is malformed.
    #[error("the URL is malformed")]
    BadAddress,
}

impl Http {
    /// Creates a client whose requests end within `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(limit));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, limit }
    }

    /// Sends a GET request to `url`.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer. Status 400 or 500 is an answer.
    pub async fn get(&self, url: &str) -> Result<Reply, HttpError> {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// Posts JSON to `url` with additional headers.
    ///
    /// # Errors
    /// [`HttpError`] if there is no answer. Status 400 or 500 is an answer.
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
