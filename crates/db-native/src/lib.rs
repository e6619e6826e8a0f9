//! Annotated CSV, pivot, meter differences and line protocol, on Arrow arrays.
//!
//! Pure: no I/O, no clock, no threads, no Python. [`Decoder`] turns bytes into
//! an [`Answer`]: columns by schema, and tables.

mod annotated;
mod cells;
mod column;
mod decoder;
mod error;
mod ipc;
mod line_protocol;
mod meter;
mod number;
mod pivot;
mod scan;
mod spelling;
mod texts;
mod timestamp;
mod unify;
mod union;

pub use annotated::{ColumnSchema, Datatype, Schema};
pub use decoder::{Answer, Decoder, EndMark, Group, Table};
pub use error::{Error, ErrorKind, Position, Result};
pub use ipc::{PieceReader, PieceWriter, Stream, join};
pub use line_protocol::{Layout, Points, Precision};
pub use meter::differences;
pub use pivot::{EmptyText, Levels, Pivot, Wide, pivot};
pub use union::{concat, split, union};
