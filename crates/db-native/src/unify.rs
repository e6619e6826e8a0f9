//! Which types have a common type, and the exact casts to it.
//!
//! Equal types need no cast. `long`, `unsignedLong` and `double` together become
//! `double`, if every value is exact as a double. A dictionary of strings and
//! strings become strings. Other types have no common type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    DurationNanosecondType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, DictionaryArray, Float64Array, LargeStringArray, PrimitiveArray,
};
use arrow_buffer::NullBufferBuilder;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, TimeUnit};

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

/// The name by which users know a type.
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

/// Casts `array` to `target`, which [`unify`] returned. The error names the first value that is not exact.
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
                .ok_or_else(|| "expected a dictionary of strings".to_owned())?;
            Ok(Arc::new(texts.into_iter().collect::<LargeStringArray>()))
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an integer-valued double below 2^65 fits in 128 bits")]
fn whole(value: f64) -> i128 {
    value as i128
}

fn exact<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    cast: impl Fn(T::Native) -> f64,
    same: impl Fn(T::Native, f64) -> bool,
) -> std::result::Result<ArrayRef, String> {
    if let Some(value) = array.iter().flatten().find(|&v| !same(v, cast(v))) {
        return Err(format!("a double can't hold {value:?} exactly"));
    }
    let doubles: Float64Array = array.unary::<_, Float64Type>(cast);
    Ok(Arc::new(doubles))
}

/// A stretch of an output column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// Rows `start..start + rows` of a source array.
    Rows { source: usize, start: usize, rows: usize },
    /// One row of a source array, so many times.
    Repeat { source: usize, row: usize, count: usize },
    /// So many nulls.
    Nulls(usize),
}

impl Stretch {
    fn len(self) -> usize {
        match self {
            Self::Rows { rows, .. } | Self::Nulls(rows) => rows,
            Self::Repeat { count, .. } => count,
        }
    }
}

/// Joins stretches of `sources`, all of type `kind`, into the column `name`.
///
/// Numbers and times are joined in a vector, whose memory can be handed over.
///
/// Fails where the words of several dictionaries are more than their keys can number, or the texts
/// of several arrays longer than 32-bit offsets reach; neither can happen to what this crate makes.
pub(crate) fn gather(name: &str, kind: &DataType, sources: &[ArrayRef], stretches: &[Stretch]) -> Result<ArrayRef> {
    if let [Stretch::Rows { source, start, rows }] = *stretches {
        return Ok(sources[source].slice(start, rows));
    }
    Ok(match kind {
        DataType::Int64 => numbers::<Int64Type>(kind, sources, stretches),
        DataType::UInt64 => numbers::<UInt64Type>(kind, sources, stretches),
        DataType::Float64 => numbers::<Float64Type>(kind, sources, stretches),
        DataType::Duration(TimeUnit::Nanosecond) => numbers::<DurationNanosecondType>(kind, sources, stretches),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => numbers::<TimestampNanosecondType>(kind, sources, stretches),
        DataType::Dictionary(key, _) if **key == DataType::Int32 && shared_words(sources).is_some() => {
            let dictionaries = sources.iter().map(AsArray::as_dictionary::<Int32Type>);
            let codes: Vec<ArrayRef> = dictionaries.map(|array| Arc::new(array.keys().clone()) as ArrayRef).collect();
            let codes = numbers::<Int32Type>(&DataType::Int32, &codes, stretches);
            let words = sources[0].as_dictionary::<Int32Type>().values();
            Arc::new(DictionaryArray::new(codes.as_primitive::<Int32Type>().clone(), Arc::clone(words)))
        }
        _ => anything(kind, sources, stretches)
            .map_err(|why| Error::input(None, Some(name), format!("its {kind} chunks can't be joined: {why}")))?,
    })
}

/// The words of dictionaries that all have the same.
fn shared_words(sources: &[ArrayRef]) -> Option<ArrayRef> {
    let mut words = sources.iter().map(|array| array.as_dictionary::<Int32Type>().values());
    let first = words.next()?;
    words.all(|other| Arc::ptr_eq(first, other)).then(|| Arc::clone(first))
}

fn numbers<T: ArrowPrimitiveType>(kind: &DataType, sources: &[ArrayRef], stretches: &[Stretch]) -> ArrayRef {
    let sources: Vec<&PrimitiveArray<T>> = sources.iter().map(AsArray::as_primitive).collect();
    let total = stretches.iter().map(|stretch| stretch.len()).sum();
    let mut values: Vec<T::Native> = Vec::with_capacity(total);
    let mut nulls = NullBufferBuilder::new(total);
    for stretch in stretches {
        match *stretch {
            Stretch::Rows { source, start, rows } => {
                values.extend_from_slice(&sources[source].values()[start..start + rows]);
                match sources[source].nulls() {
                    Some(marks) => nulls.append_buffer(&marks.slice(start, rows)),
                    None => nulls.append_n_non_nulls(rows),
                }
            }
            Stretch::Repeat { source, row, count } => {
                values.resize(values.len() + count, sources[source].value(row));
                if sources[source].is_valid(row) {
                    nulls.append_n_non_nulls(count);
                } else {
                    nulls.append_n_nulls(count);
                }
            }
            Stretch::Nulls(count) => {
                values.resize(values.len() + count, T::default_value());
                nulls.append_n_nulls(count);
            }
        }
    }
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls.finish()).with_data_type(kind.clone()))
}

fn anything(kind: &DataType, sources: &[ArrayRef], stretches: &[Stretch]) -> std::result::Result<ArrayRef, ArrowError> {
    let total = stretches.iter().map(|stretch| stretch.len()).sum();
    if sources.is_empty() {
        return Ok(arrow_array::new_null_array(kind, total));
    }
    let data: Vec<_> = sources.iter().map(Array::to_data).collect();
    let nulls = stretches.iter().any(|stretch| matches!(stretch, Stretch::Nulls(_)));
    let mut joined = MutableArrayData::try_new(data.iter().collect(), nulls, total)?;
    for stretch in stretches {
        match *stretch {
            Stretch::Rows { source, start, rows } => joined.try_extend(source, start, start + rows),
            Stretch::Repeat { source, row, count } => {
                (0..count).try_for_each(|_| joined.try_extend(source, row, row + 1))
            }
            Stretch::Nulls(rows) => joined.try_extend_nulls(rows),
        }?;
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
