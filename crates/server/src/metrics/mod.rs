//! Metrics of a served store, in the text format of Prometheus.
//!
//! Rules:
//! - A scrape is cheap. It reads the counts, one page of anomalies, one page of due items and the
//!   end of the feed, and no more.
//! - A scrape never blocks the async runtime. The reads run on the runtime's blocking threads, and
//!   at most one of each kind runs at a time. A disk that hangs therefore holds two threads, however
//!   often a client scrapes.
//! - A scrape always answers. A read that fails or takes too long leaves out its metrics. If it is
//!   one of the counts or lists, the scrape shows `orderstore_up 0`.
//! - A client cannot choose the value of a label. Routes appear as their patterns.

mod feed_end;
pub(crate) mod http;
mod reading;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use orderstore::{FeedCursor, Store};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use http::HttpMetrics;
use reading::Reading;
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
    /// Held while a scrape looks for the end of the feed. The value is the end that it last found, or
    /// `None` before that.
    feed: Arc<Mutex<Option<FeedCursor>>>,
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
        let (reading, feed_end) = join(
            read_alone(&self.lists, READ_MAX, move |()| Reading::of(&lists)),
            read_alone(&self.feed, READ_MAX, move |known| {
                feed_end::find(&feed, known)
            }),
        )
        .await;
        let scrape = Scrape {
            health,
            stats: store.stats(),
            reading: reading.unwrap_or_default(),
            feed_end: feed_end.flatten(),
        };
        text::encode(scrape, &self.http)
    }
}

/// Runs a read on a blocking thread, after earlier reads with the same turn. Returns `None` if it
/// is not over in time.
///
/// The thread keeps the turn until the read is over, even after its scrape gave up. Without that,
/// each scrape of a store that hangs would block another thread.
async fn read_alone<S: Send + 'static, T: Send + 'static>(
    turn: &Arc<Mutex<S>>,
    limit: Duration,
    read: impl FnOnce(&mut S) -> T + Send + 'static,
) -> Option<T> {
    let reading = async {
        let mut turn = Arc::clone(turn).lock_owned().await;
        spawn_blocking(move || read(&mut turn)).await
    };
    timeout(limit, reading).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// The runtime of the test has one thread: if the read blocked it, the test would hang.
    #[tokio::test]
    async fn read_that_hangs_holds_one_thread_and_no_scrape() {
        let turn = Arc::new(Mutex::new(0));
        let (release, gate) = channel::<()>();
        let hangs = read_alone(&turn, Duration::from_millis(20), move |count: &mut u32| {
            *count += 1;
            let _ = gate.recv();
        });
        assert!(hangs.await.is_none());
        for _ in 0..10 {
            let next = read_alone(&turn, Duration::from_millis(1), |count| *count += 1);
            assert!(next.await.is_none());
        }
        drop(release);
        // Only the first read has run: the others gave up while they waited for their turn.
        assert_eq!(read_alone(&turn, LONG, |count| *count).await, Some(1));
    }

    #[tokio::test]
    async fn read_that_panics_returns_its_turn() {
        let turn = Arc::new(Mutex::new(()));
        let failed: Option<()> = read_alone(&turn, LONG, |()| panic!("a bug")).await;
        assert!(failed.is_none());
        assert_eq!(read_alone(&turn, LONG, |()| 7).await, Some(7));
    }
}
