//! Passes libFuzzer's bytes on to `db_fuzz::http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| db_fuzz::http_body::check(data));
