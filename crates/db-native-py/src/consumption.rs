//! The consumption of meters.

use std::sync::Arc;

use db_native::{Gaps, OnReset, Policy, Totals, Window, Windows};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::decoder::Answer;
use crate::errors::{raise, refuse};
use crate::kernels::{of_buffer, of_kinds, of_names};
use crate::table::Table;

/// Totals that are read once. `unsettled` says which points decide, and `frame` makes the frame.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Consumption(db_native::Consumption);

/// Tags, their values for each series, and for each doubt the field, the series and the labels of the windows.
type Unsettled = (Vec<String>, Vec<Vec<Option<String>>>, Vec<(String, Vec<usize>, Vec<i64>)>);

#[pymethods]
impl Consumption {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (
        totals, *, before, first, lows, fields, kinds, levels, tz, on_reset, rollover, max_rate, gaps, grid,
        adjacent_since, lead, late, longest, quality, edges, label
    ))]
    fn new(
        py: Python<'_>,
        totals: Vec<Bound<'_, Answer>>,
        before: Vec<Bound<'_, Answer>>,
        first: Vec<Bound<'_, Answer>>,
        lows: Vec<Bound<'_, Answer>>,
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
        edges: Option<PyBuffer<i64>>,
        label: &str,
    ) -> PyResult<Self> {
        let policy = Policy {
            fields,
            kinds: of_kinds(kinds)?,
            levels: of_names(levels),
            tz,
            on_reset: match on_reset {
                "null" => OnReset::Null,
                "restart" => OnReset::Restart,
                "rollover" => OnReset::Rollover,
                "keep" => OnReset::Keep,
                other => {
                    return Err(refuse(
                        py,
                        Some("on_reset"),
                        format!("on_reset must be \"null\", \"restart\", \"rollover\" or \"keep\", not {other:?}"),
                    ));
                }
            },
            rollover,
            max_rate,
            gaps: match gaps {
                "book" => Gaps::Book,
                "spread" => Gaps::Spread,
                "null" => Gaps::Null,
                other => {
                    return Err(refuse(
                        py,
                        Some("gaps"),
                        format!("gaps must be \"book\", \"spread\" or \"null\", not {other:?}"),
                    ));
                }
            },
            grid: grid.map(|labels| of_buffer(py, &labels)).transpose()?,
            adjacent_since,
            lead,
            late,
            longest,
            quality,
            windows: edges
                .map(|edges| of_buffer(py, &edges).map(|edges| Windows { edges, label_start: label == "start" }))
                .transpose()?,
        };
        let [totals, before, first, lows] = [shared(&totals)?, shared(&before)?, shared(&first)?, shared(&lows)?];
        let answers = Totals { totals: &totals, before: &before, first: &first, lows: &lows };
        py.detach(|| db_native::Consumption::new(&answers, policy)).map(Self).map_err(|error| raise(py, &error))
    }

    /// The windows whose points decide the consumption.
    fn unsettled(&self, py: Python<'_>) -> PyResult<Unsettled> {
        let found = py.detach(|| self.0.unsettled()).map_err(|error| raise(py, &error))?;
        let doubts = found.doubts.into_iter().map(|doubt| (doubt.field, doubt.series, doubt.windows));
        Ok((found.tags, found.series, doubts.collect()))
    }

    /// The frame, and how many of its columns are levels.
    fn frame(
        &self,
        py: Python<'_>,
        points: Vec<Bound<'_, Answer>>,
        refined: Vec<(i64, i64, i64)>,
    ) -> PyResult<(Table, usize)> {
        let points = shared(&points)?;
        let refined: Vec<_> = refined.into_iter().map(|(label, start, stop)| Window { label, start, stop }).collect();
        let wide = py.detach(|| self.0.frame(&points, &refined)).map_err(|error| raise(py, &error))?;
        Ok((Table::of_batch(wide.batch), wide.levels))
    }
}

fn shared(answers: &[Bound<'_, Answer>]) -> PyResult<Vec<Arc<db_native::Answer>>> {
    answers.iter().map(|answer| answer.get().get()).collect()
}
