//! Routes of the change feed: long poll, and server-sent events.
//!
//! Both begin after the client's cursor, so a client that stores its cursor misses no event.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use orderstore::{FeedCursor, FeedEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use utoipa::{IntoParams, ToSchema};

use super::extract::Parameters;
use crate::app::App;
use crate::connections::LONG_POLL;
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
///
/// The cursor must be at the end of the feed. The reads of the wait run on the current thread. They
/// find only new events, which are in memory.
async fn next_event(app: &App, after: FeedCursor, wait: Duration) -> Result<(), Problem> {
    let mut feed = pin!(app.store.feed(after).into_stream());
    let waiting = app.draining.run_until_cancelled(timeout(wait, feed.next()));
    match waiting.await {
        Some(Ok(Some(Err(error)))) => Err(Problem::of_read(&error)),
        _ => Ok(()),
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
    headers: HeaderMap,
    Parameters(wanted): Parameters<StreamWanted>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let after = last_event(&headers)?.or(wanted.after);
    let after = after.unwrap_or(FeedCursor::START);
    // Read once before the answer begins, so that an invalid cursor gets a status of its own.
    let events = app.read(app.store.events(after, EVENTS)).await?.into_iter();
    let ended = app.draining.clone().cancelled_owned();
    let lifetime = app.limits.lifetime;
    let reader = Reader { app, after, events };
    let feed = unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        let next = reader.next().await;
        let message = message(&next);
        Some((message, next.is_ok().then_some(reader)))
    });
    // A connection ends after its lifetime. The stream ends with it, between two messages.
    let end = async move {
        tokio::select! {
            () = ended => {}
            () = sleep(lifetime) => {}
        }
    };
    let feed = feed.take_until(end);
    Ok(Sse::new(feed).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
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
