//! Checks the tracing spans and events that the store sends to a server's subscriber.
//!
//! This is a separate test binary, because a process has only one global subscriber.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use orderstore::engine::MemoryEngine;
use orderstore::testing::{FailingEngine, Fault, Operation, fixtures};
use orderstore::{Created, Error, Health, OpenId, Store};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const USER: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Test subscriber that appends one line to a list for each span and event.
struct Listener(AtomicU64);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

fn hear(what: &str, record: impl FnOnce(&mut Fields)) {
    let mut fields = Fields(what.to_owned());
    record(&mut fields);
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.push(fields.0);
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "orderstore"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = format!("{} {}", span.metadata().level(), span.metadata().name());
        hear(&name, |fields| span.record(fields));
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        hear("recorded", |fields| values.record(fields));
    }

    fn event(&self, event: &Event<'_>) {
        hear(event.metadata().level().as_str(), |fields| {
            event.record(fields)
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {
        panic_if_planned("enter");
    }

    fn exit(&self, _: &Id) {
        panic_if_planned("exit");
    }
}

/// Name of the call in which the subscriber panics, and how many such calls come before the panic.
static PANIC: Mutex<Option<(&str, usize)>> = Mutex::new(None);

fn panic_if_planned(place: &str) {
    let mut planned = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    match *planned {
        Some((at, 0)) if at == place => {
            *planned = None;
            drop(planned);
            panic!("the subscriber panics on purpose");
        }
        Some((at, passes)) if at == place => *planned = Some((at, passes - 1)),
        _ => {}
    }
}

/// Makes the subscriber panic when a group span or a command span is entered or exited. The store
/// must stay healthy, because the subscriber is not part of the store.
fn assert_subscriber_panic_keeps_store_healthy(store: &Store) {
    let places = [("enter", 0), ("enter", 1), ("exit", 0), ("exit", 1)];
    for (place, number) in places.into_iter().zip(10..) {
        *PANIC.lock().unwrap() = Some(place);
        let no = fixtures::order_no(number);
        let answer = store.create(no, fixtures::new(100)).wait();
        match answer {
            Err(Error::NotApplied(_)) => assert_eq!(store.get(no).wait().unwrap(), None),
            // In this case the engine wrote the group, and only the end of its span failed.
            Ok(answered) => assert_eq!((answered.outcome, place), (Created::Created, ("exit", 1))),
            other => panic!("{other:?}"),
        }
        assert!(PANIC.lock().unwrap().is_none());
        assert!(matches!(store.health(), Health::Ok));
        drop(store.create(no, fixtures::new(100)).wait().unwrap());
        assert!(store.get(no).wait().unwrap().is_some());
    }
}

#[test]
fn group_span_contains_command_spans_without_user_data() {
    tracing::subscriber::set_global_default(Listener(AtomicU64::new(1))).unwrap();
    let store = Store::builder()
        .engine(MemoryEngine::new().unwrap())
        .unwrap();
    let nos = [1, 2].map(fixtures::order_no);
    let new = || fixtures::new(100).openid(OpenId::parse(USER).unwrap());
    drop(store.create(nos[0], new()).wait().unwrap());
    let mut payment = fixtures::payment(1, 100);
    payment.openid = OpenId::parse(USER).ok();
    let both = [fixtures::confirm(1, payment), fixtures::create(2, new())];
    for ticket in store.submit_all(both.into()).unwrap() {
        drop(ticket.wait().unwrap());
    }
    let lines = LINES.lock().unwrap().clone();
    assert_subscriber_panic_keeps_store_healthy(&store);
    store.shutdown().wait().unwrap();
    let no = |n: usize| format!("no={}", nos[n]);
    assert_eq!(
        lines,
        [
            "DEBUG group commands=1".to_owned(),
            format!("DEBUG command {} verb=\"create\"", no(0)),
            "recorded outcome=Create(Created)".to_owned(),
            "DEBUG group commands=2".to_owned(),
            format!("DEBUG command {} verb=\"confirm\"", no(0)),
            "recorded outcome=Confirm(Applied)".to_owned(),
            format!("DEBUG command {} verb=\"create\"", no(1)),
            "recorded outcome=Create(Created)".to_owned(),
        ]
    );
    assert!(!lines.concat().contains(USER));
    assert_lifecycle_events();
    assert_poison_event();
}

/// Asserts that the store emits the events that an operator searches for, with sizes and durations
/// and without personal data.
fn assert_lifecycle_events() {
    LINES.lock().unwrap().clear();
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("orders");
    let store = Store::init(&dir).unwrap();
    let new = fixtures::new(100).openid(OpenId::parse(USER).unwrap());
    drop(store.create(fixtures::order_no(1), new).wait().unwrap());
    store.checkpoint().wait().unwrap();
    store.backup(place.path().join("backup")).wait().unwrap();
    store.shutdown().wait().unwrap();
    let store = Store::open(&dir).unwrap();
    store.shutdown().wait().unwrap();
    let lines = LINES.lock().unwrap().clone();
    for (event, fields) in [
        ("opened store", "journal_bytes="),
        ("rolled journal", "first_lsn="),
        ("began checkpoint", "bytes="),
        ("ended checkpoint", "millis="),
        ("wrote backup", "records=1"),
        ("shut down store", ""),
        ("recovered journal", "was_closed=true"),
    ] {
        let is_event = |line: &&String| line.contains(event) && line.contains(fields);
        assert!(
            lines.iter().any(|line| is_event(&line)),
            "{event}: {lines:#?}"
        );
    }
    assert!(!lines.concat().contains(USER));
}

/// Asserts that a poisoned store emits one event, whatever poisons it.
fn assert_poison_event() {
    for fault in [Fault::Fatal, Fault::Unknown, Fault::Panic] {
        LINES.lock().unwrap().clear();
        let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
        let store = Store::builder().engine(engine).unwrap();
        faults.fail_next(Operation::Apply, fault);
        for number in [1, 2] {
            let created = store.create(fixtures::order_no(number), fixtures::new(100));
            assert!(created.wait().is_err());
        }
        let lines = LINES.lock().unwrap().clone();
        let poisoned = lines.iter().filter(|line| line.contains("poisoned store"));
        assert_eq!(poisoned.count(), 1, "{fault:?}: {lines:?}");
    }
}
