//! Conflicts, stops, trials, and going on.

use std::io::{self, BufReader, Read};

use super::*;
use crate::engine::MemoryEngine;
use crate::order::{Conflict, Difference, ImportRefusal};
use crate::testing::{FailingEngine, Fault, Operation};

fn numbered(count: usize) -> String {
    (0..count)
        .map(|n| record(&format!("order-{n}"), &[]))
        .collect()
}

fn count(store: &Store) -> u64 {
    store.counts().wait().unwrap().orders()
}

#[test]
fn what_is_known_is_left_as_it_is_or_advanced() {
    let store = Store::memory().unwrap();
    let unpaid = record("order-1", &UNPAID);
    assert_eq!(import(&store, &in_yuan(), &unpaid).0.imported, 1);
    let paid = record("order-1", &[("shipped", "true")]);
    // Skipping never hides a payment that the store does not know, nor does a dry run.
    for skip in [in_yuan(), in_yuan().dry_run()] {
        let (report, told) = import(&store, &skip, &paid);
        assert_eq!((report.unchanged, report.skipped_differs), (0, 1));
        assert_eq!(
            told[0].no.map(|no| no.to_string()).as_deref(),
            Some("order-1")
        );
        assert_eq!(told[0].reason, Reason::SkippedDiffers);
    }
    assert_eq!(import(&store, &in_yuan(), &unpaid).0.unchanged, 1);
    assert_eq!(order(&store, "order-1").status, Status::Pending);
    let advance = in_yuan().conflict(Conflict::Advance);
    let (report, _) = import(&store, &advance, &paid);
    assert_eq!((report.advanced, report.in_anomalies), (1, 0));
    let advanced = order(&store, "order-1");
    assert_eq!(advanced.status, Status::Success);
    for books in [&paid, &unpaid] {
        assert_eq!(
            import(&store, &advance, books).0.unchanged,
            1,
            "nothing more"
        );
        assert_eq!(order(&store, "order-1"), advanced, "and nothing back");
    }
}

#[test]
fn skip_refuses_another_order_under_the_same_number_by_name() {
    let store = Store::memory().unwrap();
    let _ = import(&store, &in_yuan(), &numbered(1));
    let other = record("order-0", &[("totalFee", "0.58")]);
    let field = Difference::TotalFee;
    for skip in [in_yuan(), in_yuan().dry_run()] {
        let (report, told) = import(&store, &skip, &other);
        assert_eq!((report.unchanged, report.refused), (0, 1));
        assert_eq!(told[0].reason, Reason::Different { field });
    }
}

#[test]
fn dry_run_tells_a_number_that_comes_twice_with_other_facts() {
    let twice = |second: &str| format!("{}{second}", record("order-0", &[]));
    for (second, differs) in [
        (record("order-0", &[]), 0),
        (record("order-0", &[("transactionId", "\"other\"")]), 1),
    ] {
        let store = Store::memory().unwrap();
        let (trial, _) = import(&store, &in_yuan().dry_run(), &twice(&second));
        let (report, _) = import(&store, &in_yuan(), &twice(&second));
        assert_eq!(trial, report);
        assert_eq!((report.imported, report.skipped_differs), (1, differs));
    }
}

#[test]
fn a_payment_that_does_not_fit_is_kept_and_counted() {
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
fn every_refused_record_is_told_with_its_place_and_costs_no_other_one() {
    let taken = record("order-2", &[("transactionId", "\"T-order-0\"")]);
    let fine = numbered(1);
    let pretty = record("order-3", &[]).replace(',', ",\n  ");
    let books = format!("{fine}{{\"outTradeNo\": nothing}}\n{taken}{{\"cut\n{pretty}");
    let store = Store::memory().unwrap();
    let (report, refused) = import(&store, &in_yuan(), &books);
    assert_eq!((report.imported, report.refused), (2, 3));
    let by = no("order-0");
    let told: Vec<_> = refused
        .iter()
        .map(|it| (it.place.record, it.place.line, it.reason.clone()))
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
        (4, 4, Reason::Cut),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        refused[1].to_string(),
        format!(
            "record 3, line 3, byte {}, order order-2: its transaction paid the order order-0",
            refused[1].place.byte
        )
    );
    let at = usize::try_from(refused[1].place.byte).unwrap();
    assert!(books[at..].starts_with(&taken));
    assert_eq!(report.settled.unwrap().line, 5);
    assert_eq!(order(&store, "order-3").status, Status::Success);
}

#[test]
fn it_stops_at_the_first_refused_record_if_that_is_asked() {
    let wrong = record("order-x", &[("totalFee", "0.575")]);
    let taken = record("order-x", &[("transactionId", "\"T-order-0\"")]);
    for bad in [wrong, taken] {
        let books = format!("{}{bad}{}", numbered(3), record("order-9", &[]));
        let store = Store::memory().unwrap();
        let (report, refused) = import(&store, &in_yuan().stop_on_error(), &books);
        assert!(report.stopped);
        assert_eq!((report.imported, refused.len(), count(&store)), (3, 1, 3));
        assert_eq!(report.settled.unwrap().record, 3);
        // Once the record is mended, it goes on where it had ended.
        let mended = books.replace(&bad, &record("order-x", &[]));
        let on = in_yuan()
            .stop_on_error()
            .resume_behind(report.settled.unwrap());
        let (report, _) = import(&store, &on, &mended);
        assert_eq!(
            (report.imported, report.unchanged, count(&store)),
            (2, 0, 5)
        );
        assert!(!report.stopped);
    }
}

#[test]
fn a_dry_run_tells_what_an_import_would_and_writes_nothing() {
    let store = Store::memory().unwrap();
    let _ = import(&store, &in_yuan(), &record("order-0", &UNPAID));
    let before = (count(&store), store.stats().groups);
    let many = numbered(600);
    let books = many
        + &record("order-5", &[])
        + &record("order-x", &[("transactionId", "\"T-order-7\"")])
        + &record("order-y", &[("totalFee", "0.575")])
        + &record("order-z", &[("totalFee", "0")]);
    let dry = in_yuan().conflict(Conflict::Advance).dry_run();
    let (trial, told) = import(&store, &dry, &books);
    assert_eq!(
        (count(&store), store.stats().groups),
        before,
        "nothing was written"
    );
    assert_eq!(order(&store, "order-0").status, Status::Pending);
    let (real, refused) = import(&store, &in_yuan().conflict(Conflict::Advance), &books);
    assert_eq!(trial, real);
    assert_eq!(told, refused);
    assert_eq!(
        (real.imported, real.advanced, real.unchanged, real.refused),
        (599, 1, 1, 3)
    );
}

/// Fails once so many bytes were read.
struct Breaking<'a>(&'a [u8], usize);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let room = buffer.len().min(self.1);
        let read = self.0.read(&mut buffer[..room])?;
        self.1 -= read;
        Ok(read)
    }
}

#[test]
fn an_import_whose_input_broke_goes_on_behind_what_is_settled() {
    let books = numbered(700);
    let store = Store::memory().unwrap();
    let broken = BufReader::new(Breaking(books.as_bytes(), books.len() * 9 / 10));
    let ended = in_yuan().run(&store, Input::json(broken), |_| {});
    let Err(ImportError::Input { settled, .. }) = ended else {
        panic!("{ended:?}")
    };
    let settled = settled.unwrap();
    assert_eq!((settled.record, count(&store)), (512, 512));
    let kept = settled.to_string();
    let on = in_yuan().resume_behind(kept.parse().unwrap());
    let (report, _) = import(&store, &on, &books);
    assert_eq!((report.imported, report.unchanged), (188, 0));
    assert_eq!(count(&store), 700);
    assert_eq!(report.settled.unwrap().record, 700);
    let other = books.replacen("order-0", "order-0-and-more", 1);
    let ended = on.run(&store, Input::json(other.as_bytes()), |_| {});
    assert!(matches!(ended, Err(ImportError::OtherBooks { place }) if place == settled));
    let short = on.run(&store, Input::json(b"".as_slice()), |_| {});
    assert!(matches!(short, Err(ImportError::OtherBooks { .. })));
}

#[test]
fn a_csv_goes_on_behind_what_is_settled() {
    let rows: Vec<_> = (0..300)
        .map(|n| format!("order-{n},1,wait,1647840000000,wxa\n"))
        .collect();
    let books = format!(
        "outTradeNo,totalFee,payStatus,createTime,appid\n{}",
        rows.concat()
    );
    let store = Store::memory().unwrap();
    let mut places = Vec::new();
    let input = Input::csv(books.as_bytes());
    let _ = in_yuan().run(&store, input, |notice| {
        if let Notice::Progress(report) = notice {
            places.push(report.settled.unwrap());
        }
    });
    let fresh = Store::memory().unwrap();
    let on = in_yuan().resume_behind(places[0]);
    let (report, _) = run(&fresh, &on, Input::csv(books.as_bytes()));
    assert_eq!((places[0].record, report.imported), (256, 44));
}

#[test]
fn a_store_that_fails_ends_it_and_it_can_be_run_again() {
    let (engine, faults) = FailingEngine::around(MemoryEngine::new().unwrap());
    let store = Store::builder().engine(engine).unwrap();
    let books = numbered(600);
    let mut portions = 0;
    let ended = in_yuan().run(&store, Input::json(books.as_bytes()), |notice| {
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
    let (report, _) = import(&store, &in_yuan(), &books);
    assert_eq!(report.imported + report.unchanged, 600);
    assert_eq!(count(&store), 600);
}

#[test]
fn where_the_queue_is_small_the_books_go_in_parts() {
    let store = Store::builder().queue(3, 1 << 16).memory().unwrap();
    let (report, _) = import(&store, &in_yuan(), &numbered(100));
    assert_eq!((report.imported, count(&store)), (100, 100));
}
