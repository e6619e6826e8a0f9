//! Pivot and meter differences.

use arrow_schema::{DataType, TimeUnit};
use db_native::{EmptyText, Levels, Pivot, Renamed, room};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::buffer::Memory;
use crate::decoder::Answer;
use crate::errors::{InvalidArgumentError, raise};
use crate::table::Table;

/// Pivots answers, which are used up; returns the frame and how many of its columns are levels.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[pyo3(signature = (answers, *, fields, levels, tag_columns, empty_text, renamed, kinds, tz, axis, zeros, spreads))]
pub(crate) fn pivot(
    py: Python<'_>,
    answers: Vec<Bound<'_, Answer>>,
    fields: Option<Vec<String>>,
    levels: Option<Vec<String>>,
    tag_columns: bool,
    empty_text: bool,
    renamed: Vec<(String, String, String)>,
    kinds: Vec<(String, String)>,
    tz: String,
    axis: Option<PyBuffer<i64>>,
    zeros: Vec<String>,
    spreads: Vec<(String, String)>,
) -> PyResult<(Table, usize)> {
    let answers: Vec<_> = answers.iter().map(|answer| answer.get().take()).collect::<PyResult<_>>()?;
    let spec = Pivot {
        fields,
        renamed: renamed.into_iter().map(|(result, field, column)| Renamed { result, field, column }).collect(),
        levels: of_names(levels),
        tag_columns,
        empty_text: if empty_text { EmptyText::Empty } else { EmptyText::Null },
        kinds: of_kinds(kinds)?,
        tz,
        axis: axis.map(|labels| of_buffer(py, &labels)).transpose()?.unwrap_or_default(),
        zeros,
        spreads,
    };
    let wide = py.detach(|| db_native::pivot(answers, &spec)).map_err(|error| raise(py, &error))?;
    Ok((Table::of_batch(wide.batch), wide.levels))
}

/// Differences of all columns but the keys, given by position.
#[pyfunction]
#[pyo3(signature = (frame, *, keys))]
pub(crate) fn differences(py: Python<'_>, frame: &Table, keys: Vec<usize>) -> PyResult<Table> {
    let frame = frame.batch(py)?;
    py.detach(|| db_native::differences(&frame, &keys)).map(Table::of_batch).map_err(|error| raise(py, &error))
}

/// The newest value of each field, one row per row group.
#[pyfunction]
pub(crate) fn latest(py: Python<'_>, frame: &Table, levels: usize) -> PyResult<Table> {
    let frame = frame.batch(py)?;
    py.detach(|| db_native::latest(&frame, levels)).map(Table::of_batch).map_err(|error| raise(py, &error))
}

/// Returns the positions of int64 times among the distinct times, as int32, and these as int64, ascending.
#[pyfunction]
pub(crate) fn levels(py: Python<'_>, times: &Bound<'_, PyAny>) -> PyResult<(Memory, Memory)> {
    let times = of_buffer(py, &PyBuffer::get(times)?)?;
    let (places, distinct) = py.detach(|| db_native::levels(&times));
    Ok((Memory::new(places), Memory::new(distinct)))
}

/// A buffer's times, where there is memory for them.
pub(crate) fn of_buffer(py: Python<'_>, times: &PyBuffer<i64>) -> PyResult<Vec<i64>> {
    room(times.len_bytes()).map_err(|error| raise(py, &error))?;
    times.to_vec(py)
}

pub(crate) fn of_kinds(kinds: Vec<(String, String)>) -> PyResult<Vec<(String, DataType)>> {
    kinds.into_iter().map(|(name, kind)| Ok((name, data_type(&kind)?))).collect()
}

/// The type of a column's kind, of those that a field can have.
fn data_type(kind: &str) -> PyResult<DataType> {
    Ok(match kind {
        "float64" => DataType::Float64,
        "int64" => DataType::Int64,
        "uint64" => DataType::UInt64,
        "bool" => DataType::Boolean,
        "string" => DataType::LargeUtf8,
        "timestamp" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        other => {
            return Err(InvalidArgumentError::new_err(format!(
                "expected the type of a field, such as float64, got {other:?}"
            )));
        }
    })
}

pub(crate) fn of_names(levels: Option<Vec<String>>) -> Levels {
    levels.map_or(Levels::Differing, Levels::Named)
}
