//! Pivot, meter differences and consumption.

use std::sync::Arc;

use arrow_schema::DataType;
use db_native::{Consumption, EmptyText, Gaps, Levels, OnReset, Pivot, Renamed, Totals, Window, room};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::batch::{Batch, data_type};
use crate::decoder::Answer;
use crate::errors::{InvalidArgumentError, raise};

/// Long to wide; gives the frame and how many of its columns are levels. Uses the answers up.
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
) -> PyResult<(Batch, usize)> {
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
    Ok((Batch::new(wide.batch), wide.levels))
}

/// Differences of all columns but the keys, given by position.
#[pyfunction]
#[pyo3(signature = (batch, *, keys))]
pub(crate) fn differences(py: Python<'_>, batch: &Batch, keys: Vec<usize>) -> PyResult<Batch> {
    let frame = batch.get()?;
    py.detach(|| db_native::differences(&frame, &keys)).map(Batch::new).map_err(|error| raise(py, &error))
}

/// The newest value of each field, one row per row group.
#[pyfunction]
pub(crate) fn latest(py: Python<'_>, batch: &Batch, levels: usize) -> PyResult<Batch> {
    let frame = batch.get()?;
    py.detach(|| db_native::latest(&frame, levels)).map(Batch::new).map_err(|error| raise(py, &error))
}

/// Totals to consumption per window; gives the frame and how many of its columns are levels.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[pyo3(signature = (
    totals, *, before, first, lows, points, refined, fields, kinds, levels, tz, on_reset, rollover, max_rate, gaps, grid,
    adjacent_since, lead, late, longest, quality
))]
pub(crate) fn consumption(
    py: Python<'_>,
    totals: Vec<Bound<'_, Answer>>,
    before: Vec<Bound<'_, Answer>>,
    first: Vec<Bound<'_, Answer>>,
    lows: Vec<Bound<'_, Answer>>,
    points: Vec<Bound<'_, Answer>>,
    refined: Vec<(i64, i64, i64)>,
    fields: Vec<String>,
    kinds: Vec<(String, String)>,
    levels: Option<Vec<String>>,
    tz: String,
    on_reset: &str,
    rollover: Vec<(String, f64)>,
    max_rate: Vec<(String, f64)>,
    gaps: &str,
    grid: Option<PyBuffer<i64>>,
    adjacent_since: Option<i64>,
    lead: i64,
    late: i64,
    longest: i64,
    quality: bool,
) -> PyResult<(Batch, usize)> {
    let spec = Consumption {
        fields,
        kinds: of_kinds(kinds)?,
        levels: of_names(levels),
        tz,
        refined: refined.into_iter().map(|(label, start, stop)| Window { label, start, stop }).collect(),
        on_reset: way_of_reset(on_reset)?,
        rollover,
        max_rate,
        gaps: match gaps {
            "book" => Gaps::Book,
            "spread" => Gaps::Spread,
            "null" => Gaps::Null,
            other => return Err(InvalidArgumentError::new_err(format!("{other:?} is no way to take a gap"))),
        },
        grid: grid.map(|labels| of_buffer(py, &labels)).transpose()?,
        adjacent_since,
        lead,
        late,
        longest,
        quality,
    };
    let [totals, before, first, lows, points] = shared([totals, before, first, lows, points])?;
    let answers = Totals { totals: &totals, before: &before, first: &first, lows: &lows, points: &points };
    let wide = py.detach(|| db_native::consumption(&answers, &spec)).map_err(|error| raise(py, &error))?;
    Ok((Batch::new(wide.batch), wide.levels))
}

/// Tags, their values per series, and of each doubt the field, the series and the windows' labels.
type Unsettled = (Vec<String>, Vec<Vec<Option<String>>>, Vec<(String, Vec<usize>, Vec<i64>)>);

/// The windows whose points are worth asking for.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[pyo3(signature = (totals, *, before, first, lows, fields, levels, on_reset, max_rate, lead))]
pub(crate) fn unsettled(
    py: Python<'_>,
    totals: Vec<Bound<'_, Answer>>,
    before: Vec<Bound<'_, Answer>>,
    first: Vec<Bound<'_, Answer>>,
    lows: Vec<Bound<'_, Answer>>,
    fields: Vec<String>,
    levels: Option<Vec<String>>,
    on_reset: &str,
    max_rate: Vec<(String, f64)>,
    lead: i64,
) -> PyResult<Unsettled> {
    let spec = Consumption {
        fields,
        kinds: Vec::new(),
        levels: of_names(levels),
        tz: String::new(),
        refined: Vec::new(),
        on_reset: way_of_reset(on_reset)?,
        rollover: Vec::new(),
        max_rate,
        gaps: Gaps::Book,
        grid: None,
        adjacent_since: None,
        lead,
        late: 0,
        longest: 0,
        quality: false,
    };
    let [totals, before, first, lows] = shared([totals, before, first, lows])?;
    let answers = Totals { totals: &totals, before: &before, first: &first, lows: &lows, points: &[] };
    let found = py.detach(|| db_native::unsettled(&answers, &spec)).map_err(|error| raise(py, &error))?;
    let doubts = found.doubts.into_iter().map(|doubt| (doubt.field, doubt.series, doubt.windows));
    Ok((found.tags, found.series, doubts.collect()))
}

/// A buffer's times, where there is memory for them.
fn of_buffer(py: Python<'_>, times: &PyBuffer<i64>) -> PyResult<Vec<i64>> {
    room(times.len_bytes()).map_err(|error| raise(py, &error))?;
    times.to_vec(py)
}

fn of_kinds(kinds: Vec<(String, String)>) -> PyResult<Vec<(String, DataType)>> {
    kinds.into_iter().map(|(name, kind)| Ok((name, data_type(&kind)?))).collect()
}

fn way_of_reset(word: &str) -> PyResult<OnReset> {
    match word {
        "null" => Ok(OnReset::Null),
        "restart" => Ok(OnReset::Restart),
        "rollover" => Ok(OnReset::Rollover),
        "keep" => Ok(OnReset::Keep),
        other => Err(InvalidArgumentError::new_err(format!("{other:?} is no way to take a reset"))),
    }
}

fn shared<const SETS: usize>(sets: [Vec<Bound<'_, Answer>>; SETS]) -> PyResult<[Vec<Arc<db_native::Answer>>; SETS]> {
    let mut shared = [const { Vec::new() }; SETS];
    for (answers, shared) in sets.iter().zip(&mut shared) {
        *shared = answers.iter().map(|answer| answer.get().get()).collect::<PyResult<_>>()?;
    }
    Ok(shared)
}

fn of_names(levels: Option<Vec<String>>) -> Levels {
    levels.map_or(Levels::Differing, Levels::Named)
}
