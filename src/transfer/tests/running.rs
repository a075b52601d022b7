//! Tests of conflicts, `stop_on_error`, dry runs and resumed imports.

use std::io::{self, BufReader, Read};

use super::*;
use crate::engine::MemoryEngine;
use crate::order::{Conflict, Difference, ImportRefusal};
use crate::testing::{FailingEngine, Fault, Operation};

/// Paid records with the order numbers `order-0`, `order-1` and so on.
fn numbered(count: usize) -> String {
    (0..count)
        .map(|n| record(&format!("order-{n}"), &[]))
        .collect()
}

fn count(store: &Store) -> u64 {
    store.counts().wait().unwrap().orders()
}

#[test]
fn existing_order_is_skipped_or_advanced() {
    let store = Store::memory().unwrap();
    let unpaid = record("order-1", &UNPAID);
    assert_eq!(import(&store, &in_yuan(), &unpaid).0.imported, 1);
    let paid = record("order-1", &[("shipped", "true")]);
    // An import with `Skip` and its dry run must both report a payment that the store lacks.
    for skip in [in_yuan(), in_yuan().dry_run()] {
        let (report, reported) = import(&store, &skip, &paid);
        assert_eq!((report.unchanged, report.skipped_differs), (0, 1));
        assert_eq!(
            reported[0].no.map(|no| no.to_string()).as_deref(),
            Some("order-1")
        );
        assert_eq!(reported[0].reason, Reason::SkippedDiffers);
    }
    assert_eq!(import(&store, &in_yuan(), &unpaid).0.unchanged, 1);
    assert_eq!(order(&store, "order-1").status, Status::Pending);
    let advance = in_yuan().conflict(Conflict::Advance);
    let (report, _) = import(&store, &advance, &paid);
    assert_eq!((report.advanced, report.in_anomalies), (1, 0));
    let advanced = order(&store, "order-1");
    assert_eq!(advanced.status, Status::Success);
    for records in [&paid, &unpaid] {
        assert_eq!(
            import(&store, &advance, records).0.unchanged,
            1,
            "a second import changes nothing"
        );
        assert_eq!(
            order(&store, "order-1"),
            advanced,
            "the unpaid record reverts nothing"
        );
    }
}

#[test]
fn skip_refuses_different_order_with_same_number() {
    let store = Store::memory().unwrap();
    let _ = import(&store, &in_yuan(), &numbered(1));
    let other = record("order-0", &[("totalFee", "0.58")]);
    let field = Difference::TotalFee;
    for skip in [in_yuan(), in_yuan().dry_run()] {
        let (report, reported) = import(&store, &skip, &other);
        assert_eq!((report.unchanged, report.refused), (0, 1));
        assert_eq!(reported[0].reason, Reason::Different { field });
    }
}

#[test]
fn dry_run_reports_repeated_number_with_different_payment() {
    let twice = |second: &str| format!("{}{second}", record("order-0", &[]));
    for (second, differs) in [
        (record("order-0", &[]), 0),
        (record("order-0", &[("transactionId", "\"other\"")]), 1),
    ] {
        let store = Store::memory().unwrap();
        let (dry_run_report, _) = import(&store, &in_yuan().dry_run(), &twice(&second));
        let (report, _) = import(&store, &in_yuan(), &twice(&second));
        assert_eq!(dry_run_report, report);
        assert_eq!((report.imported, report.skipped_differs), (1, differs));
    }
}

#[test]
fn import_counts_second_payment_as_anomaly() {
    let store = Store::memory().unwrap();
    let advance = in_yuan().conflict(Conflict::Advance);
    let _ = import(&store, &advance, &numbered(1));
    let twice = record("order-0", &[("transactionId", "\"other\"")]);
    let (report, _) = import(&store, &advance, &twice);
    assert_eq!((report.advanced, report.in_anomalies), (1, 1));
    assert_eq!(order(&store, "order-0").open_anomalies().count(), 1);
    let other = record("order-0", &[("totalFee", "0.58")]);
    let (_, refused) = import(&store, &advance, &other);
    let field = Difference::TotalFee;
    assert_eq!(refused[0].reason, Reason::Different { field });
}

#[test]
fn refused_record_is_reported_with_position() {
    let taken = record("order-2", &[("transactionId", "\"T-order-0\"")]);
    let fine = numbered(1);
    let pretty = record("order-3", &[]).replace(',', ",\n  ");
    let records = format!("{fine}{{\"outTradeNo\": nothing}}\n{taken}{{\"cut\n{pretty}");
    let store = Store::memory().unwrap();
    let (report, refused) = import(&store, &in_yuan(), &records);
    assert_eq!((report.imported, report.refused), (2, 3));
    let by = no("order-0");
    let reported: Vec<_> = refused
        .iter()
        .map(|refusal| {
            (
                refusal.place.record,
                refusal.place.line,
                refusal.reason.clone(),
            )
        })
        .collect();
    let expected = [
        (
            2,
            2,
            Reason::NotJson {
                line: 2,
                column: 17,
            },
        ),
        (3, 3, Reason::Order(ImportRefusal::TransactionTaken { by })),
        (4, 4, Reason::Incomplete),
    ];
    assert_eq!(reported, expected);
    assert_eq!(
        refused[1].to_string(),
        format!(
            "record 3, line 3, byte {}, order order-2: the transaction already paid order order-0",
            refused[1].place.byte
        )
    );
    let at = usize::try_from(refused[1].place.byte).unwrap();
    assert!(records[at..].starts_with(&taken));
    assert_eq!(report.settled.unwrap().line, 5);
    assert_eq!(order(&store, "order-3").status, Status::Success);
}

#[test]
fn stop_on_error_ends_at_first_refused_record() {
    let wrong = record("order-x", &[("totalFee", "0.575")]);
    let taken = record("order-x", &[("transactionId", "\"T-order-0\"")]);
    for bad in [wrong, taken] {
        let records = format!("{}{bad}{}", numbered(3), record("order-9", &[]));
        let store = Store::memory().unwrap();
        let (report, refused) = import(&store, &in_yuan().stop_on_error(), &records);
        assert!(report.stopped);
        assert_eq!((report.imported, refused.len(), count(&store)), (3, 1, 3));
        assert_eq!(report.settled.unwrap().record, 3);
        // After a correction of the record, the import resumes after the last settled record.
        let fixed = records.replace(&bad, &record("order-x", &[]));
        let resumed = in_yuan()
            .stop_on_error()
            .resume_after(report.settled.unwrap());
        let (report, _) = import(&store, &resumed, &fixed);
        assert_eq!(
            (report.imported, report.unchanged, count(&store)),
            (2, 0, 5)
        );
        assert!(!report.stopped);
    }
}

#[test]
fn import_dry_run_predicts_result_and_writes_nothing() {
    let store = Store::memory().unwrap();
    let _ = import(&store, &in_yuan(), &record("order-0", &UNPAID));
    let before = (count(&store), store.stats().groups);
    let many = numbered(600);
    let records = many
        + &record("order-5", &[])
        + &record("order-x", &[("transactionId", "\"T-order-7\"")])
        + &record("order-y", &[("totalFee", "0.575")])
        + &record("order-z", &[("totalFee", "0")]);
    let dry = in_yuan().conflict(Conflict::Advance).dry_run();
    let (dry_run_report, reported) = import(&store, &dry, &records);
    assert_eq!(
        (count(&store), store.stats().groups),
        before,
        "nothing was written"
    );
    assert_eq!(order(&store, "order-0").status, Status::Pending);
    let (real, refused) = import(&store, &in_yuan().conflict(Conflict::Advance), &records);
    assert_eq!(dry_run_report, real);
    assert_eq!(reported, refused);
    assert_eq!(
        (real.imported, real.advanced, real.unchanged, real.refused),
        (599, 1, 1, 3)
    );
}

/// Input that fails with a connection error after `self.1` bytes.
struct Breaking<'a>(&'a [u8], usize);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let len = buffer.len().min(self.1);
        let read = self.0.read(&mut buffer[..len])?;
        self.1 -= read;
        Ok(read)
    }
}

#[test]
fn import_resumes_after_broken_input() {
    let records = numbered(700);
    let store = Store::memory().unwrap();
    let broken = BufReader::new(Breaking(records.as_bytes(), records.len() * 9 / 10));
    let ended = in_yuan().run(&store, Input::json(broken), |_| {});
    let Err(ImportError::Input { settled, .. }) = ended else {
        panic!("{ended:?}")
    };
    let settled = settled.unwrap();
    assert_eq!((settled.record, count(&store)), (512, 512));
    let kept = settled.to_string();
    let resumed = in_yuan().resume_after(kept.parse().unwrap());
    let (report, _) = import(&store, &resumed, &records);
    assert_eq!((report.imported, report.unchanged), (188, 0));
    assert_eq!(count(&store), 700);
    assert_eq!(report.settled.unwrap().record, 700);
    let other = records.replacen("order-0", "order-0-and-more", 1);
    let ended = resumed.run(&store, Input::json(other.as_bytes()), |_| {});
    assert!(matches!(ended, Err(ImportError::OtherInput { place }) if place == settled));
    let short = resumed.run(&store, Input::json(b"".as_slice()), |_| {});
    assert!(matches!(short, Err(ImportError::OtherInput { .. })));
}

#[test]
fn csv_import_resumes_after_settled_record() {
    let rows: Vec<_> = (0..300)
        .map(|n| format!("order-{n},1,wait,1647840000000,wxa\n"))
        .collect();
    let records = format!(
        "outTradeNo,totalFee,payStatus,createTime,appid\n{}",
        rows.concat()
    );
    let store = Store::memory().unwrap();
    let mut places = Vec::new();
    let input = Input::csv(records.as_bytes());
    let _ = in_yuan().run(&store, input, |notice| {
        if let Notice::Progress(report) = notice {
            places.push(report.settled.unwrap());
        }
    });
    let fresh = Store::memory().unwrap();
    let resumed = in_yuan().resume_after(places[0]);
    let (report, _) = run(&fresh, &resumed, Input::csv(records.as_bytes()));
    assert_eq!((places[0].record, report.imported), (256, 44));
}

#[test]
fn import_rerun_after_store_failure_completes() {
    let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
    let store = Store::builder().engine(engine).unwrap();
    let records = numbered(600);
    let mut portions = 0;
    let ended = in_yuan().run(&store, Input::json(records.as_bytes()), |notice| {
        if let Notice::Progress(_) = notice {
            portions += 1;
            if portions == 1 {
                faults.fail_next(Operation::Apply, Fault::Retry);
            }
        }
    });
    let Err(ImportError::Store { settled, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(settled.unwrap().record, 256);
    let (report, _) = import(&store, &in_yuan(), &records);
    assert_eq!(report.imported + report.unchanged, 600);
    assert_eq!(count(&store), 600);
}

#[test]
fn import_larger_than_queue_is_split() {
    let store = Store::builder().queue(3, 1 << 16).memory().unwrap();
    let (report, _) = import(&store, &in_yuan(), &numbered(100));
    assert_eq!((report.imported, count(&store)), (100, 100));
}
