#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| orderstore_fuzz::store_ops(bytes));
