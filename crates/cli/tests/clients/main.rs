//! Tests of the clients in other languages, on a real `orderstore serve` and on a server that fails
//! by a script.
//!
//! A language whose programs are not installed passes with a notice. If `CLIENTS_REQUIRED` is set, it
//! fails instead.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an unexpected result must fail the test"
)]

mod kills;
mod languages;
mod scripted;
mod served;

use languages::{GO, JAVA, Language, NODE, PHP, PYTHON};
use served::Served;

/// Outcomes of the driver's `tour`, after the order of the example.
const TOUR: &str = "\
create created
create created
create created
amount notApplied 400 invalid-request
prepay recorded
confirm applied
refund requested
report moved
close closing
pages 2 1 true
status 2
history 5
fee 100
counts 2 1 1
feed 11 0
anomalies 0
";

/// Runs the example and each method of the client.
fn example_and_methods(language: &'static Language) {
    let Some(program) = language.program() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let served = Served::start(place.path(), &language.place(), true);
    let printed = program.run(place.path(), "example", &[&served.address]);
    let order: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(order["payStatus"], "success");
    assert_eq!(order["totalFee"], 1990);
    let toured = program.run(place.path(), "driver", &["tour", &served.address]);
    assert_eq!(toured, TOUR);
    served.stop();
    let no = order["outTradeNo"].as_str().unwrap().parse().unwrap();
    let store = served::open(place.path());
    let stored = store.get(no).wait().unwrap().unwrap();
    assert_eq!(stored.payment.as_ref().unwrap().paid_fee.as_u64(), 1990);
    assert!(stored.prepay.is_some());
}

/// Defines the tests of a language.
macro_rules! languages {
    ($($name:ident: $language:expr;)+) => {$(
        mod $name {
            #[test]
            fn example_and_methods_work() {
                crate::example_and_methods(&$language);
            }

            #[test]
            fn failed_requests_are_repeated_by_the_rules() {
                crate::scripted::rules(&$language);
            }

            #[test]
            fn told_outcomes_survive_killed_server() {
                crate::kills::kills(&$language);
            }
        }
    )+};
}

languages! {
    go: crate::GO;
    java: crate::JAVA;
    node: crate::NODE;
    php: crate::PHP;
    python: crate::PYTHON;
}
