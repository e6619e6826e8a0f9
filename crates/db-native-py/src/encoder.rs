//! Line protocol out, in bodies of bounded size.

use std::sync::{Mutex, PoisonError};

use db_native::{Duplicates, Error, ErrorKind, Layout, Points, Precision};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{raise, refuse};
use crate::table::Table;

/// A frame, checked, and written body by body.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Encoder {
    points: Points,
    next: Mutex<usize>,
}

/// The row and column of a fault, where they are known, and what is wrong.
type Problem = (Option<usize>, Option<String>, String);

#[pymethods]
impl Encoder {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (frame, measurement, *, tag_columns, time_column, tags, precision, duplicates))]
    fn new(
        py: Python<'_>,
        frame: &Table,
        measurement: &str,
        tag_columns: Vec<String>,
        time_column: &str,
        tags: Vec<(String, String)>,
        precision: &str,
        duplicates: &str,
    ) -> PyResult<Self> {
        let frame = frame.batch(py)?;
        let (precision, duplicates) = (unit(py, precision)?, choice(py, duplicates)?);
        let layout = Layout { measurement, tag_columns: &tag_columns, time_column, tags: &tags, precision, duplicates };
        let points = py.detach(|| {
            let points = Points::new(&frame, &layout)?;
            points.check()?;
            Ok(points)
        });
        Ok(Self { points: points.map_err(|error| raise(py, &error))?, next: Mutex::new(0) })
    }

    /// The faults that prevent writing, at most so many.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (frame, measurement, *, tag_columns, time_column, tags, precision, duplicates, most))]
    fn problems(
        py: Python<'_>,
        frame: &Table,
        measurement: &str,
        tag_columns: Vec<String>,
        time_column: &str,
        tags: Vec<(String, String)>,
        precision: &str,
        duplicates: &str,
        most: usize,
    ) -> PyResult<Vec<Problem>> {
        let frame = frame.batch(py)?;
        let (precision, duplicates) = (unit(py, precision)?, choice(py, duplicates)?);
        let layout = Layout { measurement, tag_columns: &tag_columns, time_column, tags: &tags, precision, duplicates };
        Ok(py.detach(|| {
            let mut problems = Vec::new();
            let mut tell = |error: Error| {
                if problems.len() < most {
                    problems.push(problem(error));
                }
            };
            match Points::new(&frame, &layout) {
                Ok(points) => points.inspect(&mut tell),
                Err(error) => tell(error),
            }
            problems
        }))
    }

    fn __len__(&self) -> usize {
        self.points.rows()
    }

    /// The points' times as native 64-bit integers.
    fn times<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let times: Vec<u8> = self.points.times().flat_map(|time| time.unwrap_or_default().to_ne_bytes()).collect();
        PyBytes::new(py, &times)
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

    /// The lines of some rows. This does not change what `body` returns next.
    fn rows<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> Bound<'py, PyBytes> {
        let lines = py.detach(|| {
            let mut lines = Vec::new();
            (start..stop.min(self.points.rows())).for_each(|row| self.points.write_row(row, &mut lines));
            lines
        });
        PyBytes::new(py, &lines)
    }
}

fn unit(py: Python<'_>, precision: &str) -> PyResult<Precision> {
    match precision {
        "ns" => Ok(Precision::Nanosecond),
        "us" => Ok(Precision::Microsecond),
        "ms" => Ok(Precision::Millisecond),
        "s" => Ok(Precision::Second),
        other => {
            let why = format!("precision must be \"ns\", \"us\", \"ms\" or \"s\", not {other:?}");
            Err(refuse(py, Some("precision"), why))
        }
    }
}

fn choice(py: Python<'_>, duplicates: &str) -> PyResult<Duplicates> {
    match duplicates {
        "error" => Ok(Duplicates::Error),
        "last" => Ok(Duplicates::Last),
        other => {
            let why = format!("duplicates must be \"error\" or \"last\", not {other:?}");
            Err(refuse(py, Some("duplicates"), why))
        }
    }
}

fn problem(error: Error) -> Problem {
    match error.kind {
        ErrorKind::Input { row, column, reason, .. } => (row, column, reason),
        _ => (None, None, error.to_string()),
    }
}
