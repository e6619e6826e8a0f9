//! Passes libFuzzer's bytes on to `db_fuzz::answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::answers::check(data));
