//! Tests of order numbers that are shorter than the generated ones.

use std::time::SystemTime;

use orderstore::Timestamp;

use crate::rig::Place;

#[test]
fn one_byte_order_number_works_in_every_verb() {
    let place = Place::new();
    place.run("init").ends(0);
    let now = Timestamp::from_system(SystemTime::now());
    for line in [
        "create --no 7 --appid wxa --fen 100".to_owned(),
        format!("confirm 7 --transaction-id T7 --fen 100 --paid-at {now}"),
        "refund request 7 --refund-no R7 --transaction-id T7 --fen 40".to_owned(),
        "refund refused 7 --refund-no R7 --code NOTENOUGH".to_owned(),
        "create --no 77 --appid wxa --fen 100".to_owned(),
        "begin-close 77".to_owned(),
        "show 7".to_owned(),
        "history 7".to_owned(),
        "verify".to_owned(),
        "export --output books".to_owned(),
        "init --store other".to_owned(),
        "import books --exported --store other".to_owned(),
        "show 7 --store other".to_owned(),
    ] {
        place.run(&line).ends(0);
    }
    let listed = place.run("list --format jsonl").ends(0).out;
    for no in ["\"7\"", "\"77\""] {
        assert!(listed.contains(no), "{listed}");
    }
}
