//! What the fuzz targets do with their bytes; `fuzz_targets` only pass them on.
//!
//! Each module is one target, and compares: a bare "does not crash" finds the
//! least. The twins are those of the crate's own tests. Everything here runs on
//! any toolchain: `tests/corpus.rs` replays what has been found and kept.
#![allow(clippy::missing_panics_doc, reason = "panicking is what a check does")]

pub mod answers;
pub mod cells;
mod choice;
pub mod decoder;
pub mod http_body;
pub mod ipc;
pub mod lines;
mod memory;
pub mod pivot;
pub mod series;
pub mod tsm;

#[path = "../../db-native/tests/common"]
#[allow(dead_code, reason = "the tests use the rest")]
mod common {
    pub(crate) mod drafts;
    pub(crate) mod http;
    pub(crate) mod lines;
    pub(crate) mod msgpack;
    pub(crate) mod plain;
    pub(crate) mod reads;
    pub(crate) mod series;
    pub(crate) mod shards;
    pub(crate) mod strings;
    pub(crate) mod tsm;
    pub(crate) mod twin;
    pub(crate) mod unions;
    pub(crate) mod wide;
}

/// What a target does with an input.
pub type Check = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Check); 9] = [
    ("answers", answers::check),
    ("cells", cells::check),
    ("decoder", decoder::check),
    ("http_body", http_body::check),
    ("ipc", ipc::check),
    ("lines", lines::check),
    ("pivot", pivot::check),
    ("series", series::check),
    ("tsm", tsm::check),
];
