//! Runs the fuzz targets without a fuzzer: on the committed corpus and on random inputs.
//!
//! - A failure on the corpus prints the file, which `cargo fuzz` also accepts. A failure on a
//!   random input prints its seed; `FUZZ_SEED=… cargo test --test it fuzz` repeats that input.
//! - `FUZZ_INPUTS`: number of random inputs for each target (default 2,000; slow targets get an
//!   eighth).
//! - `FUZZ_SEEDS=fuzz/corpus cargo test --test it fuzz::corpus` writes the initial corpus of stored
//!   records. Run it after a change of the format.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use orderstore::testing::{SeededRng, fuzz};

use crate::crash::store_ops::store_ops;

/// Returns the directory of the fuzz targets. A published package does not contain it.
fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn replay(target: &str, run: fn(&[u8])) {
    if !targets().exists() {
        // Write to stderr directly, because the test harness hides the output of passing tests.
        let _ = std::io::stderr().write_all(b"skipped: this package has no corpus\n");
        return;
    }
    let corpus = targets().join("corpus").join(target);
    let files = fs::read_dir(corpus).expect("the directory of the corpus is missing");
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let input = fs::read(&path).unwrap();
        if let Err(cause) = catch_unwind(|| run(&input)) {
            eprintln!("{target}: {}", path.display());
            resume_unwind(cause);
        }
        count += 1;
    }
    assert!(count > 10, "{target}: {count} inputs");
}

/// Returns a random input with a short or long length, and with few or many different bytes.
fn any_input(rng: &mut SeededRng) -> Vec<u8> {
    let bits = rng.below(11);
    let len = rng.below(1 << bits);
    let values = 2 << rng.below(8);
    (0..len).map(|_| rng.below(values) as u8).collect()
}

fn run_random(target: &str, share: u64, run: fn(&[u8])) {
    let number = |name: &str| env::var(name).map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("FUZZ_SEED") {
        Ok(seed) => seed..=seed,
        Err(_) => 1..=number("FUZZ_INPUTS").unwrap_or(2000) / share,
    };
    for seed in seeds {
        let input = any_input(&mut SeededRng::new(seed));
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            eprintln!("FUZZ_SEED={seed} cargo test --test it fuzz::{target}");
            resume_unwind(cause);
        }
    }
}

#[test]
fn transitions_keep_every_invariant() {
    replay("transitions", fuzz::transitions);
    run_random("transitions", 1, fuzz::transitions);
}

#[test]
fn decode_record_never_panics_and_round_trips() {
    replay("decode_record", fuzz::decode_record);
    run_random("decode_record", 1, fuzz::decode_record);
}

#[test]
#[cfg(feature = "transfer")]
fn import_books_counts_every_record_and_round_trips() {
    replay("import_books", fuzz::import_books);
    run_random("import_books", 8, fuzz::import_books);
}

#[test]
fn journal_replay_returns_only_written_records() {
    replay("journal_replay", fuzz::journal_replay);
    run_random("journal_replay", 8, fuzz::journal_replay);
}

#[test]
fn parse_never_panics_and_round_trips() {
    replay("parse", fuzz::parse);
    run_random("parse", 1, fuzz::parse);
}

#[test]
fn store_ops_lose_no_acknowledged_command() {
    replay("store_ops", store_ops);
    run_random("store_ops", 8, store_ops);
}

#[test]
fn corpus_of_stored_records_has_current_format() {
    let seeds = fuzz::decode_record_seeds();
    if let Ok(dir) = env::var("FUZZ_SEEDS") {
        let dir = Path::new(&dir).join("decode_record");
        fs::create_dir_all(&dir).unwrap();
        for (seed, n) in seeds.iter().zip(1..) {
            fs::write(dir.join(format!("value-{n:02}")), seed).unwrap();
        }
    }
    for seed in seeds {
        fuzz::decode_record(&seed);
    }
}
