//! A push decoder that turns InfluxQL's answers in msgpack into typed columns.
//!
//! The server sends messages of this form, one after the other; `?` marks keys that may be absent:
//!
//! ```text
//! {"results": [{"statement_id": 0, "messages"?: [{"level": "…", "text": "…"}],
//!               "series": [{"name"?: "…", "tags"?: {"…": "…"}, "columns": ["time", "…"],
//!                           "values": [[1700000000000000000, 1.5], …], "partial"?: true}],
//!               "partial"?: true}]}
//! ```
//!
//! In place of all that, a message or a result is `{"error": "…"}`. A series in several messages is `partial` in
//! all but its last one; a result is `partial` in all but the statement's last one.
//!
//! - `msgpack` reads single values,
//! - `column` has typed columns that grow by such values,
//! - `groups` keeps a set of columns for each layout of series,
//! - `decoder` walks the shape above, and appends rows.

mod column;
mod decoder;
mod groups;
mod msgpack;

pub use decoder::SeriesDecoder;
