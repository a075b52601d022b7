//! Handles on a store of another process. Here the other process is this one.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use orderstore::engine::{Engine, MemoryEngine};
use orderstore::remote::{Received, RemoteEngine, Transport, TransportError};
use orderstore::testing::conformance::Harness;
use orderstore::testing::{FailingEngine, Fault, Operation, fixtures};
use orderstore::{
    Builder, Confirmed, Created, Effect, Error, FeedCursor, Health, OpenError, Store, with_causes,
};

use crate::model;
use crate::stores::{assert_same, create, events};

/// State of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Network {
    Up,
    /// No request arrives.
    Down,
    /// Requests arrive, and their answers are lost.
    Mute,
    /// Requests arrive, and their answers are damaged.
    Damaged,
}

/// Transport to a store of this process.
#[derive(Debug, Clone)]
struct Direct {
    store: Arc<Mutex<Store>>,
    network: Arc<AtomicU8>,
}

impl Direct {
    fn to(store: &Store) -> Self {
        Self {
            store: Arc::new(Mutex::new(store.clone())),
            network: Arc::default(),
        }
    }

    fn set(&self, network: Network) {
        self.network.store(network as u8, Ordering::SeqCst);
    }

    fn open(&self) -> Store {
        let engine = RemoteEngine::connect(self.clone()).unwrap();
        Store::builder().engine(engine).unwrap()
    }
}

impl Transport for Direct {
    fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        let network = self.network.load(Ordering::SeqCst);
        let failed = |is_sent| {
            let source = io::ErrorKind::ConnectionReset.into();
            Err(TransportError { is_sent, source })
        };
        if network == Network::Down as u8 {
            return failed(false);
        }
        let store = self.store.lock().unwrap().clone();
        let mut answered = Received::read(&request).answer(&store);
        if network == Network::Mute as u8 {
            return failed(true);
        }
        if network == Network::Damaged as u8 {
            answered.truncate(answered.len() / 2);
        }
        Ok(answered)
    }
}

/// Stores that are used through a handle only.
#[derive(Default)]
struct Remote {
    owner: RefCell<Option<Store>>,
}

impl Harness for Remote {
    fn engine(&self) -> Box<dyn Engine> {
        panic!("the engine of another process takes no decided changes");
    }

    fn open(&self, builder: Builder) -> Store {
        let owner = builder.clone().memory().unwrap();
        let engine = RemoteEngine::connect(Direct::to(&owner)).unwrap();
        *self.owner.borrow_mut() = Some(owner);
        builder.engine(engine).unwrap()
    }

    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        store.shutdown().wait().unwrap();
        let owner = self.owner.borrow();
        let engine = RemoteEngine::connect(Direct::to(owner.as_ref()?)).unwrap();
        Some(builder.engine(engine).unwrap())
    }
}

#[test]
fn remote_store_matches_the_model() {
    model::check(Remote::default, 60);
}

#[test]
fn handles_and_owner_share_one_store() {
    let owner = Store::memory().unwrap();
    let handles = [Direct::to(&owner).open(), Direct::to(&owner).open()];
    let drawn = thread::scope(|scope| {
        let draw = |store: &Store| {
            let numbers = (0..300).map(|_| store.next_order_no().wait().unwrap());
            numbers.collect::<Vec<_>>()
        };
        let stores = [&owner, &handles[0], &handles[1]];
        let threads = stores.map(|store| scope.spawn(move || draw(store)));
        threads.map(|thread| thread.join().unwrap()).concat()
    });
    assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 900);
    thread::scope(|scope| {
        for (n, store) in [&owner, &handles[0], &handles[1]].into_iter().enumerate() {
            let first = n as u64 * 100;
            scope.spawn(move || create(store, first..first + 100));
        }
    });
    // Each handle sees what the others wrote.
    for store in &handles {
        assert_same(&events(store), &events(&owner));
        assert_eq!(store.counts().wait().unwrap().orders(), 300);
        assert!(store.verify().wait().unwrap().is_ok());
    }
    // A handle that is shut down leaves the store open.
    let [first, second] = handles;
    first.shutdown().wait().unwrap();
    create(&second, 300..301);
    let copy = Store::memory().unwrap();
    let copied = second.copy_to(&copy).wait().unwrap();
    assert_eq!(copied.records, 301);
}

#[test]
fn reader_of_the_feed_waits_for_events_of_the_owner() {
    let owner = Store::memory().unwrap();
    let remote = Direct::to(&owner).open();
    let mut feed = remote.feed(FeedCursor::START);
    let reader = thread::spawn(move || feed.wait(Duration::from_secs(60)).unwrap().unwrap());
    create(&owner, 7..8);
    assert_eq!(reader.join().unwrap().event.no, fixtures::order_no(7));
}

#[test]
fn lost_request_is_not_applied_and_lost_answer_is_unknown() {
    let owner = Store::memory().unwrap();
    let transport = Direct::to(&owner);
    let store = transport.open();
    let no = fixtures::order_no(1);
    transport.set(Network::Down);
    let refused = store.create(no, fixtures::new(100)).wait().unwrap_err();
    assert_eq!(refused.effect(), Effect::NotApplied);
    assert!(refused.is_retryable());
    assert!(matches!(store.get(no).wait(), Err(Error::Unreadable(_))));
    assert_eq!(owner.get(no).wait().unwrap(), None);
    for (network, n) in [(Network::Mute, 2), (Network::Damaged, 3)] {
        let no = fixtures::order_no(n);
        transport.set(network);
        let unknown = store.create(no, fixtures::new(100)).wait().unwrap_err();
        assert_eq!(unknown.effect(), Effect::Unknown);
        // The handle is not poisoned. A repetition shows the outcome.
        transport.set(Network::Up);
        let repeated = store.create(no, fixtures::new(100)).wait().unwrap();
        assert_eq!(repeated.outcome, Created::Exists);
    }
    let paid = store.confirm(no, fixtures::payment(1, 100)).wait().unwrap();
    assert_eq!(paid.outcome, Confirmed::Unclaimed);
}

#[test]
fn handle_notices_that_its_store_is_gone() {
    let owner = Store::memory().unwrap();
    let transport = Direct::to(&owner);
    let store = transport.open();
    assert!(matches!(store.health(), Health::Ok));
    transport.set(Network::Down);
    assert!(matches!(store.health(), Health::Failing(_)));
    transport.set(Network::Up);
    // Another server answers at the same place, with another store.
    let other = Store::memory().unwrap();
    *transport.store.lock().unwrap() = other.clone();
    let refused = store.create(fixtures::order_no(1), fixtures::new(100));
    let refused = refused.wait().unwrap_err();
    assert_eq!(refused.effect(), Effect::NotApplied);
    assert!(
        with_causes(&refused).contains("another store"),
        "{refused:?}"
    );
    assert_eq!(other.counts().wait().unwrap().orders(), 0);
    assert!(store.counts().wait().is_err());
}

#[test]
fn poison_and_failures_of_the_owner_reach_the_handle() {
    let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
    let owner = Store::builder().engine(engine).unwrap();
    let store = Direct::to(&owner).open();
    create(&store, 0..1);
    faults.fail_next(Operation::Apply, Fault::Unknown);
    let unknown = store.create(fixtures::order_no(1), fixtures::new(100));
    assert!(matches!(unknown.wait(), Err(Error::OutcomeUnknown(_))));
    assert!(matches!(owner.health(), Health::Poisoned(_)));
    assert!(matches!(store.health(), Health::Failing(_)));
    let refused = store.create(fixtures::order_no(2), fixtures::new(100));
    assert!(matches!(refused.wait(), Err(Error::Poisoned(_))));
}

#[test]
fn errors_of_the_owner_reach_the_handle() {
    let owner = Store::memory().unwrap();
    let store = Direct::to(&owner).open();
    create(&store, 0..1);
    owner.shutdown().wait().unwrap();
    let refused = store.create(fixtures::order_no(1), fixtures::new(100));
    assert!(matches!(refused.wait(), Err(Error::ShutDown)));
    let unread = store.counts().wait().unwrap_err();
    assert!(with_causes(&unread).contains("shut down"), "{unread:?}");
    let gone = RemoteEngine::connect(Direct::to(&owner)).unwrap_err();
    assert!(matches!(gone, OpenError::Unavailable(_)), "{gone:?}");
}

fn answer(store: &Store, request: &[u8]) -> String {
    String::from_utf8(Received::read(request).answer(store)).unwrap()
}

#[test]
fn malformed_requests_and_other_versions_are_refused() {
    let owner = Store::memory().unwrap();
    let other = br#"{"version":"0.0.0","request":{"new":1}}"#;
    let answered = answer(&owner, other);
    assert!(answered.contains("use the same version"), "{answered}");
    let own = concat!(env!("CARGO_PKG_VERSION"), "/1");
    let free = format!(
        r#"{{"version":"{own}","store":null,"request":{{"execute":[{{"outTradeNo":"A1","kind":{{"create":{{"appid":"wxd2565e6a04246fd1","totalFee":0}}}}}}]}}}}"#
    );
    for request in [&b""[..], b"{", b"[]", b"null", free.as_bytes()] {
        let answered = answer(&owner, request);
        assert!(answered.contains("cannot be read"), "{answered}");
    }
    assert_eq!(owner.counts().wait().unwrap().orders(), 0);
    let many = format!(r#"{{"version":"{own}","store":null,"request":{{"reserve":100000000}}}}"#);
    let answered = answer(&owner, many.as_bytes());
    assert!(answered.contains("too many order numbers"), "{answered}");
}
