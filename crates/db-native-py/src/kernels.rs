//! Pivot and meter differences.

use std::sync::Arc;

use db_native::{EmptyText, Levels, Pivot};
use pyo3::prelude::*;

use crate::batch::{Batch, data_type};
use crate::decoder::Answer;
use crate::errors::raise;

/// Long to wide; gives the frame and how many of its columns are levels.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[pyo3(signature = (answers, *, fields, levels, tag_columns, empty_text, kinds, tz))]
pub(crate) fn pivot(
    py: Python<'_>,
    answers: Vec<Bound<'_, Answer>>,
    fields: Option<Vec<String>>,
    levels: Option<Vec<String>>,
    tag_columns: bool,
    empty_text: bool,
    kinds: Vec<(String, String)>,
    tz: String,
) -> PyResult<(Batch, usize)> {
    let answers: Vec<Arc<db_native::Answer>> = answers.iter().map(|answer| Arc::clone(&answer.get().0)).collect();
    let spec = Pivot {
        fields,
        levels: levels.map_or(Levels::Differing, Levels::Named),
        tag_columns,
        empty_text: if empty_text { EmptyText::Empty } else { EmptyText::Null },
        kinds: kinds.into_iter().map(|(name, kind)| Ok((name, data_type(&kind)?))).collect::<PyResult<_>>()?,
        tz,
    };
    let wide = py.detach(|| db_native::pivot(&answers, &spec)).map_err(|error| raise(py, &error))?;
    Ok((Batch::new(wide.batch), wide.levels))
}

/// Differences of all columns but the keys, given by position.
#[pyfunction]
#[pyo3(signature = (batch, *, keys))]
pub(crate) fn differences(py: Python<'_>, batch: &Batch, keys: Vec<usize>) -> PyResult<Batch> {
    let frame = batch.get()?;
    py.detach(|| db_native::differences(&frame, &keys)).map(Batch::new).map_err(|error| raise(py, &error))
}
