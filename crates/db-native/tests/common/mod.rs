//! What the integration tests share: plain values, a naive decoder, and answers to decode.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod answers;
pub(crate) mod lines;
pub(crate) mod meters;
pub(crate) mod plain;
pub(crate) mod queries;
pub(crate) mod reads;
pub(crate) mod strings;
pub(crate) mod twin;

use proptest::test_runner::Config;

/// A property's settings: so many cases unless `PROPTEST_CASES` says else, and no file written when one fails.
pub(crate) fn cases(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: asked.unwrap_or(cases), failure_persistence: None, ..Config::default() }
}
