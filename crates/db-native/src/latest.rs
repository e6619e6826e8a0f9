//! The newest value of each field: one row per row group of a wide frame.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_data::transform::MutableArrayData;

use crate::error::{Error, Result};
use crate::union::batch;

/// Keeps the last row of each row group, and in each field the last value that is not null.
///
/// `frame` is the result of a pivot. Its first `levels` columns are dictionaries that distinguish the groups, the
/// next column is the time, and the rows are sorted by these columns.
pub fn latest(frame: &RecordBatch, levels: usize) -> Result<RecordBatch> {
    let codes: Vec<_> = frame.columns()[..levels].iter().map(AsArray::as_dictionary::<Int32Type>).collect();
    let is_last =
        |row: &usize| row + 1 == frame.num_rows() || codes.iter().any(|level| level.key(*row) != level.key(row + 1));
    let ends: Vec<usize> = (0..frame.num_rows()).filter(is_last).map(|row| row + 1).collect();
    let columns = frame.columns().iter().enumerate().map(|(place, column)| {
        let is_key = place <= levels;
        let starts = [0].iter().chain(&ends);
        let row_of = |(start, end): (&usize, &usize)| (*start..*end).rev().find(|row| is_key || column.is_valid(*row));
        taken(column, starts.zip(&ends).map(row_of), ends.len())
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let fields = frame.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    Ok(batch(fields, columns, ends.len()))
}

/// The values of these rows; null where there is none.
fn taken(column: &ArrayRef, rows: impl Iterator<Item = Option<usize>>, count: usize) -> Result<ArrayRef> {
    let data = column.to_data();
    let mut out = MutableArrayData::new(vec![&data], true, count);
    for row in rows {
        let done = match row {
            Some(row) => out.try_extend(0, row, row + 1),
            None => out.try_extend_nulls(1),
        };
        done.map_err(|error| Error::input(None, None, error.to_string()))?;
    }
    Ok(make_array(out.freeze()))
}
