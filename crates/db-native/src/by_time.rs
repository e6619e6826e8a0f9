//! Puts the rows of a frame in order of time: the rows of all series with one time are then together.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::take::take;

use crate::error::{Error, Result};
use crate::union::batch;

/// The rows sorted by time, and the column of times before all others.
///
/// Rows of one time keep their order. In a frame of [`pivot`](crate::pivot()), that is the order of
/// their tags. `levels` is the number of columns before the time.
///
/// Fails with [`ErrorKind::Input`](crate::ErrorKind::Input) where the column after the levels has no times,
/// and where there are 2^32 rows or more.
pub fn by_time(frame: &RecordBatch, levels: usize) -> Result<RecordBatch> {
    let times = frame.columns().get(levels).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
    let times = times.ok_or_else(|| Error::input(None, None, format!("column {levels} has no times")))?.values();
    let order = [levels].into_iter().chain(0..levels).chain(levels + 1..frame.num_columns());
    let schema = frame.schema();
    let fields: Vec<_> = order.clone().map(|place| schema.field(place).clone()).collect();
    let columns = order.map(|place| frame.column(place));
    if times.is_sorted() {
        return Ok(batch(fields, columns.map(Arc::clone).collect(), times.len()));
    }
    let count = u32::try_from(times.len()).map_err(|_| {
        Error::input(None, None, format!("can put at most {} rows in order, not {}", u32::MAX, times.len()))
    })?;
    let mut rows: Vec<u32> = (0..count).collect();
    // Stable, and fast here: it merges the series, which are sorted already.
    rows.sort_by_key(|row| times[*row as usize]);
    let rows = UInt32Array::from(rows);
    let sorted = fields.iter().zip(columns).map(|(field, column)| {
        take(column, &rows, None)
            .map_err(|why| Error::input(None, Some(field.name()), format!("its rows can't be put in order: {why}")))
    });
    let sorted = sorted.collect::<Result<_>>()?;
    Ok(batch(fields, sorted, times.len()))
}
