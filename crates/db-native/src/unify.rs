//! Which types one column may carry, and the exact casts between them.
//!
//! Equal types unify. Any mix of `long`, `unsignedLong` and `double` becomes
//! `double`, but only where every value is exact. A dictionary of strings and
//! strings become strings. Nothing else unifies.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, LargeStringArray, PrimitiveArray};
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;

use crate::error::{Error, Result};

/// The type both unify to, if they do.
pub(crate) fn unify(one: &DataType, other: &DataType) -> Option<DataType> {
    let is_number = |kind: &DataType| matches!(kind, DataType::Int64 | DataType::UInt64 | DataType::Float64);
    let is_text = |kind: &DataType| matches!(kind, DataType::LargeUtf8 | DataType::Dictionary(..));
    match (one, other) {
        _ if one == other => Some(one.clone()),
        _ if is_number(one) && is_number(other) => Some(DataType::Float64),
        _ if is_text(one) && is_text(other) => Some(DataType::LargeUtf8),
        _ => None,
    }
}

/// The name users know a type by.
pub(crate) fn type_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Int64 => "long",
        DataType::UInt64 => "unsignedLong",
        DataType::Float64 => "double",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "dateTime:RFC3339",
        DataType::Duration(_) => "duration",
        DataType::LargeBinary => "base64Binary",
        _ => "string",
    }
}

/// `array` as `target`, which [`unify`] gave; the first value that is not exact is the error.
pub(crate) fn cast(array: &ArrayRef, target: &DataType) -> std::result::Result<ArrayRef, String> {
    match (array.data_type(), target) {
        (have, want) if have == want => Ok(Arc::clone(array)),
        (DataType::Int64, _) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "the loss is what the check below finds")]
            exact(array.as_primitive::<Int64Type>(), |v| v as f64, |v, f| i128::from(v) == whole(f))
        }
        (DataType::UInt64, _) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "the loss is what the check below finds")]
            exact(array.as_primitive::<UInt64Type>(), |v| v as f64, |v, f| i128::from(v) == whole(f))
        }
        _ => {
            let words = array.as_dictionary::<Int32Type>();
            let texts = words
                .downcast_dict::<LargeStringArray>()
                .ok_or_else(|| "a dictionary of strings was expected".to_owned())?;
            Ok(Arc::new(texts.into_iter().collect::<LargeStringArray>()))
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an integer-valued double below 2^65 fits in 128 bits")]
fn whole(value: f64) -> i128 {
    value as i128
}

fn exact<T: arrow_array::ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    cast: impl Fn(T::Native) -> f64,
    same: impl Fn(T::Native, f64) -> bool,
) -> std::result::Result<ArrayRef, String> {
    if let Some(value) = array.iter().flatten().find(|&v| !same(v, cast(v))) {
        return Err(format!("{value:?} has no exact double"));
    }
    let doubles: Float64Array = array.unary::<_, Float64Type>(cast);
    Ok(Arc::new(doubles))
}

/// A stretch of an output column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// Rows `start..start + rows` of a source array.
    Rows { source: usize, start: usize, rows: usize },
    /// So many nulls.
    Nulls(usize),
}

/// Joins stretches of `sources`, all of type `kind`, into the column `name`.
///
/// Fails where the words of several dictionaries are more than their keys can number, or the texts
/// of several arrays longer than 32-bit offsets reach; neither can happen to what this crate makes.
pub(crate) fn gather(name: &str, kind: &DataType, sources: &[ArrayRef], stretches: &[Stretch]) -> Result<ArrayRef> {
    if let [Stretch::Rows { source, start, rows }] = *stretches {
        return Ok(sources[source].slice(start, rows));
    }
    let total = stretches.iter().map(|stretch| match *stretch {
        Stretch::Rows { rows, .. } | Stretch::Nulls(rows) => rows,
    });
    if sources.is_empty() {
        return Ok(arrow_array::new_null_array(kind, total.sum()));
    }
    let data: Vec<_> = sources.iter().map(Array::to_data).collect();
    let nulls = stretches.iter().any(|stretch| matches!(stretch, Stretch::Nulls(_)));
    let too_large = |why| Error::input(None, Some(name), format!("its {kind} chunks can't be joined: {why}"));
    let mut joined = MutableArrayData::try_new(data.iter().collect(), nulls, total.sum()).map_err(too_large)?;
    for stretch in stretches {
        match *stretch {
            Stretch::Rows { source, start, rows } => joined.try_extend(source, start, start + rows),
            Stretch::Nulls(rows) => joined.try_extend_nulls(rows),
        }
        .map_err(too_large)?;
    }
    Ok(arrow_array::make_array(joined.freeze()))
}

/// Appends a stretch, joined with the last one where they touch.
pub(crate) fn extend(stretches: &mut Vec<Stretch>, next: Stretch) {
    match (stretches.last_mut(), next) {
        (Some(Stretch::Nulls(rows)), Stretch::Nulls(more)) => *rows += more,
        (
            Some(Stretch::Rows { source, start, rows }),
            Stretch::Rows { source: next_source, start: next_start, rows: more },
        ) if *source == next_source && *start + *rows == next_start => {
            *rows += more;
        }
        _ => stretches.push(next),
    }
}
