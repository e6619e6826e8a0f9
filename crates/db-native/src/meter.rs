//! Meter differences: consumption between consecutive totals of each series.
//!
//! A meter reports a running total. The consumption up to a row is its total
//! less the last total before it in the same series; a row without a total has
//! none, and the next one counts from the last total known. The first total of
//! a series has nothing before it: null.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Field};

use crate::error::{Error, Result};
use crate::texts::Texts;
use crate::union::batch;

/// Replaces each column but the `keys`, given by position, by its differences.
///
/// Of the keys, columns of strings tell series apart, whose rows must stand
/// together, in order of time; others, such as the time itself, are carried
/// along. float64 stays float64; int64 and uint64 become int64, exactly, or
/// fail.
pub fn differences(frame: &RecordBatch, keys: &[usize]) -> Result<RecordBatch> {
    let starts = series_starts(frame, keys)?;
    let schema = frame.schema();
    let mut fields = Vec::with_capacity(frame.num_columns());
    let mut columns = Vec::with_capacity(frame.num_columns());
    for (index, (field, column)) in schema.fields().iter().zip(frame.columns()).enumerate() {
        let column =
            if keys.contains(&index) { Arc::clone(column) } else { difference(field.name(), column, &starts)? };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    Ok(batch(fields, columns, frame.num_rows()))
}

/// For each row, whether a series begins there.
fn series_starts(frame: &RecordBatch, keys: &[usize]) -> Result<Vec<bool>> {
    let mut starts = vec![false; frame.num_rows()];
    if let Some(first) = starts.first_mut() {
        *first = true;
    }
    for key in keys {
        let column =
            frame.columns().get(*key).ok_or_else(|| Error::input(None, None, format!("there is no column {key}")))?;
        let Some(texts) = Texts::of(column) else { continue };
        for (row, start) in starts.iter_mut().enumerate().skip(1) {
            *start = *start || texts.get(row) != texts.get(row - 1);
        }
    }
    Ok(starts)
}

fn difference(name: &str, column: &ArrayRef, starts: &[bool]) -> Result<ArrayRef> {
    let overflow = |row| Error::input(Some(row), Some(name), "the difference does not fit in 64 bits");
    match column.data_type() {
        DataType::Float64 => each::<Float64Type, Float64Type>(column, starts, |now, before| Some(now - before)),
        DataType::Int64 => each::<Int64Type, Int64Type>(column, starts, i64::checked_sub),
        DataType::UInt64 => each::<UInt64Type, Int64Type>(column, starts, |now, before| {
            i64::try_from(i128::from(now) - i128::from(before)).ok()
        }),
        other => return Err(no_total(name, other)),
    }
    .map_err(overflow)
}

/// A column of this type holds no totals.
pub(crate) fn no_total(name: &str, kind: &DataType) -> Error {
    let reason = format!("consumption needs a float64, int64 or uint64 total, not {kind}");
    Error::input(None, Some(name), reason)
}

/// Differences along the series; the row whose difference can't be held is the error.
fn each<T: ArrowPrimitiveType, U: ArrowPrimitiveType>(
    column: &ArrayRef,
    starts: &[bool],
    subtract: impl Fn(T::Native, T::Native) -> Option<U::Native>,
) -> std::result::Result<ArrayRef, usize> {
    let totals = column.as_primitive::<T>();
    let mut last = None;
    let mut out: Vec<Option<U::Native>> = Vec::with_capacity(starts.len());
    for (row, (total, start)) in totals.iter().zip(starts).enumerate() {
        if *start {
            last = None;
        }
        out.push(match (total, last) {
            (Some(now), Some(before)) => Some(subtract(now, before).ok_or(row)?),
            _ => None,
        });
        last = total.or(last);
    }
    Ok(Arc::new(out.into_iter().collect::<PrimitiveArray<U>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringArray, UInt64Array};

    fn frame(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn gaps_are_bridged_and_series_kept_apart() {
        let meters: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "a", "b", "b"]));
        let totals: ArrayRef = Arc::new(Float64Array::from(vec![Some(10.0), None, Some(12.5), Some(1.0), Some(4.0)]));
        let out = differences(&frame(vec![("meter", meters), ("kwh", totals)]), &[0]).unwrap();
        let expected = Float64Array::from(vec![None, None, Some(2.5), None, Some(3.0)]);
        assert_eq!(&expected, out.column(1).as_primitive::<Float64Type>());
    }

    #[test]
    fn integers_are_exact_beyond_doubles_and_never_wrap() {
        let big = 9_007_199_254_740_993_i64;
        let totals: ArrayRef = Arc::new(Int64Array::from(vec![big, big + 1]));
        let out = differences(&frame(vec![("kwh", totals)]), &[]).unwrap();
        assert_eq!(&Int64Array::from(vec![None, Some(1)]), out.column(0).as_primitive::<Int64Type>());

        let down: ArrayRef = Arc::new(UInt64Array::from(vec![5_u64, 3]));
        let out = differences(&frame(vec![("kwh", down)]), &[]).unwrap();
        assert_eq!(&Int64Array::from(vec![None, Some(-2)]), out.column(0).as_primitive::<Int64Type>());

        let wide: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
        assert!(differences(&frame(vec![("kwh", wide)]), &[]).is_err());
    }

    #[test]
    fn text_has_no_consumption() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let error = differences(&frame(vec![("state", text)]), &[]).unwrap_err();
        assert!(error.to_string().contains("state"), "{error}");
    }
}
