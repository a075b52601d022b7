//! Conformance cases for extreme and invalid amounts and times.

use super::Harness;
use super::tools::StoreFixture;
use crate::order::{Created, NewOrder};
use crate::testing::fixtures;
use crate::types::{Fen, Timestamp};

pub(super) fn yuan_text_converts_exactly_to_fen(harness: &dyn Harness) {
    let fixture = StoreFixture::open(harness);
    let amounts = [
        ("8.8", 880),
        ("9.8", 980),
        ("19.90", 1990),
        ("1159.89", 115_989),
    ];
    for ((yuan, fen), n) in amounts.into_iter().zip(0..) {
        let total_fee = Fen::parse_yuan(yuan).unwrap();
        let new = NewOrder::new(fixtures::appid(1), total_fee).unwrap();
        assert_eq!(fixture.create(n, new).outcome, Created::Created);
        assert_eq!(fixture.order(n).total_fee.as_u64(), fen, "{yuan}");
    }
    fixture.close();
}

pub(super) fn invalid_amounts_are_refused(_: &dyn Harness) {
    assert!(NewOrder::new(fixtures::appid(1), Fen::ZERO).is_err());
    assert!(Fen::new(1 << 63).is_err());
    for json in ["-1", "1.0", "\"100\"", "9223372036854775808", "null"] {
        assert!(from_json(json).is_none(), "{json}");
    }
    assert_eq!(
        from_json("9223372036854775807"),
        Fen::new(u64::MAX / 2).ok()
    );
    assert!(Fen::parse_yuan("1.001").is_err());
}

#[cfg(feature = "wechat")]
fn from_json(json: &str) -> Option<Fen> {
    serde_json::from_str(json).ok()
}

#[cfg(not(feature = "wechat"))]
fn from_json(json: &str) -> Option<Fen> {
    Fen::new(json.parse().ok()?).ok()
}

pub(super) fn compact_time_is_beijing_and_date_is_validated(_: &dyn Harness) {
    let compact = Timestamp::parse_compact;
    assert!(compact("20240229235959").is_ok());
    for bad in [
        "20230229000000",
        "20240230000000",
        "20241301000000",
        "20240101240000",
        "2022032113200",
    ] {
        assert!(compact(bad).is_err(), "{bad}");
    }
    let paid = compact("20220321132007").unwrap();
    for same in ["2022-03-21T13:20:07+08:00", "2022-03-21T05:20:07Z"] {
        assert_eq!(Timestamp::parse_rfc3339(same).unwrap(), paid);
    }
}
