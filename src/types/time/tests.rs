//! Tests of parsing, printing and arithmetic of `Timestamp`.

use proptest::prelude::*;

use super::super::check::{json_refuses, round_trip};
use super::*;

/// Time of a payment in Unix milliseconds: 2022-03-21 13:20:07 in Beijing.
const PAID_MS: i64 = 1_647_840_007_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

#[test]
fn formats_of_same_time_parse_equal() {
    let forms = [
        Timestamp::parse_compact("20220321132007"),
        Timestamp::parse_civil("2022-03-21 13:20:07"),
        Timestamp::parse_civil("`2022-03-21 13:20:07"),
        Timestamp::parse_rfc3339("2022-03-21T13:20:07+08:00"),
        Timestamp::parse_rfc3339("2022-03-21T05:20:07Z"),
        Timestamp::parse_rfc3339("2022-03-21T01:20:07.000-04:00"),
    ];
    for form in forms {
        assert_eq!(form, Ok(at(PAID_MS)));
    }
}

#[test]
fn timestamp_prints_in_utc_or_beijing_time() {
    assert_eq!(at(PAID_MS).to_string(), "2022-03-21T05:20:07.000Z");
    assert_eq!(at(PAID_MS).beijing().to_string(), "2022-03-21 13:20:07");
    assert_eq!(
        format!("{:?}", at(7)),
        "Timestamp(1970-01-01T00:00:00.007Z)"
    );
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    assert!(!Timestamp::MAX.beijing().to_string().is_empty());
}

#[test]
fn nonexistent_date_is_rejected() {
    assert!(Timestamp::parse_compact("20240229235959").is_ok());
    let refused = Err(invalid(ValueProblem::NoSuchDate));
    let parse = Timestamp::parse_compact;
    assert_eq!(parse("20230229000000"), refused);
    assert_eq!(parse("20240230000000"), refused);
    assert_eq!(parse("20241301000000"), refused);
    assert_eq!(parse("20240001000000"), refused);
    assert_eq!(parse("20240100000000"), refused);
}

#[test]
fn nonexistent_time_of_day_is_rejected() {
    let refused = Err(invalid(ValueProblem::NoSuchTime));
    assert_eq!(Timestamp::parse_compact("20240229240000"), refused);
    assert_eq!(Timestamp::parse_compact("20240229236000"), refused);
    assert_eq!(Timestamp::parse_compact("20161231235960"), refused);
    assert_eq!(Timestamp::parse_civil("2016-12-31 23:59:60"), refused);
    assert_eq!(Timestamp::parse_rfc3339("2016-12-31T23:59:60Z"), refused);
}

#[test]
fn time_with_wrong_length_or_byte_is_rejected() {
    let wrong = |len| Err(invalid(ValueProblem::WrongLength { len }));
    assert_eq!(Timestamp::parse_compact("2022032113200"), wrong(13));
    assert_eq!(Timestamp::parse_compact("202203211320070"), wrong(15));
    assert_eq!(Timestamp::parse_compact(""), wrong(0));
    assert_eq!(Timestamp::parse_civil("`2022-03-21"), wrong(10));
    assert_eq!(Timestamp::parse_rfc3339("2022-03-21"), wrong(10));
    let bad = |at| Err(invalid(ValueProblem::BadByte { at }));
    assert_eq!(Timestamp::parse_compact("+0220321132007"), bad(0));
    assert_eq!(Timestamp::parse_compact("2022032113200 "), bad(13));
    assert_eq!(Timestamp::parse_civil("2022-03-21T13:20:07"), bad(10));
    assert_eq!(Timestamp::parse_civil("`2022/03-21 13:20:07"), bad(5));
    assert_eq!(Timestamp::parse_rfc3339("2022-03-21 13:20:07Z"), bad(10));
}

#[test]
fn rfc3339_without_valid_offset_is_rejected() {
    let refused = Err(invalid(ValueProblem::BadOffset { at: 19 }));
    for tail in ["", "+0800x", "+24:60", ".Z", " Z", "ZZ", "é"] {
        let text = format!("2022-03-21T13:20:07{tail}");
        assert_eq!(Timestamp::parse_rfc3339(&text), refused, "{text}");
    }
}

#[test]
fn fraction_is_truncated_to_milliseconds() {
    let parse = |text| Timestamp::parse_rfc3339(text).unwrap().as_millis();
    assert_eq!(parse("1970-01-01T00:00:00.1239Z"), 123);
    assert_eq!(parse("1970-01-01T00:00:01.5Z"), 1500);
}

#[test]
fn time_outside_1970_to_9999_is_rejected() {
    let outside = Err(invalid(ValueProblem::OutOfRange));
    assert_eq!(Timestamp::from_millis(-1), outside);
    assert_eq!(Timestamp::from_millis(i64::MIN), outside);
    assert_eq!(Timestamp::from_millis(253_402_300_800_000), outside);
    assert_eq!(Timestamp::parse_compact("19700101075959"), outside);
    assert_eq!(
        Timestamp::parse_compact("19700101080000"),
        Ok(Timestamp::EPOCH)
    );
    let end = Timestamp::parse_rfc3339("9999-12-31T23:59:59.999Z");
    assert_eq!(end, Ok(Timestamp::MAX));
    assert!(Timestamp::parse_rfc3339("9999-12-31T23:59:59-01:00").is_err());
    assert!(Timestamp::MAX.as_u64() < 1 << 48);
}

#[test]
fn time_arithmetic_saturates_at_range_limits() {
    let second = Duration::from_secs(1);
    assert_eq!(at(500).saturating_add(second), at(1500));
    assert_eq!(at(1500).saturating_sub(second), at(500));
    assert_eq!(at(500).saturating_sub(second), Timestamp::EPOCH);
    assert_eq!(Timestamp::MAX.saturating_add(second), Timestamp::MAX);
    assert_eq!(at(5).saturating_add(Duration::MAX), Timestamp::MAX);
    assert_eq!(at(5).saturating_sub(Duration::MAX), Timestamp::EPOCH);
    assert_eq!(at(1500).since(at(500)), second);
    assert_eq!(at(500).since(at(1500)), Duration::ZERO);
}

#[test]
fn system_time_saturates_at_range_limits() {
    let later = UNIX_EPOCH + Duration::from_micros(1_234_567);
    assert_eq!(Timestamp::from_system(later), at(1234));
    let earlier = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(Timestamp::from_system(earlier), Timestamp::EPOCH);
    let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
    assert_eq!(Timestamp::from_system(far), Timestamp::MAX);
}

#[test]
fn timestamp_serializes_to_integer() {
    round_trip(&at(PAID_MS), "1647840007000");
    round_trip(&Timestamp::EPOCH, "0");
    round_trip(&Timestamp::MAX, "253402300799999");
    for json in ["-1", "1.0", "\"0\"", "253402300800000", "1e3"] {
        json_refuses::<Timestamp>(json);
    }
}

proptest! {
    #[test]
    fn printed_time_parses_back(millis in 0..=Timestamp::MAX.as_millis()) {
        let time = at(millis);
        prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Ok(time));
    }

    #[test]
    fn time_parsers_never_panic(text in "[0-9T:. `Z+-]{0,30}|.*") {
        let _ = Timestamp::parse_compact(&text);
        let _ = Timestamp::parse_civil(&text);
        let _ = Timestamp::parse_rfc3339(&text);
    }
}
