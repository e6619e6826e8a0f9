//! The push decoder and what it gives.

use std::sync::{Arc, Mutex, PoisonError};

use db_native::{Aggregate, Edges, EndMark, Function};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::errors::{InvalidArgumentError, ParseError, raise};
use crate::table::Table;

/// Annotated CSV, pushed in.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Decoder(Mutex<Option<db_native::Decoder>>);

impl Decoder {
    fn with<R: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut db_native::Decoder) -> R + Send) -> PyResult<R> {
        let result = py.detach(|| {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.as_mut().map(call)
        });
        result.ok_or_else(is_finished)
    }
}

fn is_finished() -> PyErr {
    ParseError::new_err("the decoder is finished; a new answer needs a new decoder")
}

#[pymethods]
impl Decoder {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(Some(db_native::Decoder::new())))
    }

    fn feed(&self, py: Python<'_>, chunk: PyBackedBytes) -> PyResult<()> {
        self.with(py, |decoder| decoder.feed(&chunk))?.map_err(|error| raise(py, &error))
    }

    #[getter]
    fn rows(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |decoder| decoder.rows())
    }

    #[getter]
    fn schemas(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |decoder| decoder.schemas())
    }

    fn take(&self, py: Python<'_>) -> PyResult<Answer> {
        self.with(py, |decoder| Answer::new(decoder.take()))
    }

    #[pyo3(signature = (*, require_end=true))]
    fn finish(&self, py: Python<'_>, require_end: bool) -> PyResult<Answer> {
        let end = if require_end { EndMark::Required } else { EndMark::Optional };
        let decoder = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        let decoder = decoder.ok_or_else(is_finished)?;
        let answer = py.detach(|| decoder.finish(end)).map_err(|error| raise(py, &error))?;
        Ok(Answer::new(answer))
    }
}

/// A decoded answer: its tables, not yet framed; none once `pivot` has used them up.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Answer(Mutex<Option<Arc<db_native::Answer>>>);

impl Answer {
    fn new(answer: db_native::Answer) -> Self {
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
        other => return Err(InvalidArgumentError::new_err(format!("{other:?} is no aggregate"))),
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
