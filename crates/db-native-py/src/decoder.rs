//! The push decoders, and the answers that they return.

use std::sync::{Arc, Mutex, PoisonError};

use db_native::{Aggregate, Datatype, Edges, EndMark, Function};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::errors::{InvalidArgumentError, ParseError, raise};
use crate::table::Table;

/// A decoder that threads may share, and whether it is finished.
struct Held<D>(Mutex<(D, bool)>);

impl<D: Send> Held<D> {
    fn new(decoder: D) -> Self {
        Self(Mutex::new((decoder, false)))
    }

    /// Calls a method of a decoder that is not finished.
    fn with<R: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut D) -> R + Send) -> PyResult<R> {
        self.locked(py, |decoder, is_finished| (!*is_finished).then(|| call(decoder))).ok_or_else(is_finished)
    }

    /// Decodes the next bytes.
    fn feed(&self, py: Python<'_>, call: impl FnOnce(&mut D) -> db_native::Result<()> + Send) -> PyResult<()> {
        self.with(py, call)?.map_err(|error| raise(py, &error))
    }

    /// Finishes the decoder.
    fn finish(
        &self,
        py: Python<'_>,
        require_end: bool,
        call: impl FnOnce(&mut D, EndMark) -> db_native::Result<db_native::Answer> + Send,
    ) -> PyResult<Answer> {
        let end = if require_end { EndMark::Required } else { EndMark::Optional };
        let answer =
            self.locked(py, |decoder, is_finished| (!std::mem::replace(is_finished, true)).then(|| call(decoder, end)));
        answer.ok_or_else(is_finished)?.map(Answer::new).map_err(|error| raise(py, &error))
    }

    /// Calls a function while no other thread does, and without the GIL.
    fn locked<R: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut D, &mut bool) -> R + Send) -> R {
        py.detach(|| {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (decoder, is_finished) = &mut *held;
            call(decoder, is_finished)
        })
    }
}

fn is_finished() -> PyErr {
    ParseError::new_err("the decoder is finished; a new answer needs a new decoder")
}

/// Annotated CSV, pushed in.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Decoder(Held<db_native::Decoder>);

#[pymethods]
impl Decoder {
    #[new]
    fn new() -> Self {
        Self(Held::new(db_native::Decoder::new()))
    }

    fn feed(&self, py: Python<'_>, chunk: PyBackedBytes) -> PyResult<()> {
        self.0.feed(py, |decoder| decoder.feed(&chunk))
    }

    #[getter]
    fn rows(&self, py: Python<'_>) -> PyResult<usize> {
        self.0.with(py, |decoder| decoder.rows())
    }

    #[getter]
    fn schemas(&self, py: Python<'_>) -> PyResult<usize> {
        self.0.with(py, |decoder| decoder.schemas())
    }

    fn take(&self, py: Python<'_>) -> PyResult<Answer> {
        self.0.with(py, |decoder| Answer::new(decoder.take()))
    }

    #[pyo3(signature = (*, require_end=true))]
    fn finish(&self, py: Python<'_>, require_end: bool) -> PyResult<Answer> {
        self.0.finish(py, require_end, |decoder, end| std::mem::take(decoder).finish(end))
    }
}

/// InfluxQL's answers in msgpack, pushed in.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct SeriesDecoder(Held<db_native::SeriesDecoder>);

#[pymethods]
impl SeriesDecoder {
    #[new]
    #[pyo3(signature = (fields=None))]
    fn new(py: Python<'_>, fields: Option<Vec<(String, String)>>) -> PyResult<Self> {
        let Some(fields) = fields else { return Ok(Self(Held::new(db_native::SeriesDecoder::inferred()))) };
        let fields = fields.into_iter().map(|(name, kind)| Ok((name, datatype(&kind)?))).collect::<PyResult<_>>()?;
        let decoder = db_native::SeriesDecoder::declared(fields).map_err(|error| raise(py, &error))?;
        Ok(Self(Held::new(decoder)))
    }

    fn feed(&self, py: Python<'_>, chunk: PyBackedBytes) -> PyResult<()> {
        self.0.feed(py, |decoder| decoder.feed(&chunk))
    }

    #[getter]
    fn rows(&self, py: Python<'_>) -> PyResult<usize> {
        self.0.with(py, |decoder| decoder.rows())
    }

    #[getter]
    fn schemas(&self, py: Python<'_>) -> PyResult<usize> {
        self.0.with(py, |decoder| decoder.schemas())
    }

    fn take(&self, py: Python<'_>) -> PyResult<Answer> {
        self.0.with(py, |decoder| Answer::new(decoder.take()))
    }

    #[pyo3(signature = (*, require_end=true))]
    fn finish(&self, py: Python<'_>, require_end: bool) -> PyResult<Answer> {
        self.0.finish(py, require_end, db_native::SeriesDecoder::finish)
    }

    /// The server's messages in the answer so far, also after the end.
    fn messages(&self, py: Python<'_>) -> Vec<String> {
        self.0.locked(py, |decoder, _| decoder.messages().to_vec())
    }
}

/// The type of a field's values.
fn datatype(kind: &str) -> PyResult<Datatype> {
    Ok(match kind {
        "float64" => Datatype::Double,
        "int64" => Datatype::Long,
        "uint64" => Datatype::UnsignedLong,
        "bool" => Datatype::Boolean,
        "string" => Datatype::String,
        other => {
            return Err(InvalidArgumentError::new_err(format!(
                "expected the type of a field, such as float64, got {other:?}"
            )));
        }
    })
}

/// A decoded answer: its tables, not yet framed; none once `pivot` has used them up.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Answer(Mutex<Option<Arc<db_native::Answer>>>);

impl Answer {
    pub(crate) fn new(answer: db_native::Answer) -> Self {
        Self(Mutex::new(Some(Arc::new(answer))))
    }

    pub(crate) fn get(&self) -> PyResult<Arc<db_native::Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(is_used_up)
    }

    pub(crate) fn take(&self) -> PyResult<Arc<db_native::Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(is_used_up)
    }
}

fn function(name: &str, share: f64) -> PyResult<Function> {
    Ok(match name {
        "mean" => Function::Mean,
        "mode" => Function::Mode,
        "quantile" => Function::Quantile(share),
        "skew" => Function::Skew,
        "stddev" => Function::Stddev,
        "sum" => Function::Sum,
        other => {
            return Err(InvalidArgumentError::new_err(format!("expected a function, such as mean, got {other:?}")));
        }
    })
}

fn is_used_up() -> PyErr {
    InvalidArgumentError::new_err("the answer was pivoted before, which uses it up; decode it again")
}

#[pymethods]
impl Answer {
    #[getter]
    fn rows(&self) -> PyResult<usize> {
        Ok(self.get()?.tables.iter().map(|table| table.rows).sum())
    }

    /// Turns points into aggregates of windows, given by their edges.
    #[pyo3(signature = (*, edges, label, wanted))]
    fn aggregate(
        &self,
        py: Python<'_>,
        edges: PyBuffer<i64>,
        label: &str,
        wanted: Vec<(String, String, f64, Vec<String>)>,
    ) -> PyResult<Self> {
        let answer = self.take()?;
        let edges = edges.to_vec(py)?;
        let edges = Edges { edges: &edges, label_start: label == "start" };
        let wanted = wanted
            .into_iter()
            .map(|(result, name, share, fields)| Ok(Aggregate { result, function: function(&name, share)?, fields }))
            .collect::<PyResult<Vec<_>>>()?;
        let out = py.detach(|| db_native::aggregate(&answer, edges, &wanted)).map_err(|error| raise(py, &error))?;
        Ok(Self::new(out))
    }

    fn union(&self, py: Python<'_>) -> PyResult<Table> {
        let answer = self.get()?;
        py.detach(|| db_native::union(&answer)).map(Table::of_batch).map_err(|error| raise(py, &error))
    }

    fn split(&self, py: Python<'_>) -> PyResult<Vec<Table>> {
        let answer = self.get()?;
        let batches = py.detach(|| db_native::split(&answer)).map_err(|error| raise(py, &error))?;
        Ok(batches.into_iter().map(Table::of_batch).collect())
    }
}
