//! Migrates orders from a cloud database: `cargo run --release --example migrate [-- BOOKS.json
//! DIR]`.
//!
//! The program reads an export with amounts in yuan; without arguments it reads a small sample. It
//! first runs the import as a trial, then imports. Finally it exports all orders of the store: as
//! JSON lines for another store, and as CSV for a spreadsheet.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orderstore::Store;
use orderstore::transfer::{Amounts, Export, Import, ImportReport, Input, Mapping, Notice};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SMALL: &[u8] = include_bytes!("../tests/data/transfer/cloud_db_export.json");

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("migrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match arguments.as_slice() {
        [] => {
            let scratch = tempfile::tempdir()?;
            migrate(scratch.path(), || Ok(SMALL))
        }
        [books, dir] => migrate(dir, || Ok(BufReader::new(File::open(books)?))),
        _ => Err("usage: migrate [BOOKS.json DIR]".into()),
    }
}

fn migrate<R: BufRead>(dir: &Path, books: impl Fn() -> Result<R>) -> Result<bool> {
    std::fs::create_dir_all(dir)?;
    let store = Store::open_or_init(dir.join("orders"))?;
    // If your collection has status names of its own, map them here:
    // `Mapping::of(Amounts::Yuan).status("paid", Status::Success)`.
    let import = Import::mapped(Mapping::of(Amounts::Yuan));
    let trial = import
        .clone()
        .dry_run()
        .run(&store, Input::json(books()?), print_refused)?;
    println!("trial: {}", summary(&trial));
    if trial.refused > 0 {
        println!("nothing was imported; correct the refused records first");
        return Ok(false);
    }
    let report = import.run(&store, Input::json(books()?), print_refused)?;
    println!("imported: {}", summary(&report));

    let mut file = BufWriter::new(File::create(dir.join("books.jsonl"))?);
    let exported = Export::all().json_lines(&store, &mut file)?;
    file.flush()?;
    let file = BufWriter::new(File::create(dir.join("report.csv"))?);
    let _ = Export::all().csv(&store, file)?;
    println!("exported: {} orders", exported.orders);
    store.shutdown().wait()?;
    Ok(report.refused == 0)
}

fn print_refused(notice: Notice) {
    if let Notice::Refused(refused) = notice {
        println!("{refused}");
    }
}

fn summary(report: &ImportReport) -> String {
    let ImportReport {
        imported,
        unchanged,
        refused,
        ..
    } = report;
    format!("{imported} new, {unchanged} unchanged, {refused} refused")
}
