//! Passes libFuzzer's bytes on to `db_fuzz::ipc`.
#![no_main]

use std::sync::{Mutex, PoisonError};

/// What the last panic said. Those of arrow-ipc are caught, so a panic alone is no finding.
static SAID: Mutex<String> = Mutex::new(String::new());

libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        *SAID.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    })),
    |data: &[u8]| {
        if std::panic::catch_unwind(|| db_fuzz::ipc::check(data)).is_err() {
            eprintln!("{}", SAID.lock().unwrap_or_else(PoisonError::into_inner));
            std::process::abort();
        }
    }
);
