//! The fuzz targets, without a fuzzer: the committed corpus, and inputs by chance.
//!
//! - A failure prints the input as a file, which `cargo fuzz` takes, too; chance prints its
//!   seed, and `FUZZ_SEED=… cargo test --test it fuzz` runs that one again.
//! - `FUZZ_INPUTS`: how many inputs by chance each target gets (2,000; the slower ones less).
//! - `FUZZ_SEEDS=fuzz/corpus cargo test --test it fuzz::the_corpus` writes what the corpus
//!   of stored values begins with, for when the format has changed.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use orderstore::testing::{SeededRng, fuzz};

use crate::crash::store_ops::store_ops;

/// Where the targets are. A published package is without them.
fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn replay(target: &str, run: fn(&[u8])) {
    if !targets().exists() {
        // Past the harness, which keeps what passing tests print to itself.
        let _ = std::io::stderr().write_all(b"skipped: this package has no corpus\n");
        return;
    }
    let corpus = targets().join("corpus").join(target);
    let files = fs::read_dir(corpus).expect("the corpus is committed");
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

/// Inputs by chance: lengths of every size, bytes of few values and of many.
fn any_input(dice: &mut SeededRng) -> Vec<u8> {
    let bits = dice.below(11);
    let len = dice.below(1 << bits);
    let values = 2 << dice.below(8);
    (0..len).map(|_| dice.below(values) as u8).collect()
}

fn by_chance(target: &str, share: u64, run: fn(&[u8])) {
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
    by_chance("transitions", 1, fuzz::transitions);
}

#[test]
fn decode_record_never_panics_and_is_stable() {
    replay("decode_record", fuzz::decode_record);
    by_chance("decode_record", 1, fuzz::decode_record);
}

#[test]
#[cfg(feature = "transfer")]
fn import_books_takes_whole_records_and_gives_them_back() {
    replay("import_books", fuzz::import_books);
    by_chance("import_books", 8, fuzz::import_books);
}

#[test]
fn journal_replay_makes_nothing_up() {
    replay("journal_replay", fuzz::journal_replay);
    by_chance("journal_replay", 8, fuzz::journal_replay);
}

#[test]
fn parse_never_panics_and_what_it_reads_can_be_told() {
    replay("parse", fuzz::parse);
    by_chance("parse", 1, fuzz::parse);
}

#[test]
fn store_ops_lose_nothing_that_was_acknowledged() {
    replay("store_ops", store_ops);
    by_chance("store_ops", 8, store_ops);
}

#[test]
fn the_corpus_of_stored_values_is_of_this_format() {
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
