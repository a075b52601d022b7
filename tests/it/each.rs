//! Iterators and streams over the lists and the feed.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use futures_core::Stream;
use orderstore::testing::fixtures::{new, order_no};
use orderstore::{
    Error, FeedCursor, FeedEvent, IntoStream, OrderNo, OrderQuery, PageRequest, Store, Timestamp,
};

/// Longer than any wait of these tests on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn store(orders: u64) -> Store {
    let store = Store::memory().unwrap();
    (1..=orders).for_each(|number| create(&store, number));
    store
}

fn create(store: &Store, number: u64) {
    let _ = store.create(order_no(number), new(100)).wait().unwrap();
}

fn number_of(event: Result<FeedEvent, Error>) -> OrderNo {
    event.unwrap().event.no
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn collect<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item);
    }
    items
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, task).await.unwrap() })
}

#[test]
fn rows_continue_over_all_pages() {
    let store = store(7);
    let query = || OrderQuery::all().page(PageRequest::of(2).reversed());
    let read: Vec<_> = store
        .each_order(query())
        .map(|row| row.unwrap().no)
        .collect();
    assert_eq!(read, (1..=7).map(order_no).collect::<Vec<_>>());
    let streamed = block_on(collect(store.each_order(query()).into_stream()));
    let streamed: Vec<_> = streamed.into_iter().map(|row| row.unwrap().no).collect();
    assert_eq!(streamed, read);
    let page = PageRequest::of(3);
    assert_eq!(store.each_due(Timestamp::MAX, page).count(), 7);
    assert_eq!(store.each_open_anomaly(page).count(), 0);
    assert_eq!(store.each_closed_refund(page).count(), 0);
}

#[test]
fn error_is_last_item_of_rows() {
    let store = store(1);
    let rows = || store.each_order(OrderQuery::all().page(PageRequest::of(0)));
    let invalid = |items: Vec<Result<_, Error>>| {
        assert!(
            matches!(items[..], [Err(Error::Invalid { .. })]),
            "{items:?}"
        );
    };
    invalid(rows().collect());
    invalid(block_on(collect(rows().into_stream())));
}

#[test]
fn feed_ends_and_continues_after_commit() {
    let store = store(2);
    let mut feed = store.feed(FeedCursor::START);
    let read: Vec<_> = feed.by_ref().map(number_of).collect();
    assert_eq!(read, [order_no(1), order_no(2)]);
    assert!(feed.next().is_none());
    create(&store, 3);
    assert_eq!(feed.next().map(number_of), Some(order_no(3)));
    assert_eq!(store.feed(feed.cursor()).count(), 0);
}

#[test]
fn commit_wakes_waiting_reader() {
    let store = store(0);
    let mut feed = store.feed(FeedCursor::START);
    let reader = thread::spawn(move || feed.wait(LONG).unwrap().unwrap().event.no);
    thread::sleep(Duration::from_millis(20));
    create(&store, 1);
    assert_eq!(reader.join().unwrap(), order_no(1));
}

#[test]
fn copy_wakes_reader_of_target_before_it_ends() {
    let (source, target) = (store(1), store(0));
    let mut feed = target.feed(FeedCursor::START);
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let event = feed.wait(LONG).unwrap().unwrap();
        sender.send(event.event.no).unwrap();
    });
    // Let the reader wait before the target has an event.
    thread::sleep(Duration::from_millis(20));
    // The copy waits in its last progress report until the reader has the event.
    let wait_for_reader = move |done, total| {
        if done == total {
            assert_eq!(receiver.recv_timeout(LONG), Ok(order_no(1)));
        }
    };
    let copied = source.copy_to_with_progress(&target, wait_for_reader);
    assert!(copied.wait().unwrap().verified.is_ok());
    reader.join().unwrap();
}

#[test]
fn wait_without_event_ends_at_limit() {
    let limit = Duration::from_millis(20);
    let (store, began) = (store(0), Instant::now());
    let waited = store.feed(FeedCursor::START).wait(limit);
    assert!(waited.unwrap().is_none() && began.elapsed() >= limit);
}

#[test]
fn shutdown_ends_waiting_readers() {
    let store = store(0);
    let mut feed = store.feed(FeedCursor::START);
    let mut stream = store.feed(FeedCursor::START).into_stream();
    let reader = thread::spawn(move || feed.wait(LONG));
    let task = thread::spawn(move || {
        block_on(async { (next(&mut stream).await, next(&mut stream).await.is_none()) })
    });
    thread::sleep(Duration::from_millis(20));
    drop(store);
    assert!(matches!(reader.join().unwrap(), Err(Error::ShutDown)));
    let (last, is_over) = task.join().unwrap();
    assert!(matches!(last, Some(Err(Error::ShutDown))) && is_over);
}

#[test]
fn stream_of_feed_waits_for_next_event() {
    let store = store(1);
    let mut stream: IntoStream<_> = store.feed(FeedCursor::START).into_stream();
    block_on(async {
        assert_eq!(next(&mut stream).await.map(number_of), Some(order_no(1)));
        let writer = store.clone();
        let late = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            create(&writer, 2);
        });
        assert_eq!(next(&mut stream).await.map(number_of), Some(order_no(2)));
        late.join().unwrap();
    });
}

#[test]
fn stream_dropped_while_waiting_changes_nothing() {
    let store = store(0);
    block_on(async {
        for _ in 0..3 {
            let mut stream = store.feed(FeedCursor::START).into_stream();
            let short = Duration::from_millis(5);
            assert!(
                tokio::time::timeout(short, next(&mut stream))
                    .await
                    .is_err()
            );
        }
    });
    create(&store, 1);
    assert_eq!(store.feed(FeedCursor::START).count(), 1);
    store.shutdown().wait().unwrap();
}

#[test]
fn cursor_of_other_store_is_refused() {
    let mut other = store(1).feed(FeedCursor::START);
    assert!(matches!(other.next(), Some(Err(Error::ShutDown))));
    let foreign = store(1).events(FeedCursor::START, 1).wait().unwrap()[0].cursor;
    let store = store(1);
    let mut feed = store.feed(foreign);
    assert!(matches!(
        feed.next(),
        Some(Err(Error::InvalidCursor { .. }))
    ));
    assert!(feed.next().is_none());
}
