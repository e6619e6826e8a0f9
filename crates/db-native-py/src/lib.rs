//! The Python module `db_core._native`: thin functions that call `db_native`.
//!
//! Each binding converts its arguments, releases the GIL, calls, and maps the
//! error. Signatures and docstrings for users: `db_core/_native.pyi`.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 converts arguments into owned values")]

mod array;
mod buffer;
mod capsule;
mod consumption;
mod decoder;
mod encoder;
mod errors;
mod http_body;
mod ipc;
mod kernels;
mod points;
mod shards;
mod table;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::array::Array;
    #[pymodule_export]
    use crate::buffer::Memory;
    #[pymodule_export]
    use crate::consumption::Consumption;
    #[pymodule_export]
    use crate::decoder::{Answer, Decoder, SeriesDecoder};
    #[pymodule_export]
    use crate::encoder::Encoder;
    #[pymodule_export]
    use crate::http_body::HttpBody;
    #[pymodule_export]
    use crate::ipc::{PieceReader, PieceWriter};
    #[pymodule_export]
    use crate::kernels::{differences, latest, levels, pivot};
    #[pymodule_export]
    use crate::points::{PointEncoder, split_lines};
    #[pymodule_export]
    use crate::shards::Shards;
    #[pymodule_export]
    use crate::table::Table;
}
