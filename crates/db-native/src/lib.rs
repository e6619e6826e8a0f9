//! Annotated CSV, InfluxQL's msgpack, pivot, meters' consumption, line protocol and Arrow IPC, on Arrow arrays; and
//! the bodies of HTTP messages, and the files of shards.
//!
//! Pure: no I/O, no clock, no threads, no Python. [`Decoder`] turns bytes into
//! an [`Answer`]: columns by schema, and tables. So do [`Shards`], which read
//! the bytes of files through [`ReadAt`], which the caller implements.

mod aggregate;
mod annotated;
mod block;
mod booked;
mod booking;
mod by_time;
mod cells;
mod column;
mod consumption;
mod decoder;
mod duplicates;
mod error;
mod fields;
mod gathered;
mod http_body;
mod influxql;
mod ipc;
mod keys;
mod latest;
mod lengthen;
mod levels;
mod line_protocol;
mod lines;
mod messages;
mod meter;
mod nulls;
mod number;
mod pieces;
mod pivot;
mod readings;
mod run;
mod scan;
mod sparse;
mod spelling;
mod texts;
mod timestamp;
mod total;
mod tracks;
mod tsm;
mod unify;
mod union;
mod varying;
mod word;

pub use aggregate::{Aggregate, Edges, Function, aggregate};
pub use annotated::{ColumnSchema, Datatype, Schema};
pub use booking::{Gaps, OnReset};
pub use by_time::by_time;
pub use cells::written;
pub use consumption::{Consumption, Doubt, Policy, Totals, Unsettled};
pub use decoder::{Answer, Decoder, EndMark, Form, Group, Table};
pub use error::{Error, ErrorKind, Position, Result};
pub use fields::EmptyText;
pub use gathered::{Gathered, Value};
pub use http_body::HttpBody;
pub use influxql::SeriesDecoder;
pub use ipc::{PieceReader, PieceWriter, Stream, join};
pub use keys::Levels;
pub use latest::latest;
pub use levels::levels;
pub use line_protocol::{Duplicates, Layout, Points, Precision};
pub use lines::split as split_lines;
pub use meter::differences;
pub use pieces::Renamed;
pub use pivot::{Pivot, Wide, pivot};
pub use readings::{Window, Windows};
pub use scan::{LONGEST_RECORD, MOST_CELLS};
pub use sparse::room;
pub use tsm::{Chunk, Kind, Query, ReadAt, Selection, Shards, Source};
pub use union::{concat, split, union};
