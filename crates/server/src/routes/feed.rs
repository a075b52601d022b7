//! Routes of the change feed: long poll, and server-sent events.
//!
//! Both begin after the client's cursor, so a client that stores its cursor misses no event.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use std::vec;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::{Extension, Json};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use orderstore::{Feed, FeedCursor, FeedEvent, IntoStream};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::extract::Parameters;
use crate::app::App;
use crate::connections::{EndOfConnection, LONG_POLL};
use crate::problem::Problem;

/// Number of events of a page if the request names no limit, and of one read of a stream.
const EVENTS: usize = 100;

/// Pause between comments that keep the connection of a stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Part of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedWanted {
    /// Cursor of the last event that the client has. Default: the start of the feed.
    after: Option<FeedCursor>,
    /// Maximum number of events, 1 to 1000. Default: 100.
    limit: Option<usize>,
    /// Time to wait for an event if there is none yet, in seconds, 0 to 60. Default: 0.
    wait: Option<u64>,
}

/// Events of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedPage {
    /// Events after the cursor, in commit order. Empty if none happened in time.
    events: Vec<FeedEvent>,
    /// Cursor for the next request.
    next: FeedCursor,
}

/// Returns the events after a cursor, and waits for the first one if the client wants that.
pub(crate) async fn poll(
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<FeedWanted>,
) -> Result<Json<FeedPage>, Problem> {
    let after = wanted.after.unwrap_or(FeedCursor::START);
    let limit = wanted.limit.unwrap_or(EVENTS);
    let wait = Duration::from_secs(wanted.wait.unwrap_or_default());
    if wait > LONG_POLL {
        let seconds = LONG_POLL.as_secs();
        let why = format_args!("`wait`: expected 0 to {seconds}");
        return Err(Problem::invalid(why));
    }
    let mut events = app.read(app.store.events(after, limit)).await?;
    if events.is_empty() && !wait.is_zero() {
        next_event(&app, after, wait).await?;
        events = app.read(app.store.events(after, limit)).await?;
    }
    let next = events.last().map_or(after, |last| last.cursor);
    Ok(Json(FeedPage { events, next }))
}

/// Waits until there is an event after the cursor, or the time is over, or the server drains.
async fn next_event(app: &App, after: FeedCursor, wait: Duration) -> Result<(), Problem> {
    let found = find_event(app, app.store.feed(after).into_stream());
    let waiting = app.draining.run_until_cancelled(timeout(wait, found));
    match waiting.await {
        Some(Ok(found)) => found,
        _ => Ok(()),
    }
}

/// Waits until a feed has an event. Each poll of the feed can read from the disk, so it runs on a
/// blocking thread.
async fn find_event(app: &App, mut feed: IntoStream<Feed>) -> Result<(), Problem> {
    let woken = Arc::new(Woken::default());
    loop {
        let waker = Waker::from(Arc::clone(&woken));
        let poll = move || {
            let polled = feed.poll_next_unpin(&mut Context::from_waker(&waker));
            (feed, polled)
        };
        let polled;
        (feed, polled) = app.run_read(poll).await?;
        match polled {
            Poll::Ready(Some(Err(error))) => return Err(Problem::of_read(&error)),
            Poll::Ready(_) => return Ok(()),
            Poll::Pending => woken.0.notified().await,
        }
    }
}

/// Waker of a feed. A call between the poll and the wait is not lost.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Begin of a stream.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamWanted {
    /// Cursor of the last event that the client has. Default: the start of the feed. The header
    /// `Last-Event-ID`, which a client sends when it connects again, replaces this cursor.
    after: Option<FeedCursor>,
}

/// Streams the events after a cursor as server-sent events. The id of each is its cursor. If the
/// store fails, the last message is the problem, as an event of type `problem`.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    connection: Option<Extension<EndOfConnection>>,
    headers: HeaderMap,
    Parameters(wanted): Parameters<StreamWanted>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let after = last_event(&headers)?.or(wanted.after);
    let after = after.unwrap_or(FeedCursor::START);
    // Read once before the answer begins, so that an invalid cursor gets a status of its own.
    let events = app.read(app.store.events(after, EVENTS)).await?.into_iter();
    let ended = app.draining.clone().cancelled_owned();
    let end = end_of_stream(&app, connection.map(|Extension(connection)| connection));
    let reader = Reader { app, after, events };
    let feed = unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        let next = reader.next().await;
        let message = message(&next);
        Some((message, next.is_ok().then_some(reader)))
    });
    let feed = feed.take_until(async move { timeout_at(end, ended).await });
    Ok(Sse::new(feed).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Returns the time at which a stream ends: with its connection, between two messages. A server that
/// mounts the routes on connections of its own names no end.
fn end_of_stream(app: &App, connection: Option<EndOfConnection>) -> Instant {
    let now = Instant::now();
    let latest = now.checked_add(app.limits.lifetime).unwrap_or(now);
    connection.map_or(latest, |EndOfConnection(end)| end)
}

/// Reader of a stream. Unlike the library's stream, it reads on blocking threads. A stream can begin
/// far before the end of the feed, at events that only the disk has.
struct Reader {
    app: Arc<App>,
    /// Cursor of the last returned event.
    after: FeedCursor,
    /// Events that were read and not returned yet.
    events: vec::IntoIter<FeedEvent>,
}

impl Reader {
    /// Returns the next event, and waits for it.
    async fn next(&mut self) -> Result<FeedEvent, Problem> {
        loop {
            if let Some(event) = self.events.next() {
                self.after = event.cursor;
                return Ok(event);
            }
            let call = self.app.store.events(self.after, EVENTS);
            self.events = self.app.read(call).await?.into_iter();
            if self.events.len() == 0 {
                next_event(&self.app, self.after, LONG_POLL).await?;
            }
        }
    }
}

fn last_event(headers: &HeaderMap) -> Result<Option<FeedCursor>, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let cursor = id.to_str().ok().and_then(|text| text.parse().ok());
    let why = "`Last-Event-ID`: expected the id of an event of this stream";
    cursor.map(Some).ok_or_else(|| Problem::invalid(why))
}

fn message(event: &Result<FeedEvent, Problem>) -> Result<Message, Infallible> {
    let message = match event {
        Ok(event) => {
            let message = Message::default().id(event.cursor.to_string());
            message.json_data(event)
        }
        Err(problem) => Message::default().event("problem").json_data(problem),
    };
    // Serialization to memory fails only for maps with odd keys, and these types have none.
    Ok(message.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use orderstore::Store;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::Limits;

    #[tokio::test]
    async fn stream_ends_with_its_connection() {
        let store = Store::memory().unwrap();
        let app = App::new(store, Limits::default(), CancellationToken::new());
        let end = Instant::now();
        assert_eq!(end_of_stream(&app, Some(EndOfConnection(end))), end);
        assert!(end_of_stream(&app, None) >= end + app.limits.lifetime);
    }
}
