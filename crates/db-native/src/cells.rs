//! A column to be written, typed once: integers, floats, booleans or text.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, PrimitiveArray, UInt64Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::texts::Texts;

/// Bytes of a string value.
pub(crate) const LONGEST_TEXT: usize = 1 << 20;

/// A column's values, integers and floats widened to 64 bits.
#[derive(Debug)]
pub(crate) enum Cells {
    Long(Int64Array),
    UnsignedLong(UInt64Array),
    Double(Float64Array),
    Boolean(BooleanArray),
    Text(Texts),
    /// A column of nulls.
    Nothing,
}

impl Cells {
    pub(crate) fn of(name: &str, column: &dyn Array) -> Result<Self> {
        fn widen<T: ArrowPrimitiveType, U: ArrowPrimitiveType>(column: &dyn Array) -> PrimitiveArray<U>
        where
            U::Native: From<T::Native>,
        {
            column.as_primitive::<T>().unary(U::Native::from)
        }
        Ok(match column.data_type() {
            DataType::Int8 => Self::Long(widen::<Int8Type, Int64Type>(column)),
            DataType::Int16 => Self::Long(widen::<Int16Type, Int64Type>(column)),
            DataType::Int32 => Self::Long(widen::<Int32Type, Int64Type>(column)),
            DataType::Int64 => Self::Long(column.as_primitive().clone()),
            DataType::UInt8 => Self::UnsignedLong(widen::<UInt8Type, UInt64Type>(column)),
            DataType::UInt16 => Self::UnsignedLong(widen::<UInt16Type, UInt64Type>(column)),
            DataType::UInt32 => Self::UnsignedLong(widen::<UInt32Type, UInt64Type>(column)),
            DataType::UInt64 => Self::UnsignedLong(column.as_primitive().clone()),
            DataType::Float16 => Self::Double(widen::<Float16Type, Float64Type>(column)),
            DataType::Float32 => Self::Double(widen::<Float32Type, Float64Type>(column)),
            DataType::Float64 => Self::Double(column.as_primitive().clone()),
            DataType::Boolean => Self::Boolean(column.as_boolean().clone()),
            DataType::Null => Self::Nothing,
            other => Self::Text(Texts::of(column).ok_or_else(|| {
                let (what, instead) = instead(other);
                let reason = format!("{what} ({other}) can't be stored; convert them to {instead} first");
                Error::input(None, Some(name), reason)
            })?),
        })
    }

    /// Marks the rows that have a value to write as a field; tells of rows whose value can't be written.
    pub(crate) fn mark_values(&self, marks: &mut [bool], refuse: &mut dyn FnMut(usize, String)) {
        let mark = |marks: &mut [bool], nulls: Option<&NullBuffer>| match nulls {
            None => marks.fill(true),
            Some(nulls) => marks.iter_mut().zip(nulls).for_each(|(mark, valid)| *mark |= valid),
        };
        match self {
            Self::Long(values) => mark(marks, values.nulls()),
            Self::UnsignedLong(values) => mark(marks, values.nulls()),
            Self::Boolean(values) => mark(marks, values.nulls()),
            Self::Text(texts) => {
                for (row, mark) in marks.iter_mut().enumerate() {
                    let Some(text) = texts.get(row) else { continue };
                    if text.len() > LONGEST_TEXT {
                        let length = text.len();
                        refuse(
                            row,
                            format!("a text of {length} bytes can't be stored; InfluxDB stores at most {LONGEST_TEXT}"),
                        );
                    }
                    *mark = true;
                }
            }
            Self::Double(values) => {
                for (row, (mark, value)) in marks.iter_mut().zip(values.values()).enumerate() {
                    let valid = values.is_valid(row);
                    if valid && value.is_infinite() {
                        refuse(row, format!("{value} can't be stored; InfluxDB stores only finite floats"));
                    }
                    *mark |= valid && !value.is_nan();
                }
            }
            Self::Nothing => {}
        }
    }

    /// Whether a row has a value to write as a field.
    pub(crate) fn has_value(&self, row: usize) -> bool {
        match self {
            Self::Long(values) => values.is_valid(row),
            Self::UnsignedLong(values) => values.is_valid(row),
            Self::Double(values) => values.is_valid(row) && values.value(row).is_finite(),
            Self::Boolean(values) => values.is_valid(row),
            Self::Text(texts) => texts.get(row).is_some(),
            Self::Nothing => false,
        }
    }

    /// Whether the values of two rows that have one differ; as numbers, 0 and -0 do not.
    #[expect(clippy::float_cmp, reason = "values are the same or not")]
    pub(crate) fn differ(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Long(values) => values.value(one) != values.value(other),
            Self::UnsignedLong(values) => values.value(one) != values.value(other),
            Self::Double(values) => values.value(one) != values.value(other),
            Self::Boolean(values) => values.value(one) != values.value(other),
            Self::Text(_) => self.texts_differ(one, other),
            Self::Nothing => false,
        }
    }

    /// Whether this is a column of texts, and those of two rows differ.
    pub(crate) fn texts_differ(&self, one: usize, other: usize) -> bool {
        matches!(self, Self::Text(texts) if texts.get(one) != texts.get(other))
    }

    /// Writes the key and a value that is not text; `false`, and nothing written, if there is none.
    #[inline]
    pub(crate) fn write(&self, row: usize, key: &[u8], long: &str, unsigned_long: &str, body: &mut Vec<u8>) -> bool {
        match self {
            Self::Long(values) if values.is_valid(row) => {
                body.extend_from_slice(key);
                body.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
                body.extend_from_slice(long.as_bytes());
            }
            Self::UnsignedLong(values) if values.is_valid(row) => {
                body.extend_from_slice(key);
                body.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
                body.extend_from_slice(unsigned_long.as_bytes());
            }
            Self::Double(values) if values.is_valid(row) && values.value(row).is_finite() => {
                body.extend_from_slice(key);
                body.extend_from_slice(zmij::Buffer::new().format_finite(values.value(row)).as_bytes());
            }
            Self::Boolean(values) if values.is_valid(row) => {
                body.extend_from_slice(key);
                body.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            _ => return false,
        }
        true
    }
}

/// For a type that InfluxDB does not have: how a message names its values, and what to convert them to.
fn instead(kind: &DataType) -> (&'static str, &'static str) {
    match kind {
        DataType::Date32 | DataType::Date64 => ("dates", "text"),
        DataType::Timestamp(..) => ("timestamps other than the point's own", "text or integers"),
        DataType::Time32(_) | DataType::Time64(_) => ("times of day", "text or integers"),
        DataType::Duration(_) | DataType::Interval(_) => ("durations", "a number of seconds"),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            ("decimals", "floats, integers or text")
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ("bytes", "text"),
        // UUIDs, and polars' objects, are of this type too.
        DataType::FixedSizeBinary(_) => ("bytes or objects", "text"),
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => ("encoded values", "a plain column"),
        _ => ("nested values", "text, such as JSON, or to columns of their own,"),
    }
}

/// InfluxDB's name of the type with which a column is written, and the number of values; `None` if there is none.
pub fn written(column: &dyn Array) -> Result<Option<(&'static str, usize)>> {
    let cells = Cells::of("", column)?;
    let kind = match cells {
        Cells::Long(_) => "integer",
        Cells::UnsignedLong(_) => "unsigned integer",
        Cells::Double(_) => "float",
        Cells::Boolean(_) => "boolean",
        Cells::Text(_) => "string",
        Cells::Nothing => return Ok(None),
    };
    let mut marks = vec![false; column.len()];
    cells.mark_values(&mut marks, &mut |_, _| {});
    let values = marks.into_iter().filter(|marked| *marked).count();
    Ok((values > 0).then_some((kind, values)))
}

/// Nanoseconds since the epoch; a timestamp without a zone is UTC.
pub(crate) fn times(name: &str, column: &dyn Array) -> Result<Vec<Option<i64>>> {
    fn scaled<T: ArrowPrimitiveType<Native = i64>>(
        name: &str,
        column: &dyn Array,
        nanos: i64,
    ) -> Result<Vec<Option<i64>>> {
        let rows = column.as_primitive::<T>().iter().enumerate();
        rows.map(|(row, time)| match time.map(|time| time.checked_mul(nanos)) {
            Some(None) => Err(Error::input(Some(row), Some(name), "the time lies outside 1677-09-21 to 2262-04-11")),
            Some(time) => Ok(time),
            None => Ok(None),
        })
        .collect()
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => scaled::<TimestampNanosecondType>(name, column, 1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => scaled::<TimestampMicrosecondType>(name, column, 1_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => scaled::<TimestampMillisecondType>(name, column, 1_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => scaled::<TimestampSecondType>(name, column, 1_000_000_000),
        other => {
            let reason = format!("the time column must hold timestamps, not {other}; convert it to timestamps first");
            Err(Error::input(None, Some(name), reason))
        }
    }
}
