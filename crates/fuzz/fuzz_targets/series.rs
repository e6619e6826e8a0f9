//! Passes libFuzzer's bytes on to `db_fuzz::series`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::series::check(data));
