//! Invariant I19: no text that can reach a log contains a user ID or free text. Also checks which
//! types are `Send` and `Sync`.

#[cfg(feature = "transfer")]
mod transfer;
#[cfg(feature = "wechat")]
mod wechat;

use std::error::Error as _;
use std::fmt::Debug;

use orderstore::engine::{
    self, Engine, EngineError, IndexQuery, LocalEngine, Lookup, MemoryEngine,
};
use orderstore::rules::{Index, UniqueKey, index_entries};
use orderstore::testing::{self, FailingEngine, Faults, ManualClock, SharedEngine, fixtures};
use orderstore::*;

use crate::harness::Local;

const USER: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";
const PAYER: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";
/// Personal data in a free-text field, although the documentation advises against it.
const WORDS: &str = "Wang-13800138000";

const SECRETS: [&str; 3] = [USER, PAYER, WORDS];

fn assert_silent(what: &str, printed: &str) {
    for secret in SECRETS {
        assert!(!printed.contains(secret), "{what} shows {secret}");
    }
    let bytes = format!("{:?}", WORDS.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    assert!(
        !printed.contains(bytes),
        "{what} shows the bytes of the free text"
    );
}

fn assert_private<T: Debug>(value: &T) {
    let what = std::any::type_name::<T>();
    assert_silent(what, &format!("{value:?}"));
    assert_silent(what, &format!("{value:#?}"));
}

fn new() -> NewOrder {
    fixtures::new(100)
        .openid(OpenId::parse(USER).unwrap())
        .description(Description::parse(WORDS).unwrap())
        .attach(Attach::parse(WORDS).unwrap())
        .metadata(Metadata::new(WORDS).unwrap())
}

fn payment(n: u64) -> Payment {
    let mut payment = fixtures::payment(n, 100);
    payment.openid = Some(OpenId::parse(PAYER).unwrap());
    payment
}

fn prepay() -> Prepay {
    Prepay::new(PrepayKind::Jsapi, PrepayValue::parse(WORDS).unwrap())
}

fn dismiss() -> CommandKind {
    CommandKind::Resolve {
        anomaly: AnomalyId(1).into(),
        how: Resolution::Dismiss,
        note: Note::parse(WORDS).unwrap(),
    }
}

fn every_command() -> Vec<Command> {
    let no = fixtures::order_no(1);
    let query = |state| CommandKind::RecordQuery(Box::new(state));
    let metadata = Metadata::new(WORDS).unwrap();
    [
        CommandKind::Create(Box::new(new())),
        CommandKind::RecordPrepay(Box::new(prepay())),
        CommandKind::Confirm(Box::new(payment(1))),
        query(ChannelState::Success(payment(2))),
        query(ChannelState::Refund(payment(3))),
        dismiss(),
        CommandKind::Annotate {
            version: 9,
            metadata,
        },
        CommandKind::BeginClose,
        CommandKind::RecordClose(CloseReply::Retry),
        CommandKind::Hide,
        CommandKind::RequestRefund(Box::new(fixtures::refund_of(1, 1, 60))),
        CommandKind::RecordRefund(Box::new(fixtures::refund_fact(
            1,
            2,
            50,
            RefundState::Success,
        ))),
    ]
    .into_iter()
    .map(|ask| Command { no, kind: ask })
    .collect()
}

/// Creates a store in which every field of a record is filled.
fn filled_store() -> Store {
    let store = Store::memory().unwrap();
    for ticket in store.submit_all(every_command()).unwrap() {
        assert_private(&ticket.wait().unwrap());
    }
    let stranger = fixtures::order_no(2);
    assert_private(&store.confirm(stranger, payment(4)).wait().unwrap());
    store
}

#[test]
fn debug_output_of_inputs_hides_user() {
    assert_private(&new());
    assert_private(&payment(1));
    assert_private(&prepay());
    assert_private(&every_command());
    let openid = OpenId::parse(USER).unwrap();
    assert_private(&openid);
    let listing = OrderQuery::by_openid(&openid).page(PageRequest::of(1));
    assert_private(&listing);
}

#[test]
fn debug_output_of_calls_and_tickets_hides_user() {
    let store = Store::memory().unwrap();
    let no = fixtures::order_no(1);
    assert_private(&store.create(no, new()));
    assert_private(&store.create(no, new()).into_future());
    let ticket = store.confirm(no, payment(1)).submit().unwrap();
    assert_private(&ticket);
    let list = || store.list(OrderQuery::by_openid(&OpenId::parse(USER).unwrap()));
    assert_private(&list());
    assert_private(&list().submit().unwrap());
    store.shutdown().wait().unwrap();
    let refused = store.create(no, new()).submit().unwrap_err();
    assert_private(&refused);
    assert_silent("a refusal", &refused.to_string());
    let refused = store.submit_all(every_command()).unwrap_err();
    assert_private(&refused);
    assert_silent("a refusal", &refused.to_string());
}

#[test]
fn debug_output_of_results_hides_user() {
    let store = filled_store();
    let no = fixtures::order_no(1);
    assert_private(&store);
    assert_private(&store.get(no).wait().unwrap().unwrap());
    assert_private(&store.list(OrderQuery::all()).wait().unwrap());
    assert_private(&store.history(no).wait().unwrap());
    assert_private(&store.events(FeedCursor::START, 100).wait().unwrap());
    let open = store.open_anomalies(PageRequest::of(10)).wait().unwrap();
    assert!(!open.rows.is_empty());
    assert_private(&open);
    let due = store
        .due(Timestamp::MAX, PageRequest::of(10))
        .wait()
        .unwrap();
    assert_private(&due);
    assert_private(&store.counts().wait().unwrap());
    assert_private(&store.verify().wait().unwrap());
    assert_private(&(store.stats(), store.health(), store.opened()));
    let first = OrderQuery::by_openid(&OpenId::parse(USER).unwrap()).page(PageRequest::of(1));
    let _ = store.create(fixtures::order_no(3), new()).wait().unwrap();
    let cursor = store.list(first).wait().unwrap().next.unwrap();
    assert_private(&cursor);
    assert_silent("a cursor", &cursor.to_string());
}

#[test]
fn debug_output_of_engine_values_hides_user() {
    let engine = MemoryEngine::new().unwrap();
    let shared = SharedEngine::new(Box::new(engine));
    let store = Store::builder().engine(shared.again()).unwrap();
    for ticket in store.submit_all(every_command()).unwrap() {
        let _ = ticket.wait().unwrap();
    }
    let no = fixtures::order_no(1);
    let record = shared.get(&no).unwrap().unwrap();
    assert_private(&index_entries(&record));
    assert_private(&record);
    let index = Index::OpenId(OpenId::parse(USER).unwrap());
    let query = IndexQuery {
        index,
        from: Timestamp::EPOCH,
        until: Timestamp::MAX,
        direction: engine::Direction::Forward,
        after: None,
    };
    assert_private(&query);
    assert_private(&shared.scan(&query, 10).unwrap());
    assert_private(&shared.load(&[Lookup::No(no)]).unwrap());
    assert_private(&shared);
    let key = UniqueKey::Reference(fixtures::reference(1));
    assert_private(&Lookup::Owner(key));
    let (failing, faults) = FailingEngine::around(shared.again());
    assert_private(&(failing, faults));
}

#[test]
fn debug_output_of_local_store_hides_user() {
    use orderstore::testing::conformance::Harness;
    let harness = Local::new();
    let store = harness.open(Store::builder());
    for ticket in store.submit_all(every_command()).unwrap() {
        let _ = ticket.wait().unwrap();
    }
    assert_private(&store);
    assert_private(&store.verify().wait().unwrap());
    assert_private(&Store::builder());
}

#[test]
fn errors_do_not_repeat_rejected_values() {
    let long = format!("{USER} {}", "x".repeat(600));
    let spoiled = format!("{USER}\n{WORDS}");
    let errors: Vec<Box<dyn std::error::Error>> = vec![
        Box::new(OpenId::parse(&spoiled).unwrap_err()),
        Box::new(AppId::parse(&spoiled).unwrap_err()),
        Box::new(OrderNo::parse(&spoiled).unwrap_err()),
        Box::new(TransactionId::parse(&spoiled).unwrap_err()),
        Box::new(Reference::parse(&spoiled).unwrap_err()),
        Box::new(Description::parse(&spoiled).unwrap_err()),
        Box::new(Attach::parse(&long).unwrap_err()),
        Box::new(Note::parse(&long).unwrap_err()),
        Box::new(Metadata::new(long.repeat(9)).unwrap_err()),
        Box::new(Timestamp::parse_rfc3339(&spoiled).unwrap_err()),
        Box::new(Timestamp::parse_compact(&spoiled).unwrap_err()),
        Box::new(Fen::parse_yuan(&spoiled).unwrap_err()),
        Box::new(Currency::parse(&spoiled).unwrap_err()),
        Box::new(Channel::parse(&spoiled).unwrap_err()),
        Box::new(spoiled.parse::<Cursor>().unwrap_err()),
        Box::new(spoiled.parse::<FeedCursor>().unwrap_err()),
    ];
    for error in errors {
        let mut next: Option<&dyn std::error::Error> = Some(&*error);
        while let Some(error) = next {
            assert_silent("an error", &format!("{error} {error:?}"));
            next = error.source();
        }
    }
}

#[test]
fn error_of_failed_call_hides_user() {
    let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
    let store = Store::builder().engine(engine).unwrap();
    faults.fail_next(testing::Operation::Apply, testing::Fault::Unknown);
    let no = fixtures::order_no(1);
    let error = store.create(no, new()).wait().unwrap_err();
    assert_private(&error);
    assert_silent("an error", &error.to_string());
    assert!(error.source().is_some());
    assert_private(&store.health());
    assert_private(&store);
}

#[test]
fn backup_and_repair_reports_hide_user() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let store = Store::init(at("store")).unwrap();
    for ticket in store.submit_all(every_command()).unwrap() {
        let _ = ticket.wait().unwrap();
    }
    assert_private(&store.backup(at("backup")).wait().unwrap());
    store.shutdown().wait().unwrap();
    assert_private(&Store::restore(at("backup"), at("restored")).unwrap());
    let repaired = Store::repair(at("store"), at("repaired")).unwrap();
    assert_eq!(repaired.records, 1);
    assert_private(&repaired);
}

#[test]
fn debug_output_shows_only_length_of_free_text() {
    let order = filled_store()
        .get(fixtures::order_no(1))
        .wait()
        .unwrap()
        .unwrap();
    let printed = format!("{order:?}");
    for shown in [
        "description: Description(16 bytes)",
        "attach: Attach(16 bytes)",
        "metadata: Metadata(16 bytes)",
        "value: PrepayValue(16 bytes)",
        "openid: Some(OpenId(oZW…))",
    ] {
        assert!(printed.contains(shown), "{shown} in {printed}");
    }
}

#[test]
fn json_of_order_includes_user() {
    let order = filled_store()
        .get(fixtures::order_no(1))
        .wait()
        .unwrap()
        .unwrap();
    let json = serde_json::to_value(&*order).unwrap();
    assert_eq!(json["_openid"], USER);
}

#[test]
fn public_types_are_send_and_sync() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Store>();
    shared::<Builder>();
    shared::<Error>();
    shared::<StorageError>();
    shared::<EngineError>();
    shared::<Order>();
    shared::<Event>();
    shared::<Ticket<Reply<Outcome>>>();
    shared::<BackupReport>();
    shared::<RestoreReport>();
    shared::<RepairReport>();
    shared::<MemoryEngine>();
    shared::<LocalEngine>();
    shared::<FailingEngine>();
    shared::<Faults>();
    shared::<SharedEngine>();
    shared::<ManualClock>();
    shared::<Call<Reply<Created>>>();
    shared::<CallFuture<Reply<Created>>>();
    shared::<Rejected<Call<()>>>();
    shared::<Rejected<Vec<Command>>>();
}
