//! Metrics of a served store, in the text format of Prometheus.
//!
//! Rules:
//! - A scrape is cheap. It reads only the counts, one page of anomalies, one page of due items and
//!   the end of the feed.
//! - A scrape never blocks the async runtime. The reads run on the runtime's blocking threads, and
//!   at most one of each kind runs at a time. A disk that hangs therefore holds two threads, however
//!   often a client scrapes.
//! - A scrape always answers. A read that fails or takes too long leaves out its metrics. If it is
//!   one of the counts or lists, the scrape shows `orderstore_up 0`.
//! - A client cannot choose the value of a label. Routes appear as their patterns.

pub(crate) mod http;
mod reading;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use orderstore::Store;
use tokio::sync::Mutex;

use crate::blocking;

use http::HttpMetrics;
use reading::{Reading, read};
use text::Scrape;

#[cfg(test)]
pub(crate) use text::HEALTH;
pub(crate) use text::MEDIA_TYPE;

/// Maximum time for the reads of a scrape. Prometheus gives a scrape 10 s by default, so the answer
/// without the reads still arrives.
const READ_MAX: Duration = Duration::from_secs(5);

/// Metrics that the server keeps between scrapes.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) http: HttpMetrics,
    /// Held while a scrape reads the counts and lists.
    lists: Arc<Mutex<()>>,
    /// Held while a scrape asks for the end of the feed.
    feed: Arc<Mutex<()>>,
}

impl Metrics {
    /// Returns the text of a scrape. `health` is the word of the store's health.
    ///
    /// # Errors
    /// Those of the encoder. Writes to memory do not fail.
    pub(crate) async fn scrape(
        &self,
        store: &Store,
        health: &'static str,
    ) -> Result<String, fmt::Error> {
        let (lists, feed) = (store.clone(), store.clone());
        // The end of the feed is a read of its own. On a cluster it can take long, because it also
        // numbers the events that no reader has seen yet. The lists do not wait for it.
        let (lists_turn, feed_turn) = (Arc::clone(&self.lists), Arc::clone(&self.feed));
        let (reading, feed_end) = join(
            blocking::run(lists_turn.lock_owned(), READ_MAX, move |_| {
                Reading::of(&lists)
            }),
            blocking::run(feed_turn.lock_owned(), READ_MAX, move |_| {
                read(feed.feed_end())
            }),
        )
        .await;
        let scrape = Scrape {
            health,
            stats: store.stats(),
            reading: reading.unwrap_or_default(),
            feed_end: feed_end.ok().flatten().map(|end| end.seq),
        };
        text::encode(scrape, &self.http)
    }
}
