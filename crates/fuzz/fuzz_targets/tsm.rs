//! Passes libFuzzer's bytes on to `db_fuzz::tsm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::tsm::check(data));
