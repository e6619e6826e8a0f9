//! Passes libFuzzer's bytes on to `db_fuzz::pivot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::pivot::check(data));
