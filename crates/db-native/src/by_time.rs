//! A frame's rows in order of time: from series after series to all series of a time together.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_schema::DataType;

use crate::error::{Error, Result};
use crate::unify::{Stretch, extend, gather};
use crate::union::batch;

/// The rows sorted by time, and the column of times before all others.
///
/// Rows of one time keep their order. In a frame of [`pivot`](crate::pivot()), that is the order of
/// their tags. `levels` is the number of columns before the time.
///
/// Fails with [`ErrorKind::Input`](crate::ErrorKind::Input) where the column after the levels has no times.
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
    let mut rows: Vec<usize> = (0..times.len()).collect();
    // Stable, and fast here: it merges the series, which are sorted already.
    rows.sort_by_key(|row| times[*row]);
    let mut stretches = Vec::new();
    for row in rows {
        extend(&mut stretches, Stretch::Rows { source: 0, start: row, rows: 1 });
    }
    let sorted = fields.iter().zip(columns).map(|(field, column)| {
        let kind: &DataType = field.data_type();
        gather(field.name(), kind, std::slice::from_ref(column), &stretches)
    });
    let sorted = sorted.collect::<Result<_>>()?;
    Ok(batch(fields, sorted, times.len()))
}
