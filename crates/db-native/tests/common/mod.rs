//! What the integration tests share: plain values, naive twins, and answers to decode.
//!
//! The fuzz targets (`crates/fuzz`) take the twins from here too, by path: those files use no proptest.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod answers;
pub(crate) mod chunks;
pub(crate) mod drafts;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod meters;
pub(crate) mod msgpack;
pub(crate) mod plain;
pub(crate) mod queries;
pub(crate) mod reads;
pub(crate) mod series;
pub(crate) mod shards;
pub(crate) mod strings;
pub(crate) mod tsm;
pub(crate) mod twin;
pub(crate) mod unions;
pub(crate) mod wide;

use proptest::test_runner::Config;

/// A property's settings: so many cases unless `PROPTEST_CASES` says else, and no file written when one fails.
pub(crate) fn cases(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: asked.unwrap_or(cases), failure_persistence: None, ..Config::default() }
}
