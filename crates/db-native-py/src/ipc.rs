//! A table as pieces of Arrow IPC, and back.

use std::sync::{Mutex, PoisonError};

use arrow_buffer::Buffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{InvalidArgumentError, raise};
use crate::table::Table;

/// A table, written piece by piece.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct PieceWriter(Mutex<db_native::PieceWriter>);

#[pymethods]
impl PieceWriter {
    #[new]
    fn new(py: Python<'_>, table: &Table, limit: usize) -> PyResult<Self> {
        let stream = table.stream()?;
        let writer = py.detach(|| db_native::PieceWriter::new(&stream, limit));
        Ok(Self(Mutex::new(writer.map_err(|error| raise(py, &error))?)))
    }

    /// The next piece, at most `limit` bytes; None at the end.
    fn piece<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let piece = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).piece());
        let Some(buffers) = piece.map_err(|error| raise(py, &error))? else { return Ok(None) };
        let bytes = buffers.iter().map(Buffer::len).sum();
        // This is the only copy of the frame. A bytes object of Python can't be made of several buffers without it.
        let copy = |mut target: &mut [u8]| {
            for buffer in &buffers {
                let (here, rest) = std::mem::take(&mut target).split_at_mut(buffer.len());
                here.copy_from_slice(buffer);
                target = rest;
            }
            Ok(())
        };
        PyBytes::new_with(py, bytes, copy).map(Some)
    }
}

/// Reads pieces in order, and returns the table.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct PieceReader(Mutex<Option<db_native::PieceReader>>);

#[pymethods]
impl PieceReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(Some(db_native::PieceReader::new())))
    }

    /// Takes a piece, whose memory the table may share.
    fn feed(&self, py: Python<'_>, piece: PyBackedBytes) -> PyResult<()> {
        let piece = Buffer::from(bytes::Bytes::from_owner(piece));
        py.detach(|| match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(reader) => reader.feed(piece).map_err(Some),
            None => Err(None),
        })
        .map_err(|error| error.map_or_else(finished, |error| raise(py, &error)))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<Table> {
        let reader = self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(finished)?;
        reader.finish().map(Table::of).map_err(|error| raise(py, &error))
    }
}

fn finished() -> PyErr {
    InvalidArgumentError::new_err("the reader has returned its table; make another reader for the next one")
}
