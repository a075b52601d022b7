//! Imports of records that other systems wrote.

use proptest::prelude::*;

use super::*;
use crate::order::{ActionKind, ImportRefusal, Source};
use crate::query::{OrderQuery, PageRequest};
use crate::types::{AppId, MchId, OpenId};

#[test]
fn cloud_database_export_is_imported() {
    let store = Store::memory().unwrap();
    let (report, refused) = import(&store, &in_yuan(), REAL);
    assert_eq!(refused, []);
    assert_eq!((report.imported, report.records), (4, 4));

    let paid = order(&store, "16478392893981045823907716230948");
    assert_eq!((paid.status, paid.total_fee.as_u64()), (Status::Success, 2));
    assert_eq!(paid.create_time, millis(1_647_839_289_398));
    assert_eq!(paid.update_time, millis(1_647_839_301_007));
    let payment = paid.payment.unwrap();
    assert_eq!(
        payment.transaction_id.as_str(),
        "4200000161202203211180453367"
    );
    assert_eq!(
        payment.time_end,
        Timestamp::parse_compact("20220321130820").unwrap()
    );
    assert_eq!(
        (payment.paid_fee.as_u64(), payment.source),
        (2, Source::Import)
    );
    let metadata = r#"{"_id":"b69f67c062393b8d03e5a1b23f1c7a01"}"#;
    assert_eq!(paid.metadata.as_bytes(), metadata.as_bytes());

    let waiting = order(&store, "16478393012215540917283365501277");
    assert_eq!(
        (waiting.status, waiting.total_fee.as_u64()),
        (Status::Pending, 57)
    );
    assert_eq!(waiting.next.unwrap().action, ActionKind::Query);

    let hidden = order(&store, "16478399990010000000000000000042");
    assert_eq!(hidden.total_fee.as_u64(), 1990);
    assert_eq!(hidden.create_time.to_string(), "2022-03-21T05:19:59.001Z");
    assert_eq!(hidden.update_time.to_string(), "2022-03-21T05:20:09.500Z");
    assert_eq!(
        hidden.hidden_at.unwrap().to_string(),
        "2022-04-01T00:00:00.000Z"
    );

    let long = order(&store, "1647840000");
    assert_eq!(long.total_fee.as_u64(), 115_989);
    assert_eq!(long.create_time, millis(1_647_840_000_000));

    let numbers = |listing: OrderQuery| -> Vec<String> {
        let page = store
            .list(listing.page(PageRequest::of(10)))
            .wait()
            .unwrap();
        page.rows.iter().map(|order| order.no.to_string()).collect()
    };
    let newest_first = [&long, &hidden, &waiting].map(|order| order.no.to_string());
    assert_eq!(numbers(OrderQuery::all())[..3], newest_first);
    let user = OpenId::parse("oZWaC4wQm1VbYy0l5Xy6Zb3o9pQs").unwrap();
    assert_eq!(numbers(OrderQuery::by_openid(&user)), ["1647840000"]);
    assert_eq!(numbers(OrderQuery::by_openid(&user).with_hidden()).len(), 2);
    assert!(store.verify().wait().unwrap().is_ok());

    let (again, _) = import(&store, &in_yuan(), REAL);
    assert_eq!((again.imported, again.unchanged), (0, 4));
}

#[test]
fn amount_is_read_in_configured_unit() {
    let records = record("order-1", &[("totalFee", "57")]);
    let store = Store::memory().unwrap();
    let fen = Import::mapped(Mapping::of(Amounts::Fen));
    assert_eq!(import(&store, &fen, &records).0.imported, 1);
    assert_eq!(order(&store, "order-1").total_fee.as_u64(), 57);
    let store = Store::memory().unwrap();
    assert_eq!(import(&store, &in_yuan(), &records).0.imported, 1);
    assert_eq!(order(&store, "order-1").total_fee.as_u64(), 5700);
    let text = record("order-2", &[("totalFee", "\"19.90\"")]);
    assert_eq!(import(&store, &in_yuan(), &text).0.imported, 1);
    assert_eq!(order(&store, "order-2").total_fee.as_u64(), 1990);
}

#[test]
fn amount_in_main_unit_follows_order_currency() {
    let yen = ("feeType", "\"JPY\"");
    let records = record("order-1", &[("totalFee", "500"), yen])
        + &record("order-2", &[("totalFee", "5.5"), yen])
        + &record("order-3", &[("totalFee", "1.234"), ("feeType", "\"KWD\"")]);
    let store = Store::memory().unwrap();
    let (report, refused) = import(&store, &in_yuan(), &records);
    assert_eq!(report.imported, 2);
    assert_eq!(order(&store, "order-1").total_fee.as_u64(), 500);
    assert_eq!(order(&store, "order-3").total_fee.as_u64(), 1234);
    let problem = FieldProblem::Amount(AmountProblem::NotWhole);
    let field = Field::TotalFee.name();
    assert_eq!(refused[0].reason, Reason::Field { field, problem });
}

/// mongoexport 2.x writes dates with the offset `+0000`, or as milliseconds.
#[test]
fn mongoexport_2_date_is_read() {
    let dates = [
        "{ \"$date\" : \"2022-03-21T05:19:59.001+0000\" }",
        "{ \"$date\" : 1647839999001 }",
    ];
    for date in dates {
        let store = Store::memory().unwrap();
        let records = record("order-1", &[("createTime", date), ("updateTime", "null")]);
        let (report, refused) = import(&store, &in_yuan(), &records);
        assert_eq!((report.imported, refused), (1, Vec::new()), "{date}");
        let created = order(&store, "order-1").create_time;
        assert_eq!(created, millis(1_647_839_999_001));
    }
}

#[test]
fn record_with_invalid_field_is_refused() {
    use FieldProblem as Why;
    let fee = |problem| (Field::TotalFee, Why::Amount(problem));
    let cases = [
        (("totalFee", "0.575"), fee(AmountProblem::NotWhole)),
        (("totalFee", "-1"), fee(AmountProblem::Negative)),
        (("totalFee", "null"), (Field::TotalFee, Why::Missing)),
        (("totalFee", "true"), (Field::TotalFee, Why::NotNumber)),
        (
            ("payStatus", "\"paid\""),
            (Field::PayStatus, Why::UnknownStatus),
        ),
        (
            ("payStatus", "\"wait\""),
            (Field::TransactionId, Why::PaymentOnUnpaidOrder),
        ),
        (
            ("transactionId", "\"\""),
            (Field::TransactionId, Why::Missing),
        ),
        (
            ("transactionId", "4200"),
            (Field::TransactionId, Why::NotText),
        ),
        (("timeEnd", "null"), (Field::TimeEnd, Why::Missing)),
        (("createTime", "null"), (Field::CreateTime, Why::Missing)),
        (
            ("createTime", "1647840000"),
            (Field::CreateTime, Why::NotMillis),
        ),
        (
            ("createTime", "{\"$oid\":\"7\"}"),
            (Field::CreateTime, Why::NotTime),
        ),
        (("appid", "null"), (Field::Appid, Why::Missing)),
        (
            ("outTradeNo", "16478392893981045823"),
            (Field::No, Why::NotText),
        ),
        (("outTradeNo", "null"), (Field::No, Why::Missing)),
    ];
    for (change, (field, problem)) in cases {
        let store = Store::memory().unwrap();
        let (report, refused) = import(&store, &in_yuan(), &record("order-1", &[change]));
        assert_eq!(report.refused, 1, "{change:?}");
        let field = field.name();
        assert_eq!(refused[0].reason, Reason::Field { field, problem });
        let line = refused[0].to_string();
        assert!(line.starts_with("record 1, line 1, byte 0"), "{line}");
        assert!(
            line.ends_with(&format!("field {field} cannot be used: {problem}")),
            "{line}"
        );
        assert_eq!(store.counts().wait().unwrap().orders(), 0);
        assert_eq!(store.stats().groups, 0, "no command reached the store");
    }
}

#[test]
fn contradictory_order_is_refused() {
    let cases = [
        (("totalFee", "0"), ImportRefusal::NothingToPay),
        (
            ("updateTime", "1647839999999"),
            ImportRefusal::TimesDisagree,
        ),
        (
            ("updateTime", "{\"$date\":\"2999-01-01T00:00:00Z\"}"),
            ImportRefusal::TimesDisagree,
        ),
    ];
    for (change, refusal) in cases {
        let store = Store::memory().unwrap();
        let (_, refused) = import(&store, &in_yuan(), &record("order-1", &[change]));
        assert_eq!(refused[0].reason, Reason::Order(refusal));
        assert_eq!(refused[0].no, Some(no("order-1")));
        assert_eq!(store.counts().wait().unwrap().orders(), 0);
    }
}

#[test]
fn mapping_sets_status_words_field_names_and_defaults() {
    let mapping = Mapping::of(Amounts::Fen)
        .status("2", Status::Success)
        .status("cancel", Status::Closed)
        .field(Field::TotalFee, "price")
        .field(Field::No, "sn")
        .appid(AppId::parse("wxb").unwrap())
        .mch_id(MchId::parse("1601959334").unwrap())
        .without("phone");
    let paid = r#"{"sn":"order-1","price":8,"payStatus":2,"createTime":1647840000000,"phone":"13800138000",
        "transactionId":"T1","timeEnd":"2022-03-21T13:20:07+08:00","more":[ 1, "x y" ]}"#;
    let closed = r#"{"sn":"order-2","price":"8","payStatus":"cancel","createTime":"2022-03-21 13:20:00",
        "updateTime":{"$date":1647840009000},"mchId":1712734762,"appid":"wxc"}"#;
    let store = Store::memory().unwrap();
    let (report, refused) = import(&store, &Import::mapped(mapping), &format!("{paid}{closed}"));
    assert_eq!((report.imported, refused), (2, Vec::new()));
    let paid = order(&store, "order-1");
    assert_eq!((paid.status, paid.appid.as_str()), (Status::Success, "wxb"));
    assert_eq!(paid.mch_id.unwrap().as_str(), "1601959334");
    assert_eq!(paid.metadata.as_bytes(), br#"{"more":[1,"x y"]}"#);
    assert_eq!(paid.update_time, paid.create_time);
    let closed = order(&store, "order-2");
    assert_eq!(
        (closed.status, closed.appid.as_str()),
        (Status::Closed, "wxc")
    );
    assert_eq!(closed.mch_id.unwrap().as_str(), "1712734762");
    assert_eq!(closed.ended_at, Some(millis(1_647_840_009_000)));
    assert!(closed.metadata.is_empty());
}

#[test]
fn invalid_description_moves_to_metadata() {
    let long = format!("\"{}\"", "茶".repeat(128));
    let deleted = ("deleteTime", "1647840009000");
    let records = record(
        "order-1",
        &[("description", &long), ("attach", "\"table 7\"")],
    ) + &record("order-2", &[&UNPAID[..], &[deleted]].concat());
    let store = Store::memory().unwrap();
    assert_eq!(import(&store, &in_yuan(), &records).0.imported, 2);
    let first = order(&store, "order-1");
    assert_eq!(
        (first.attach.as_str(), first.description.as_str()),
        ("table 7", "")
    );
    assert_eq!(
        first.metadata.as_bytes(),
        format!("{{\"description\":{long}}}").as_bytes()
    );
    let second = order(&store, "order-2");
    assert_eq!((second.status, second.hidden_at), (Status::Pending, None));
    assert_eq!(
        second.metadata.as_bytes(),
        br#"{"deleteTime":1647840009000}"#
    );
    let much = format!("\"{}\"", "x".repeat(4096));
    let (_, refused) = import(&store, &in_yuan(), &record("order-3", &[("more", &much)]));
    let Reason::Field { field, problem } = refused[0].reason else {
        panic!()
    };
    assert_eq!(field, "metadata");
    assert!(matches!(problem, FieldProblem::Value(_)));
}

#[test]
fn csv_columns_are_mapped_by_header_name() {
    let records = "\u{feff}outTradeNo,totalFee,payStatus,createTime,appid,transactionId,timeEnd,shop,note\r\n\
        `16478392893981045823907716230948,0.5700000000000001,success,1647840000000,wxa,`4200000161202203211180453367,20220321132007,\"7, north\",\r\n\
        order-2,19.90,wait,2022-03-21 13:20:00,wxa,,,,\r\n\
        order-3,0.575,wait,2022-03-21 13:20:00,wxa,,,,\r\n\
        order-4,1\r\n";
    let store = Store::memory().unwrap();
    let (report, refused) = run(&store, &in_yuan(), Input::csv(records.as_bytes()));
    assert_eq!((report.imported, report.refused), (2, 2));
    let paid = order(&store, "16478392893981045823907716230948");
    assert_eq!(
        (paid.status, paid.total_fee.as_u64()),
        (Status::Success, 57)
    );
    assert_eq!(paid.metadata.as_bytes(), br#"{"shop":"7, north"}"#);
    assert_eq!(order(&store, "order-2").total_fee.as_u64(), 1990);
    let lines: Vec<u64> = refused.iter().map(|refused| refused.place.line).collect();
    assert_eq!(lines, [4, 5]);
    assert_eq!(
        refused[1].reason,
        Reason::Cells {
            found: 2,
            expected: 9
        }
    );
}

/// Generates a valid or invalid JSON value for a field.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"success\"".to_owned()),
        Just("\"wait\"".to_owned()),
        Just("\"order-1\"".to_owned()),
        Just("\"20220321132007\"".to_owned()),
        Just("{\"$date\":\"2022-03-21T05:19:59.001Z\"}".to_owned()),
        Just("{\"$numberLong\":\"1647840009000\"}".to_owned()),
        Just("[{\"a\":null}]".to_owned()),
        (0..100_000u32).prop_map(|fen| (f64::from(fen) * 0.01).to_string()),
        (1_640_000_000_000..1_660_000_000_000_i64).prop_map(|millis| millis.to_string()),
        "[ -~]{0,40}".prop_map(|text| serde_json::Value::from(text).to_string()),
    ]
}

proptest! {
    /// For any field values, the import either creates a valid order or changes nothing, and a dry
    /// run predicts the same counts.
    #[test]
    fn random_record_is_imported_completely_or_refused(
        changes in prop::collection::vec((0..10usize, any_value()), 0..4),
    ) {
        let names = [
            "outTradeNo", "_openid", "appid", "totalFee", "payStatus", "createTime",
            "updateTime", "transactionId", "timeEnd", "deleteTime",
        ];
        let changes: Vec<_> = changes.iter().map(|(n, value)| (names[*n], value.as_str())).collect();
        let records = record("order-1", &changes) + &record("order-2", &[]);
        let store = Store::memory().unwrap();
        let advance = in_yuan().conflict(crate::order::Conflict::Advance);
        let (dry_run, _) = import(&store, &advance.clone().dry_run(), &records);
        let (report, _) = import(&store, &advance, &records);
        prop_assert_eq!(dry_run, report);
        let orders = store.counts().wait().unwrap().orders();
        prop_assert_eq!(orders, report.imported);
        prop_assert!(store.verify().wait().unwrap().is_ok());
        let (again, _) = import(&store, &advance, &records);
        prop_assert_eq!((again.imported, again.advanced), (0, 0));
        prop_assert_eq!(again.unchanged, report.imported + report.unchanged);
    }
}
