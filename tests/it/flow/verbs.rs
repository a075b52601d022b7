//! Calls of the store's methods, for tests that must cover most of them.

use std::pin::Pin;

use orderstore::{
    AnomalyId, Call, ChannelState, CloseReply, Error, FeedCursor, Metadata, Note, OrderQuery,
    PageRequest, Prepay, PrepayKind, PrepayValue, Resolution, Store, Timestamp,
};

use super::rig::{new, no, payment};

/// A call of any store method, independent of the type of its answer.
pub(crate) trait AnyCall {
    fn wait_for_it(self: Box<Self>) -> Result<(), Error>;
    fn submit_it(self: Box<Self>) -> Result<(), Error>;
    fn await_it(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
}

impl<T: Send + 'static> AnyCall for Call<T> {
    fn wait_for_it(self: Box<Self>) -> Result<(), Error> {
        self.wait().map(drop)
    }

    fn submit_it(self: Box<Self>) -> Result<(), Error> {
        self.submit()?.wait().map(drop)
    }

    fn await_it(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        let answering = self.into_future();
        Box::pin(async { answering.await.map(drop) })
    }
}

type Verb = (&'static str, Box<dyn AnyCall>);

/// Returns calls of methods that go through the command queue.
pub(crate) fn commands(store: &Store) -> Vec<Verb> {
    let prepay = Prepay::new(PrepayKind::Jsapi, PrepayValue::parse("wx2014").unwrap());
    let why = Note::parse("seen").unwrap();
    let metadata = Metadata::new("shelf 7").unwrap();
    let dismiss = Resolution::Dismiss;
    vec![
        ("create", Box::new(store.create(no(7), new()))),
        ("annotate", Box::new(store.annotate(no(7), 1, metadata))),
        (
            "record_prepay",
            Box::new(store.record_prepay(no(7), prepay)),
        ),
        ("confirm", Box::new(store.confirm(no(8), payment(8)))),
        (
            "record_query",
            Box::new(store.record_query(no(7), ChannelState::NotPay)),
        ),
        ("begin_close", Box::new(store.begin_close(no(7)))),
        (
            "record_close",
            Box::new(store.record_close(no(7), CloseReply::Retry)),
        ),
        ("abort_close", Box::new(store.abort_close(no(7)))),
        (
            "resolve",
            Box::new(store.resolve(no(7), AnomalyId(1), dismiss, why)),
        ),
        ("hide", Box::new(store.hide(no(7)))),
        ("unhide", Box::new(store.unhide(no(7)))),
    ]
}

/// Returns calls of methods that only read.
pub(crate) fn reads(store: &Store) -> Vec<Verb> {
    let times = Timestamp::EPOCH..Timestamp::MAX;
    let page = PageRequest::of(10);
    vec![
        ("get", Box::new(store.get(no(7)))),
        ("list", Box::new(store.list(OrderQuery::all()))),
        ("due", Box::new(store.due(Timestamp::EPOCH, page))),
        ("open_anomalies", Box::new(store.open_anomalies(page))),
        ("history", Box::new(store.history(no(7)))),
        ("events", Box::new(store.events(FeedCursor::START, 10))),
        ("counts", Box::new(store.counts())),
        ("totals", Box::new(store.totals(times))),
        ("verify", Box::new(store.verify())),
    ]
}

pub(crate) fn number(store: &Store) -> Verb {
    ("next_order_no", Box::new(store.next_order_no()))
}

/// Returns the commands, the reads and `next_order_no`.
pub(crate) fn all(store: &Store) -> Vec<Verb> {
    let mut all = commands(store);
    all.extend(reads(store));
    all.push(number(store));
    all
}
