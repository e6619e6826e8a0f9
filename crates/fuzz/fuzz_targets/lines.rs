//! Passes libFuzzer's bytes on to `db_fuzz::lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::lines::check(data));
