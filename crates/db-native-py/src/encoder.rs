//! Line protocol out, in bodies of bounded size.

use std::sync::{Mutex, PoisonError};

use db_native::{Layout, Points, Precision};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::batch::Batch;
use crate::errors::{InvalidArgumentError, raise};

/// A frame, checked, and written body by body.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Encoder {
    points: Points,
    next: Mutex<usize>,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (batch, measurement, *, tag_columns, time_column, tags, precision))]
    fn new(
        py: Python<'_>,
        batch: &Batch,
        measurement: &str,
        tag_columns: Vec<String>,
        time_column: &str,
        tags: Vec<(String, String)>,
        precision: &str,
    ) -> PyResult<Self> {
        let precision = match precision {
            "ns" => Precision::Nanosecond,
            "us" => Precision::Microsecond,
            "ms" => Precision::Millisecond,
            "s" => Precision::Second,
            other => {
                let why = format!("precision must be \"ns\", \"us\", \"ms\" or \"s\", not {other:?}");
                return Err(InvalidArgumentError::new_err(why));
            }
        };
        let frame = batch.get()?;
        let layout = Layout { measurement, tag_columns: &tag_columns, time_column, tags: &tags, precision };
        let points = py.detach(|| {
            let points = Points::new(&frame, &layout)?;
            points.check()?;
            Ok(points)
        });
        Ok(Self { points: points.map_err(|error| raise(py, &error))?, next: Mutex::new(0) })
    }

    fn __len__(&self) -> usize {
        self.points.rows()
    }

    /// The next lines, at least `limit` bytes of them if there are as many, and how many they are; None at the end.
    fn body<'py>(&self, py: Python<'py>, limit: usize) -> Option<(Bound<'py, PyBytes>, usize)> {
        let (body, points) = py.detach(|| {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mut body = Vec::with_capacity(limit.min(1 << 24));
            let first = *next;
            *next = self.points.write(first, limit, &mut body);
            (body, *next - first)
        });
        (points > 0).then(|| (PyBytes::new(py, &body), points))
    }

    /// The lines of some rows, wherever `body` has come to.
    fn rows<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> Bound<'py, PyBytes> {
        let lines = py.detach(|| {
            let mut lines = Vec::new();
            (start..stop.min(self.points.rows())).for_each(|row| self.points.write_row(row, &mut lines));
            lines
        });
        PyBytes::new(py, &lines)
    }
}
