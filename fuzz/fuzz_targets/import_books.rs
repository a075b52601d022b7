#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| orderstore::testing::fuzz::import_books(bytes));
